"""The priors that are installed with the package, found by name and verified by SHA-256."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path

from lmaps_science.files import atomic_path
from lmaps_science.prior.card import read_header

MAX_BYTES = 16 * 2**20
"""Largest file that is shipped."""


@dataclass(frozen=True)
class PriorRecord:
    """One line of the manifest.

    Attributes
    ----------
    name, file : str
        Name of the prior and of its file in the folder.
    bytes : int
        Size of the file.
    sha256 : str
        Hash of the file, hexadecimal.
    image_shape : tuple of int
        (channels, y, x).
    license : str
        Licence of the weights.
    description : str
        What it is of.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    image_shape: tuple[int, int, int]
    license: str
    description: str


def checkpoint_folder() -> Path:
    """Folder of the installed priors."""
    return Path(str(resources.files("lmaps_science.checkpoints")))


def list_priors(folder: Path | None = None) -> list[PriorRecord]:
    """Records of the priors in `folder`, the installed ones by default."""
    manifest = (folder or checkpoint_folder()) / "manifest.json"
    if not manifest.is_file():
        return []
    records = json.loads(manifest.read_text(encoding="utf-8"))
    return [PriorRecord(**{**r, "image_shape": tuple(r["image_shape"])}) for r in records]


def find_prior(name: str, folder: Path | None = None) -> tuple[PriorRecord, Path]:
    """Record and file of a prior by name.

    Raises
    ------
    ValueError
        If there is none of that name.
    FileNotFoundError
        If its file is missing from the installation.
    """
    folder = folder or checkpoint_folder()
    records = {record.name: record for record in list_priors(folder)}
    if name not in records:
        raise ValueError(
            f"prior {name!r}: neither a file nor one of the installed priors "
            f"({', '.join(sorted(records)) or 'there are none'})"
        )
    path = folder / records[name].file
    if not path.is_file():
        raise FileNotFoundError(f"prior {name!r}: {path} is missing; reinstall lmaps-science")
    return records[name], path


def verified_path(name: str, folder: Path | None = None) -> Path:
    """File of a prior by name, once its hash is that of the manifest.

    Raises
    ------
    ValueError
        If it is not, or there is no prior of that name.
    """
    record, path = find_prior(name, folder)
    found = file_sha256(path)
    if found != record.sha256:
        raise ValueError(
            f"prior {name!r}: {path} is not the file of the manifest (SHA-256 "
            f"{record.sha256[:12]}… expected, {found[:12]}… found); reinstall lmaps-science"
        )
    return path


def model_card(name: str, folder: Path | None = None) -> str:
    """Model card of a prior, Markdown: the page beside its file, else made from its header."""
    _, path = find_prior(name, folder)
    page = path.with_suffix(".md")
    return (
        page.read_text(encoding="utf-8") if page.is_file() else read_header(path)[0].to_markdown()
    )


def manifest_entry(path: Path) -> PriorRecord:
    """Manifest's record of a prior's file.

    Raises
    ------
    ValueError
        If the file is too large to be shipped.
    """
    card, _ = read_header(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path}: {size / 2**20:.1f} MiB, and at most {MAX_BYTES / 2**20:.0f} MiB are "
            "shipped; keep fewer components of the images' covariance"
        )
    return PriorRecord(
        card.name, path.name, size, file_sha256(path), card.image_shape, card.license,
        card.description,
    )  # fmt: skip


def write_manifest(folder: Path) -> list[PriorRecord]:
    """Write ``manifest.json`` for all priors in `folder`; returns the records."""
    records = [manifest_entry(path) for path in sorted(folder.glob("*.safetensors"))]
    names: Mapping[str, PriorRecord] = {record.name: record for record in records}
    if len(names) < len(records):
        raise ValueError(f"{folder}: two priors have the same name, of {sorted(names)}")
    with atomic_path(folder / "manifest.json") as path:
        text = json.dumps([asdict(record) for record in records], indent=2)
        path.write_text(text + "\n", encoding="utf-8")
    return records


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
