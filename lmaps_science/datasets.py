"""Public data sets by name: where they are, under which licence, and what their bytes are.

A data set that somebody has to prepare has no address: it is taken from a mirror, a folder
or a web address that holds the files under the same paths. Every file is verified.
"""

import shutil
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from importlib import import_module
from pathlib import Path

from lmaps_science.files import atomic_path
from lmaps_science.prior.registry import file_sha256

_BLOCK = 1 << 20


@dataclass(frozen=True)
class DataFile:
    """One file.

    Attributes
    ----------
    path : str
        Relative to the mirror's root.
    sha256 : str
        Of its bytes, hexadecimal.
    url : str or None
        Official address, where there is one.
    """

    path: str
    sha256: str
    url: str | None = None

    @property
    def name(self) -> str:
        """Name without folders."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes
    ----------
    name, description, license, source : str
        What it is called, what it is, under which licence, and who made it.
    files : tuple of DataFile
        What it is made of.
    convert : str or None
        ``"module:function"`` of what reads a file whose format is not one that ``lmaps
        reconstruct`` takes; what it returns is written beside it.
    """

    name: str
    description: str
    license: str
    source: str
    files: tuple[DataFile, ...]
    convert: str | None = None

    @property
    def needs_mirror(self) -> bool:
        """Whether some file has no official address."""
        return any(file.url is None for file in self.files)


_EHT = "https://raw.githubusercontent.com/eventhorizontelescope/2019-D01-01/27ae76aacb9067a83388395c3826012b97aac371/uvfits/"
_FOAM = "https://raw.githubusercontent.com/ThanhAnPham/Lippmann-Schwinger/30903f5c887b51a549a15e43f3606b2c60fe54e2/2D/mat%20files/"
_SIGPY = "https://raw.githubusercontent.com/mikgroup/sigpy-mri-tutorial/b21dcdcfac8557ebb4c2bda1e9faf2cb1e1b6a33/data/"


def _m87(observation: str, sha256: str) -> DataFile:
    name = f"SR1_M87_2017_{observation}_hops_netcal_StokesI.uvfits"
    return DataFile(f"eht/{name}", sha256, _EHT + name)


_ALL = (
    DataSet(
        "m87-2017",
        "M87* as measured by the Event Horizon Telescope on 5 and 11 April 2017 (uvfits)",
        "ODC-PDDL (public domain)",
        "EHT Collaboration, https://github.com/eventhorizontelescope/2019-D01-01",
        (
            _m87("095_lo", "97492ee1146b05e12b1783e6c9a8253a0f50d789835286ffcc3ed5d248d51a8e"),
            _m87("095_hi", "a11a874bdbf205089192b5270abc5894ad85e4ab54f0f677e3280c5639ea3e0d"),
            _m87("101_lo", "697af2bb3bbf732115108ffefacd3e59e307f38fe685c3c4579146b0bd661298"),
            _m87("101_hi", "618c3019f60e88268980267a9db68f638b379a85842d83c06003d28550d191f5"),
        ),
    ),
    DataSet(
        "cells",
        "2,861 tiles (128×128) of fluorescent cell nuclei, cut from the 2018 Data Science Bowl",
        "CC0",
        "Broad Bioimage Benchmark Collection BBBC038, https://bbbc.broadinstitute.org/BBBC038",
        (
            DataFile(
                "microscopy/dsb2018_fluo_tiles128.npz",
                "744355544a3d72856a592462b9fa06124520f58fa0b481bae0e3a1d9c78786e6",
            ),
        ),
    ),
    DataSet(
        "fresnel-foam",
        "Scattered fields of a foam and plastic target measured at 3 GHz, with the true object",
        "free for scientific use (repository: MIT)",
        "Institut Fresnel 2005, https://github.com/ThanhAnPham/Lippmann-Schwinger",
        (
            DataFile(
                "fresnel/FoamDielExtTM_3_GHz_conj_1.mat",
                "66f1ade2921434025df65713166990addb847b0b460f2e5e8d7c1277519c988b",
                _FOAM + "FoamDielExtTM_3_GHz_conj_1.mat",
            ),
        ),
        convert="lmaps_science.problems.scattering.fresnel:read_foam",
    ),
    DataSet(
        "fresnel-cylinder",
        "Scattered fields of one dielectric cylinder measured at 8 frequencies (npz)",
        "free for scientific use (repository: MIT)",
        "Institut Fresnel 2001, https://github.com/MPenaR/vectorized_LSM",
        (
            DataFile(
                "fresnel/dielTM_dec8f.npz",
                "08431b6e3763e4cf22fdbf2b55e74cb7a15e279d79ee3043c216aba95ed2ec09",
            ),
        ),
        convert="lmaps_science.problems.scattering.fresnel:read_cylinder",
    ),
    DataSet(
        "black-hole-models",
        "13 simulated and semi-analytic black-hole images, from the package ngehtutil",
        "BSD-3-Clause",
        "ngehtutil, https://pypi.org/project/ngehtutil",
        (
            DataFile(
                "blackhole/ngehtutil_blackhole_models.h5",
                "823f87e4aaf4637e63e38ab74caabd51dcb38b6b543685cf4d3f4f284d1b9fbe",
            ),
        ),
    ),
    DataSet(
        "brain-kspace",
        "Raw k-space of a brain, 8 coils, 230×180, measured eightfold undersampled (npy)",
        "BSD-3-Clause",
        "SigPy MRI tutorial, https://github.com/mikgroup/sigpy-mri-tutorial",
        (
            DataFile(
                "mri_kspace/sigpy_tutorial_cartesian_ksp.npy",
                "bcfd07b767d26602bfccd08329321be57d500dc3f6b208cccddeb59162573045",
                _SIGPY + "cartesian_ksp.npy",
            ),
        ),
    ),
    DataSet(
        "brain-slices",
        "2,220 axial T1 slices (128×128) of the brains of 185 people, cut from IXI",
        "CC BY-SA 3.0",
        "IXI data set, https://brain-development.org/ixi-dataset",
        (
            DataFile(
                "mr_slices/ixi_hh_t1_axial128.npz",
                "1f46f1c9ea71379807b92c2d3f52a3a996a093dd29398477b57bd440fc69bf61",
            ),
        ),
    ),
)

