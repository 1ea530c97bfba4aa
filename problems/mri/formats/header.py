"""The XML header of ISMRMRD, which fastMRI's files carry too."""

from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Header:
    """What the encoding of a scan says of its geometry.

    Attributes
    ----------
    matrix, image_matrix : tuple of int
        Encoded and reconstructed (x, y, z), x along the read-out.
    field_of_view, image_field_of_view : tuple of float
        The same in millimetre.
    centre_line : int or None
        Index of the phase-encode line at the centre of k-space, where it says.
    last_line : int or None
        Index of the last phase-encode line measured.
    trajectory : str
        ``"cartesian"`` or another.
    """

    matrix: tuple[int, int, int]
    image_matrix: tuple[int, int, int]
    field_of_view: tuple[float, float, float]
    image_field_of_view: tuple[float, float, float]
    centre_line: int | None
    last_line: int | None
    trajectory: str

    @property
    def cropped(self) -> tuple[int, int]:
        """Pixels (x, y) of the encoded matrix within the reconstructed field of view."""
        x, y = (
            min(n, round(n * shown / whole)) if whole > 0 and shown > 0 else n
            for n, shown, whole in zip(
                self.matrix[:2], self.image_field_of_view, self.field_of_view, strict=False
            )
        )
        return x, y

    @property
    def voxel_size(self) -> NDArray[np.float64]:
        """Millimetre along (x, y, slice); of the encoded matrix within the slice."""
        x, y, _ = (f / n for f, n in zip(self.field_of_view, self.matrix, strict=True))
        return np.array([x, y, self.image_field_of_view[2] / self.image_matrix[2]])


def parse_header(xml: str | bytes) -> Header:
    """Read a header.

    Raises
    ------
    ValueError
        If it is not XML or lacks the encoding.
    """
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - expat bounds entities
    except ElementTree.ParseError as error:
        raise ValueError(f"header: expected ISMRMRD XML, got what is none: {error}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    encoding = root.find("encoding")
    if encoding is None:
        raise ValueError("header: expected an element 'encoding', got none")
    limits = "encodingLimits/kspace_encoding_step_1/"
    return Header(
        matrix=_triple(encoding, "encodedSpace/matrixSize", int),
        image_matrix=_triple(encoding, "reconSpace/matrixSize", int),
        field_of_view=_triple(encoding, "encodedSpace/fieldOfView_mm", float),
        image_field_of_view=_triple(encoding, "reconSpace/fieldOfView_mm", float),
        centre_line=_integer(encoding.findtext(limits + "center")),
        last_line=_integer(encoding.findtext(limits + "maximum")),
        trajectory=(encoding.findtext("trajectory") or "cartesian").strip().lower(),
    )


def _triple(encoding: ElementTree.Element, path: str, kind: type) -> tuple:
    texts = [encoding.findtext(f"{path}/{axis}") for axis in "xyz"]
    try:
        values = tuple(kind(float(text)) for text in texts if text is not None)
    except ValueError:
        values = ()
    if len(values) != 3 or not all(value > 0 for value in values):
        raise ValueError(f"header: expected positive x, y and z in {path}, got {texts}")
    return values


def _integer(text: str | None) -> int | None:
    return None if text is None else int(text)
