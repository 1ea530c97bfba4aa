"""Reading UVFITS, the random-groups format in which visibilities are published (AIPS memo 117)."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lmaps_science.problems.blackhole.observation import Observation

if TYPE_CHECKING:
    from astropy.io import fits

SCAN_GAP = 60.0
_LONGEST_DELAY = 10.0
_GZIP = b"\x1f\x8b"
_PARALLEL_HANDS = {-1: "RR", -2: "LL", -5: "XX", -6: "YY"}
_STOKES_I = 1


def read_uvfits(path: str | Path) -> Observation:
    """Read the Stokes I visibilities of a UVFITS file.

    Channels and sub-bands are averaged by their weights. Stokes I is the mean of the two
    parallel hands, or the one that is not flagged. A gap of a minute begins a new scan; a
    station that joins a scan late belongs to it.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Observation
        Of every baseline between two stations with an unflagged visibility, in the file's
        order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If astropy is not installed.
    ValueError
        If it is not a UVFITS file of one source and one array, is cut short, or holds no
        visibilities.
    """
    try:
        from astropy.io import fits
    except ImportError as error:
        raise ImportError(
            "reading UVFITS needs astropy: pip install 'lmaps-science[eht]'"
        ) from error

    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f"{path}: expected a UVFITS file, got a folder (CASA writes a measurement set as "
            "UVFITS with exportuvfits)"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected visibilities in UVFITS")
    try:
        with path.open("rb") as stream, warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            _require_fits(stream)
            with fits.open(stream, memmap=False) as file:
                units = [unit.name for unit in file]
                for remark in map(_one_line, (r.message for r in remarks)):
                    if "truncated" in remark or "corrupted" in remark:
                        raise ValueError(f"it is damaged or cut short: {remark}")
                return _parse(file, units)
    # Whatever a damaged file leads to, of FITS, of its tables or of memory, is told in one line.
    except Exception as error:
        raise ValueError(f"{path}: not readable as UVFITS: {_one_line(error)}") from error


def _require_fits(stream: BinaryIO) -> None:
    start = stream.read(6)
    stream.seek(0)
    if not start:
        raise ValueError("the file is empty")
    if start != b"SIMPLE" and not start.startswith(_GZIP):
        raise ValueError(f"expected a FITS file, which begins with SIMPLE, got {start!r}")


def _parse(file: "fits.HDUList", units: list[str]) -> Observation:
    from astropy.io import fits

    groups = file[0]
    if not isinstance(groups, fits.GroupsHDU):
        raise ValueError(
            "expected visibilities, random groups in the first unit, got an image or none "
            f"(units: {', '.join(units)})"
        )
    if units.count("AIPS AN") != 1:
        raise ValueError(
            f"expected one table of stations, AIPS AN, got {units.count('AIPS AN')} "
            f"(units: {', '.join(units)}); split subarrays into files of their own"
        )
    header = groups.header
    if not header["GCOUNT"]:
        raise ValueError("it holds no visibilities")
    table = groups.data
    visibility, weight = _stokes_i(header, np.asarray(table["DATA"]))
    first, second, names = _baselines(table, file["AIPS AN"].data)
    good = (weight > 0) & (first != second)
    if not good.any():
        raise ValueError(
            f"no unflagged visibility between two stations (stations: {', '.join(names.values())})"
        )
    for prefix in ("SOURCE", "FREQSEL"):
        _require_one(table, prefix, good)
    frequency = _frequency(file, units)
    days = _parameter(table, "DATE")[good] - 2400000.5
    delay = np.stack([_parameter(table, "UU"), _parameter(table, "VV")], 1)[good]
    if not (np.isfinite(days).all() and np.abs(delay).max() < _LONGEST_DELAY):
        raise ValueError("expected finite times, and u and v in seconds (UU---SIN, VV---SIN)")
    mjd = int(np.floor(days.min()))
    hours = 24 * (days - mjd)
    ends = zip(first[good], second[good], strict=True)
    return Observation(
        uv=delay * frequency,
        visibility=visibility[good],
        sigma=weight[good] ** -0.5,
        time=hours,
        scan=_scans(hours),
        stations=np.array([[names[a], names[b]] for a, b in ends]),
        source=str(header.get("OBJECT", "")).strip() or "unknown",
        right_ascension=_coordinate(header, "OBSRA", "RA"),
        declination=_coordinate(header, "OBSDEC", "DEC"),
        frequency=frequency,
        mjd=mjd,
    )


def _require_one(table: "fits.GroupData", prefix: str, good: NDArray[np.bool_]) -> None:
    """Refuse files in which a group parameter tells sources or frequencies apart."""
    if any(name.upper().startswith(prefix) for name in table.parnames):
        values = np.unique(_parameter(table, prefix)[good])
        if len(values) > 1:
            raise ValueError(
                f"expected one {prefix}, got {len(values)}: split it into files of one each"
            )


def _stokes_i(
    header: "fits.Header", data: NDArray
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Stokes I and its weight 1 / sigma², zero where flagged, per group."""
    if header.get("CTYPE2") != "COMPLEX" or header.get("CTYPE3") != "STOKES":
        raise ValueError(
            "expected the axes COMPLEX and STOKES, got "
            f"{header.get('CTYPE2')} and {header.get('CTYPE3')}"
        )
    codes = np.rint(
        header["CRVAL3"] + header["CDELT3"] * (np.arange(data.shape[-2]) + 1 - header["CRPIX3"])
    ).astype(int)
    hands = [i for i, code in enumerate(codes) if code == _STOKES_I]
    hands = hands or [i for i, code in enumerate(codes) if code in _PARALLEL_HANDS]
    if not hands:
        raise ValueError(f"expected Stokes I, RR and LL or XX and YY, got Stokes codes {codes}")
    cells = data.reshape(len(data), -1, *data.shape[-2:])[:, :, hands].astype(np.float64)
    weight = np.where(np.isfinite(cells).all(-1) & (cells[..., 2] > 0), cells[..., 2], 0)
    value = np.where(weight > 0, cells[..., 0] + 1j * cells[..., 1], 0)

    total = weight.sum(1)
    mean = (weight * value).sum(1) / np.where(total > 0, total, 1)
    count = (total > 0).sum(1)
    variance = np.where(total > 0, 1 / np.where(total > 0, total, 1), 0).sum(1)
    measured = count > 0
    number = np.where(measured, count, 1)
    return mean.sum(1) / number, np.where(
        measured, number**2 / np.where(measured, variance, 1), 0.0
    )


