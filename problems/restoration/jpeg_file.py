"""What a JPEG file really holds: quantisation tables and the integers that they multiply.

A decoder's picture has been rounded and clipped, from which the integers cannot always be found
again. This reads them: sequential Huffman-coded files of 8 bits (baseline and extended), the
first component, which is the luminance.

References
----------
ITU-T Recommendation T.81 (1992), annexes B, F and H.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ZIGZAG = np.array(
    sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
)
"""Row-major place of each coefficient in the order of the file."""

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD
_SEQUENTIAL = (0xC0, 0xC1)
_OTHER_FRAMES = {
    0xC2: "progressive",
    0xC3: "lossless",
    **dict.fromkeys((0xC5, 0xC6, 0xC7), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF), "arithmetic-coded"),
}

Lookup = list[tuple[int, int]]
"""(length, symbol) of the Huffman code that the next 16 bits begin with."""


@dataclass(frozen=True)
class JPEGData:
    """Luminance of a JPEG file.

    Attributes
    ----------
    shape : tuple of int
        (y, x) of the picture, pixels.
    table : ndarray
        Quantisation table, (8, 8), grey levels of 255.
    indices : ndarray
        Quantised coefficients divided by the table, int16, (y, x) rounded up to multiples of 8;
        a block's are in the place of its pixels.
    num_components : int
        1 if the picture is grey.
    """

    shape: tuple[int, int]
    table: NDArray[np.int64]
    indices: NDArray[np.int16]
    num_components: int


@dataclass(frozen=True)
class _Component:
    label: int
    across: int
    down: int
    table: int


def read_jpeg(content: bytes) -> JPEGData:
    """Read the luminance's quantised coefficients.

    Parameters
    ----------
    content : bytes
        Of the file.

    Raises
    ------
    ValueError
        If it is no JPEG file, is damaged, or of a kind that is not read (progressive).
    """
    try:
        return _read(content)
    except (IndexError, KeyError) as error:
        raise ValueError(
            "JPEG: expected a whole file, this one ends early or is damaged"
        ) from error


def _read(content: bytes) -> JPEGData:
    tables: dict[int, NDArray[np.int64]] = {}
    huffman: dict[int, Lookup] = {}
    components: list[_Component] = []
    shape, interval = (0, 0), 0
    for marker, segment, rest in _segments(content):
        if marker == _DQT:
            tables |= _quantisation_tables(segment)
        elif marker == _DHT:
            huffman |= _huffman_tables(segment)
        elif marker == _DRI:
            interval = int.from_bytes(segment[:2], "big")
        elif marker in _OTHER_FRAMES:
            raise ValueError(
                f"JPEG: expected a sequential file, got a {_OTHER_FRAMES[marker]} one: save it as "
                "baseline without loss (jpegtran), or as PNG and give its quality"
            )
        elif marker in _SEQUENTIAL:
            if segment[0] != 8:
                raise ValueError(f"JPEG: expected 8 bits, got {segment[0]}")
            shape = (int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big"))
            parts = [segment[6 + 3 * i : 9 + 3 * i] for i in range(segment[5])]
            components = [_Component(p[0], p[1] >> 4, p[1] & 15, p[2]) for p in parts]
        elif marker == _SOS:
            codes = {segment[1 + 2 * i]: segment[2 + 2 * i] for i in range(segment[0])}
            if not components or components[0].label not in codes:
                continue
            scan = [(c, codes[c.label]) for c in components if c.label in codes]
            indices = _luminance(_entropy_segments(rest), scan, huffman, shape, interval)
            return JPEGData(shape, tables[components[0].table], indices, len(components))
    raise ValueError("JPEG: expected a scan of the luminance, the file holds none")


def _segments(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Markers with their parameters, and what follows them."""
    if content[:2] != bytes((0xFF, _SOI)):
        raise ValueError("JPEG: expected a file that begins with FF D8")
    position = 2
    while position < len(content):
        if content[position] != 0xFF:  # the entropy-coded data of another component's scan
            position += 1
            continue
        marker = content[position + 1]
        position += 1 if marker == 0xFF else 2
        if marker in (0x00, 0xFF, *range(0xD0, 0xD8)):
            continue
        if marker == _EOI:
            return
        length = int.from_bytes(content[position : position + 2], "big")
        yield marker, content[position + 2 : position + length], content[position + length :]
        position += length


def _quantisation_tables(segment: bytes) -> dict[int, NDArray[np.int64]]:
    tables = {}
    while segment:
        size = 2 if segment[0] >> 4 else 1
        if len(segment) < 1 + 64 * size:
            raise IndexError
        values = np.frombuffer(segment, f">u{size}", 64, offset=1)
        table = np.empty(64, np.int64)
        table[ZIGZAG] = values
        tables[segment[0] & 15] = table.reshape(8, 8)
        segment = segment[1 + 64 * size :]
    return tables