DATA_SETS = {data_set.name: data_set for data_set in _ALL}
"""The registry, by name."""


def data_folder() -> Path:
    """Where data sets are put by default: the platform's folder of user data."""
    from platformdirs import user_data_path

    return user_data_path("lmaps-science", appauthor=False) / "data"


def get_data(
    name: str, folder: str | Path | None = None, mirror: str | Path | None = None
) -> list[Path]:
    """Fetch a data set; what is already there and verified is not fetched again.

    Parameters
    ----------
    name : str
        One of `DATA_SETS`.
    folder : str or Path, optional
        Where to put it, a folder of its own name inside `data_folder` by default.
    mirror : str or Path, optional
        Folder or web address to take the files from in place of their official addresses.

    Returns
    -------
    list of Path
        The files, and what was converted of them.

    Raises
    ------
    ValueError
        If there is no such data set, it has no official address and no mirror was given, or
        the bytes that came are not those of the registry.
    FileNotFoundError
        If the mirror lacks a file.
    ConnectionError
        If a download fails; what came of it is kept, and the next call goes on from there.
    """
    if name not in DATA_SETS:
        raise ValueError(f"data set {name!r}: expected one of {', '.join(DATA_SETS)}")
    data_set = DATA_SETS[name]
    target = Path(folder) if folder is not None else data_folder() / name
    there = all(_is_there(file, target / file.name) for file in data_set.files)
    if mirror is None and data_set.needs_mirror and not there:
        raise ValueError(
            f"data set {name!r} is prepared from {data_set.source} and has no address of its own: "
            "give --mirror, a folder or web address that holds "
            f"{', '.join(file.path for file in data_set.files)}"
        )
    files = [_get_file(file, target / file.name, mirror) for file in data_set.files]
    return files if data_set.convert is None else files + [_convert(data_set, f) for f in files]


def _convert(data_set: DataSet, source: Path) -> Path:
    """Write a file that ``lmaps reconstruct`` takes beside one that it does not."""
    module, function = str(data_set.convert).split(":")
    target = source.with_name(f"{data_set.name}.h5")
    getattr(import_module(module), function)(source).write(target)
    return target


def _is_there(file: DataFile, target: Path) -> bool:
    return target.is_file() and file_sha256(target) == file.sha256


def _get_file(file: DataFile, target: Path, mirror: str | Path | None) -> Path:
    if _is_there(file, target):
        return target
    source = file.url if mirror is None else _in_mirror(mirror, file.path)
    assert source is not None  # noqa: S101 - get_data checked it
    if isinstance(source, Path):
        if not source.is_file():
            raise FileNotFoundError(f"the mirror {mirror} lacks {file.path}")
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
            _verify(temporary, file, str(source))
        return target
    partial = target.with_name(target.name + ".part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    _download(source, partial)
    try:
        _verify(partial, file, source)
    except ValueError:
        partial.unlink()
        raise
    partial.replace(target)
    return target


def _in_mirror(mirror: str | Path, path: str) -> str | Path:
    if str(mirror).startswith(("http://", "https://")):
        return f"{str(mirror).rstrip('/')}/{urllib.parse.quote(path)}"
    return Path(mirror) / path


def _download(url: str, partial: Path) -> None:
    """Download `url` to `partial`, going on from the bytes that are already there."""
    start = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "lmaps-science"})  # noqa: S310
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - http(s) only
            _save(response, partial)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # all bytes are there already
            return
        raise ConnectionError(f"{url}: the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
        raise ConnectionError(f"{url}: {getattr(error, 'reason', error)}; try again") from error


def _save(response: HTTPResponse, partial: Path) -> None:
    expected, received = int(response.headers.get("Content-Length", -1)), 0
    # A server that ignores the range sends everything again.
    with partial.open("ab" if response.status == 206 else "wb") as file:
        while block := response.read(_BLOCK):
            file.write(block)
            received += len(block)
    if received < expected:
        raise TimeoutError(f"the connection broke after {received} of {expected} bytes")


def _verify(path: Path, file: DataFile, source: str) -> None:
    found = file_sha256(path)
    if found != file.sha256:
        raise ValueError(
            f"{source}: not the file {file.name} of the registry (SHA-256 {file.sha256[:12]}… "
            f"expected, {found[:12]}… found)"
        )