def _baselines(
    table: "fits.GroupData", antennas: "fits.FITS_rec"
) -> tuple[NDArray[np.integer], NDArray[np.integer], dict[int, str]]:
    """Station numbers of both ends of every baseline, and the stations' names."""
    names = {
        int(n): str(a).strip() for n, a in zip(antennas["NOSTA"], antennas["ANNAME"], strict=True)
    }
    code = np.floor(_parameter(table, "BASELINE")).astype(int)
    first, second = np.divmod(code, 256)
    unknown = sorted({*first.tolist(), *second.tolist()} - set(names))
    if unknown:
        raise ValueError(f"stations {unknown} of the visibilities are not in the AIPS AN table")
    if len({*names.values()}) < len(names):
        raise ValueError(f"expected stations of different names, got {list(names.values())}")
    return first, second, names


def _parameter(table: "fits.GroupData", prefix: str) -> NDArray[np.float64]:
    """Sum, in double precision, of the group parameters whose name begins with `prefix`."""
    columns = [i for i, name in enumerate(table.parnames) if name.upper().startswith(prefix)]
    if not columns:
        raise ValueError(f"expected a group parameter {prefix}, got {', '.join(table.parnames)}")
    return np.sum([np.asarray(table.par(i), dtype=np.float64) for i in columns], axis=0)


def _frequency(file: "fits.HDUList", units: list[str]) -> float:
    """Mean frequency of the channels and sub-bands, hertz."""
    header = file[0].header
    axes = {header.get(f"CTYPE{n}"): n for n in range(2, header["NAXIS"] + 1)}
    if "FREQ" not in axes:
        raise ValueError("expected an axis FREQ")
    axis = axes["FREQ"]
    middle = (header[f"NAXIS{axis}"] + 1) / 2 - header[f"CRPIX{axis}"]
    frequency = header[f"CRVAL{axis}"] + header[f"CDELT{axis}"] * middle
    if "AIPS FQ" in units:
        frequency += np.mean(file["AIPS FQ"].data["IF FREQ"][0])
    elif "IF" in axes and header[f"NAXIS{axes['IF']}"] > 1:
        raise ValueError("expected the frequencies of the sub-bands in a table AIPS FQ, got none")
    if not 0 < frequency < np.inf:
        raise ValueError(f"expected a frequency > 0 in hertz, got {frequency}")
    return float(frequency)


def _coordinate(header: "fits.Header", name: str, axis: str) -> float:
    """Degree, of the pointing or else of the axis."""
    if name in header:
        return float(header[name])
    numbers = range(2, header["NAXIS"] + 1)
    return next((float(header[f"CRVAL{n}"]) for n in numbers if header.get(f"CTYPE{n}") == axis), 0)


def _scans(hours: NDArray[np.float64]) -> NDArray[np.integer]:
    times, index = np.unique(hours, return_inverse=True)
    number = np.concatenate([[0], np.cumsum(np.diff(times) * 3600 > SCAN_GAP)])
    return number[index]


def _one_line(error: Exception | str) -> str:
    return " ".join(str(error).split()) or type(error).__name__
