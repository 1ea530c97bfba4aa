"""``lmaps reconstruct image``: files in and out, and refusals in one line."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.cli import lmaps, one_line_error
from tests.small import small_prior


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_prior(tmp_path_factory.mktemp("prior") / "gaussian.safetensors")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    y, x = np.mgrid[:26, :36]
    levels = (120 + 80 * np.sin(x / 5) * np.cos(y / 4)).round().astype(np.uint8)
    path = tmp_path_factory.mktemp("image") / "clean.png"
    Image.fromarray(levels).save(path)
    return path


def restore(file: Path, out: Path, prior: Path, *options: object):
    return lmaps(
        *("reconstruct", "image", file, "--out", out, "--prior", prior),
        *("--samples", 2, "--steps", 3, *options),
    )


def test_a_jpeg_file_is_restored_within_what_it_says(
    clean: Path, small: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "a.jpg", tmp_path / "out"
    Image.open(clean).save(file, quality=10)
    result = restore(file, out, small)
    assert result.exit_code == 0, result.output
    assert "of the integers are the file's" in result.output
    assert {path.name for path in out.iterdir()} == {
        *("reconstruction.h5", "figure.png", "report.html", "summary.json"),
        *("restored.png", "restored.tif"),
    }
    summary = json.loads((out / "summary.json").read_text())
    assert summary["operator"] == "JPEG"
    assert summary["same_data"] > 0.99
    assert summary["metrics"] is None
    image = np.asarray(Image.open(out / "restored.tif")) / 65535
    with h5py.File(out / "reconstruction.h5") as written:
        np.testing.assert_allclose(image, written["mean"][...].clip(0, 1), atol=1e-4)
        assert written["mean"].shape == written["degraded"].shape == (26, 36)
        assert written["posterior_samples"].shape == (2, 26, 36)
        assert written["data"].shape == (32, 40)


@pytest.mark.parametrize(
    "options",
    [
        ("--operator", "jpeg", "--quality", 10),
        ("--operator", "quantise", "--bits", 3),
        ("--operator", "saturate", "--saturation", 0.6),
        ("--operator", "inpaint", "--missing", 0.5),
        ("--operator", "inpaint", "--box", 8),
        ("--operator", "gaussian-blur", "--blur", 1.5),
        ("--operator", "motion-blur", "--length", 5, "--angle", 30),
        ("--operator", "super-resolution", "--factor", 2),
    ],
)
def test_a_clean_file_is_degraded_and_compared_with(
    options: tuple[object, ...], clean: Path, small: Path, tmp_path: Path
) -> None:
    result = restore(clean, tmp_path / "out", small, "--degrade", *options)
    assert result.exit_code == 0, result.output
    assert "PSNR" in result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["metrics"]["psnr"] > 10
    assert (summary["same_data"] is None) == (summary["operator"] in LINEAR)


LINEAR = {"Inpainting", "Blur", "SuperResolution"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--operator", "jpeg"), "is no JPEG file: give the quality"),
        (("--operator", "sharpen"), "expected one of gaussian-blur"),
        (("--operator", "quantise", "--bits", "3"), "at most 8 grey values"),
        (("--operator", "motion-blur"), "needs length"),
        (("--quality", "10", "--degrade", "--method", "daps"), "not quadratic"),
        (("--quality", "10", "--degrade", "--method", "tikhonov"), "for linear problems"),
    ],
)
def test_refusals_in_one_line(
    options: tuple[str, ...], message: str, clean: Path, small: Path, tmp_path: Path
) -> None:
    result = restore(clean, tmp_path / "out", small, *options)
    assert message in one_line_error(result)
    assert not (tmp_path / "out").exists()
