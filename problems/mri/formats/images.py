"""Images out: NIfTI with geometry, BART's CFL, and PNG."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmaps_science.files import atomic_path
from lmaps_science.problems.mri.formats.cfl import images_to_bart, write_cfl


def write_nifti(path: str | Path, image: NDArray, affine: NDArray | None = None) -> None:
    """Write a magnitude or complex image as NIfTI.

    Parameters
    ----------
    path : str or Path
        ``.nii`` or ``.nii.gz``.
    image : ndarray
        (y, x), (slices, y, x) or (contrasts, slices, y, x).
    affine : ndarray, optional
        (4, 4), from (x, y, slice) to millimetre, as `Scan.affine`; unit voxels by default.

    Raises
    ------
    ImportError
        If nibabel is missing.
    ValueError
        If the image has another number of axes.
    """
    try:
        import nibabel
    except ImportError as error:
        raise ImportError("NIfTI needs nibabel: pip install 'lmaps-science[mri]'") from error

    if image.ndim not in (2, 3, 4):
        raise ValueError(f"image: expected (y, x) with up to two axes before, got {image.shape}")
    kind = np.complex64 if np.iscomplexobj(image) else np.float32
    # NIfTI counts x, y, slice, contrast.
    stored = image.reshape(-1, *image.shape[-2:]) if image.ndim == 2 else image
    nifti = nibabel.Nifti1Image(stored.T.astype(kind), np.eye(4) if affine is None else affine)
    nifti.header.set_xyzt_units("mm")
    path = Path(path)
    suffix = ".nii.gz" if path.name.endswith(".nii.gz") else ".nii"
    with atomic_path(path.with_name(path.name.removesuffix(suffix) + suffix)) as temporary:
        # The temporary name may have lost a part of the suffix that tells nibabel to compress.
        named = temporary.with_name(temporary.name + suffix)
        try:
            nibabel.save(nifti, named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)


def write_png(path: str | Path, image: NDArray, brightest: float = 0.995) -> None:
    """Write the magnitude as 8-bit PNG, slices side by side in a square.

    Parameters
    ----------
    path : str or Path
        Replaced only when all is written.
    image : ndarray
        (y, x) or (slices, y, x).
    brightest : float
        Quantile of the magnitude that is white, in all slices alike.
    """
    from PIL import Image

    slices = np.abs(image).reshape(-1, *image.shape[-2:])
    count, ny, nx = slices.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, ny, nx))
    sheet[:count] = slices / max(float(np.quantile(slices, brightest)), 1e-30)
    sheet = sheet.reshape(rows, columns, ny, nx).swapaxes(1, 2).reshape(rows * ny, columns * nx)
    with atomic_path(path) as temporary:
        Image.fromarray((255 * sheet.clip(0, 1)).round().astype(np.uint8)).save(
            temporary, format="PNG"
        )


def middle(image: NDArray, shape: tuple[int, int] | None) -> NDArray:
    """The middle `shape` of images (..., y, x), centre kept; all of them for None."""
    if shape is None:
        return image
    for axis, size in zip((-2, -1), shape, strict=True):
        start = image.shape[axis] // 2 - size // 2
        image = np.take(image, range(max(start, 0), min(start + size, image.shape[axis])), axis)
    return image


def write_images(
    folder: Path,
    image: NDArray,
    image_shape: tuple[int, int] | None,
    affine: NDArray | None,
) -> None:
    """Write ``image.png``, ``reconstruction.cfl`` and, with nibabel, ``reconstruction.nii.gz``.

    Parameters
    ----------
    folder : Path
        Where to.
    image : ndarray
        Complex, (y, x), (slices, y, x) or (contrasts, slices, y, x).
    image_shape : tuple of int or None
        (y, x) of the middle to show in PNG and NIfTI.
    affine : ndarray or None
        Of NIfTI.
    """
    shown = np.abs(middle(image, image_shape))
    write_cfl(folder / "reconstruction", images_to_bart(image))
    write_png(folder / "image.png", np.nan_to_num(shown).reshape(-1, *shown.shape[-2:]))
    if find_spec("nibabel") is not None:
        write_nifti(folder / "reconstruction.nii.gz", shown, affine)
