"""What reconstruction may ask of a scattering file, and what not."""

from pathlib import Path

import pytest

from lmaps_science.problem import find_problem
from lmaps_science.reconstruction import reconstruct


def test_two_files_are_one_too_many(file: Path, prior: Path) -> None:
    with pytest.raises(ValueError, match="scattering: expected one file, got 2"):
        reconstruct("scattering", [file, file], prior=prior)
    with pytest.raises(ValueError, match="scattering: expected one file, got 0"):
        reconstruct("scattering", [], prior=prior)


def test_there_are_no_controls(file: Path, prior: Path) -> None:
    with pytest.raises(ValueError, match="controls: problem 'scattering' has none"):
        reconstruct("scattering", file, prior=prior, samples=1, steps=1, controls=True)


def test_a_list_of_one_file_is_that_file(file: Path, prior: Path) -> None:
    options = {"prior": prior, "samples": 1, "steps": 2}
    alone, listed = (reconstruct("scattering", f, **options) for f in (file, [str(file)]))
    assert (alone.mean == listed.mean).all()
    assert alone.summary["input"] == listed.summary["input"] == str(file)


def test_it_judges_no_sample_and_writes_no_other_format(
    file: Path, prior: Path, tmp_path: Path
) -> None:
    result = reconstruct("scattering", file, tmp_path / "out", prior=prior, samples=2, steps=2)
    assert result.summary["dropped"] == []
    assert result.summary["controls"] is None
    assert not list((tmp_path / "out").glob("*.fits"))
    assert find_problem("scattering").describe(result.measurement, None) == {}
