"""The examples run as they stand, print what the gallery says, and are those that it shows."""

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKE = runpy.run_path(str(ROOT / "docs" / "make_gallery.py"))
GALLERY: Path = MAKE["GALLERY"]
NAMES = [name for names in MAKE["SECTIONS"].values() for name in names]
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?")


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    """What each example prints by the gallery."""
    blocks = re.findall(r"\nprints\n\n```\n(.*?)\n```\n", GALLERY.read_text("utf-8"), re.DOTALL)
    return dict(zip(NAMES, blocks, strict=True))


def test_the_gallery_shows_all_examples_as_they_are(printed):
    assert sorted(NAMES) == sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
    assert MAKE["page"](printed) == GALLERY.read_text("utf-8"), "run make gallery"


def test_the_gallery_is_small():
    pictures = [GALLERY.parent / "gallery" / f"{name}.png" for name in NAMES]
    assert sum(path.stat().st_size for path in pictures) < 1e6


@pytest.mark.parametrize("name", NAMES)
def test_example(name, printed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, str(tmp_path)])
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    output, expected = capsys.readouterr().out.rstrip(), printed[name]
    assert _NUMBER.sub("#", output) == _NUMBER.sub("#", expected)
    numbers, known = (
        [float(number) for number in _NUMBER.findall(text)] for text in (output, expected)
    )
    # Rounding errors, where they are printed, are of no particular size.
    assert numbers == pytest.approx(known, rel=0.03, abs=0.02)
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