def _huffman_tables(segment: bytes) -> dict[int, Lookup]:
    tables = {}
    while segment:
        counts = segment[1:17]
        symbols = iter(segment[17:].ljust(sum(counts), b"\0"))
        lookup: Lookup = []
        for length, count in enumerate(counts, start=1):
            for _ in range(count):
                lookup += [(length, next(symbols))] * (1 << (16 - length))
        lookup += [(0, 0)] * ((1 << 16) - len(lookup))
        tables[segment[0]] = lookup
        segment = segment[17 + sum(counts) :]
    return tables


def _entropy_segments(data: bytes) -> list[bytes]:
    """The bits between restart markers, without stuffing."""
    parts, start, position = [], 0, data.find(b"\xff")
    while position >= 0 and position + 1 < len(data):
        marker = data[position + 1]
        if 0xD0 <= marker <= 0xD7:
            parts.append(data[start:position])
            start = position + 2
        elif marker not in (0x00, 0xFF):
            break
        position = data.find(b"\xff", position + (2 if marker != 0xFF else 1))
    else:
        raise IndexError
    parts.append(data[start:position])
    return [part.replace(b"\xff\x00", b"\xff") for part in parts]


class _Bits:
    """Bits of a segment from the first to the last; ones after the end, as H.1.1 has it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position, self.held, self.count = data, 0, 0, 0

    def symbol(self, lookup: Lookup) -> int:
        """The next Huffman symbol."""
        self._fill()
        length, symbol = lookup[(self.held >> (self.count - 16)) & 0xFFFF]
        self.count -= length
        if length == 0 or 8 * self.position - self.count > 8 * len(self.data):
            raise IndexError
        return symbol

    def number(self, size: int) -> int:
        """A signed number of `size` bits (F.2.2.1)."""
        if size == 0:
            return 0
        self._fill()
        self.count -= size
        value = (self.held >> self.count) & ((1 << size) - 1)
        return value if value >> (size - 1) else value - (1 << size) + 1

    def _fill(self) -> None:
        if self.count < 32:
            chunk = self.data[self.position : self.position + 8].ljust(8, b"\xff")
            self.held = (self.held & ((1 << self.count) - 1)) << 64 | int.from_bytes(chunk, "big")
            self.position, self.count = self.position + 8, self.count + 64


def _luminance(
    segments: list[bytes],
    scan: list[tuple[_Component, int]],
    huffman: dict[int, Lookup],
    shape: tuple[int, int],
    interval: int,
) -> NDArray[np.int16]:
    """Indices of the first component of an interleaved scan, or of one of its own."""
    first, _ = scan[0]
    down, across = (first.down, first.across) if len(scan) > 1 else (1, 1)
    largest = [max(getattr(c, name) for c, _ in scan) for name in ("down", "across")]
    block = [8 * n for n in largest] if len(scan) > 1 else [8, 8]
    rows, columns = (-(-n // size) for n, size in zip(shape, block, strict=True))
    blocks = np.zeros((rows * down, columns * across, 64), np.int16)
    units = range(rows * columns)
    step = interval or len(units)
    for number, segment in enumerate(segments):
        bits, predicted = _Bits(segment), [0] * len(scan)
        for unit in units[number * step : (number + 1) * step]:
            row, column = divmod(unit, columns)
            for k, (component, codes) in enumerate(scan):
                dc, ac = huffman[codes >> 4], huffman[0x10 | (codes & 15)]
                count = component.down * component.across if len(scan) > 1 else 1
                for part in range(count):
                    predicted[k] += bits.number(bits.symbol(dc))
                    values = _block(bits, ac)
                    if k == 0:
                        i, j = divmod(part, across)
                        place = blocks[row * down + i, column * across + j]
                        place[0] = predicted[0]
                        for index, value in values:
                            place[index] = value
    ny, nx = (-(-n // 8) for n in shape)
    ordered = np.empty_like(blocks)
    ordered[..., ZIGZAG] = blocks
    image = ordered[:ny, :nx].reshape(ny, nx, 8, 8).swapaxes(1, 2)
    return np.ascontiguousarray(image.reshape(8 * ny, 8 * nx))


def _block(bits: _Bits, lookup: Lookup) -> list[tuple[int, int]]:
    """(place, value) of the coefficients of a block that are not 0, but the first (F.2.2.2)."""
    values, k = [], 0
    while k < 63:
        symbol = bits.symbol(lookup)
        run, size = symbol >> 4, symbol & 15
        if size == 0 and run < 15:
            break
        k += run + 1
        if size:
            values.append((k, bits.number(size)))
    return values
