"""Degraded files: what they are taken for, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lmaps_science.problems.restoration.degradation import Degradation
from lmaps_science.problems.restoration.files import (
    ImageFile,
    estimate_noise,
    read_image,
    write_image,
)
from lmaps_science.problems.restoration.linear import Blur, Inpainting, SuperResolution
from lmaps_science.problems.restoration.measurement import read_degraded
from lmaps_science.problems.restoration.quantised import Clipping, Quantisation


def clean(ny=21, nx=30):
    y, x = np.mgrid[:ny, :nx]
    return (120 + 80 * np.sin(x / 5) * np.cos(y / 4)).round().astype(np.uint8)


def save(path: Path, levels, **options):
    Image.fromarray(np.asarray(levels)).save(path, **options)
    return path


def test_a_jpeg_file_and_its_decoded_picture_have_the_same_data(tmp_path):
    # Of blocks that are cut off at the edge, a decoded picture does not tell all.
    file = save(tmp_path / "a.jpg", clean(24, 32), quality=12)
    decoded = save(tmp_path / "a.png", Image.open(file))
    a = read_degraded(file, Degradation("jpeg"))
    b = read_degraded(decoded, Degradation("jpeg", quality=12))
    torch.testing.assert_close(a.y, b.y)
    assert a.operator.table.tolist() == b.operator.table.tolist()
    assert np.abs(255 * a.picture - np.asarray(Image.open(file))).max() <= 1
    assert a.operator.grey == pytest.approx(
        tuple(np.percentile(np.asarray(Image.open(file)) / 255, (1, 99.8))), abs=0.005
    )
    assert a.truth is None
    assert "taken for the decoded picture" in b.notes[-1]


def test_degrading_gives_the_data_of_the_degraded_file(tmp_path):
    file = save(tmp_path / "a.png", clean())
    degraded = save(tmp_path / "a.jpg", clean(), quality=12)
    a = read_degraded(file, Degradation("jpeg", quality=12), degrade=True)
    b = read_degraded(degraded, Degradation("jpeg"))
    torch.testing.assert_close(a.y, b.y)
    np.testing.assert_allclose(255 * a.truth[0, 0].numpy(), clean(), atol=1e-3)
    assert a.truth.shape == (1, 1, 21, 30)


@pytest.mark.parametrize("stored", ["raw", "spread", "upper bits"])
def test_three_bits_however_they_are_stored(tmp_path, stored):
    levels = (clean() // 32).astype(np.uint8)
    factor = {"raw": 1, "spread": 255 / 7, "upper bits": 32}[stored]
    file = save(tmp_path / "a.png", (levels * factor).round().astype(np.uint8))
    found = read_degraded(file, Degradation("quantise", bits=3))
    assert isinstance(found.operator, Quantisation)
    np.testing.assert_array_equal(found.y[0, 0], levels)


def test_saturation_is_that_of_the_brightest_pixel(tmp_path):
    levels = np.minimum(clean().astype(np.uint16) * 200, 30000)
    found = read_degraded(save(tmp_path / "a.tif", levels), Degradation("saturate"))
    assert isinstance(found.operator, Clipping)
    assert found.operator.saturated == 30000
    assert (
        (found.operator.bounds(found.y)[1] == torch.inf)[0, 0].numpy() == (levels == 30000)
    ).all()


def test_linear_degradations(tmp_path):
    file = save(tmp_path / "a.png", clean())
    mask = np.zeros_like(clean())
    mask[3:6, 4:9] = 255
    masked = read_degraded(file, Degradation("inpaint", mask=save(tmp_path / "m.png", mask)))
    assert isinstance(masked.operator, Inpainting)
    assert (masked.operator.known.numpy() == (mask == 0)).all()
    assert isinstance(read_degraded(file, Degradation("gaussian-blur", blur=1.0)).operator, Blur)
    fine = read_degraded(file, Degradation("super-resolution", factor=2, noise=0.02))
    assert isinstance(fine.operator, SuperResolution)
    assert fine.operator.image_shape == (1, 42, 60)
    assert fine.operator.sigma_noise == 0.02
    cut = read_degraded(file, Degradation("super-resolution", factor=4), degrade=True)
    assert cut.truth.shape == (1, 1, 20, 28)


def test_the_noise_of_an_image_is_found():
    noise = 6 * np.random.default_rng(0).standard_normal((200, 240))
    image = ImageFile(clean(200, 240) + noise, 255, "PNG", False)
    assert 255 * estimate_noise(image) == pytest.approx(6, rel=0.05)
    assert 255 * estimate_noise(ImageFile(np.ones((8, 8)), 255, "PNG", False)) == pytest.approx(
        12**-0.5
    )


def test_colours_become_luminance_and_it_is_told(tmp_path):
    colours = np.stack([clean(), clean() // 2, clean() // 3], -1)
    found = read_degraded(save(tmp_path / "a.png", colours), Degradation("gaussian-blur", blur=1))
    assert "colours were turned into luminance" in found.notes
    grey = read_degraded(
        save(tmp_path / "b.png", np.stack(3 * [clean()], -1)), Degradation("gaussian-blur", blur=1)
    )
    assert not any("colours" in note for note in grey.notes)
    jpeg = read_degraded(save(tmp_path / "c.jpg", colours), Degradation("jpeg"))
    assert "luminance of a colour file" in jpeg.notes[0]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_go_out_and_come_in(tmp_path, suffix):
    grey = np.linspace(-0.1, 1.1, 60).reshape(6, 10)
    write_image(tmp_path / f"a.{suffix}", grey)
    np.testing.assert_allclose(
        read_image(tmp_path / f"a.{suffix}").grey, grey.clip(0, 1), atol=1 / 65535
    )


@pytest.mark.parametrize(
    ("known", "degrade", "message"),
    [
        ({"operator": "jpeg"}, False, "is no JPEG file: give the quality"),
        ({"operator": "jpeg"}, True, "--degrade needs the quality"),
        ({"operator": "jpeg", "quality": 10}, False, "not the decoded picture.*--degrade"),
        ({"operator": "quantise", "bits": 3}, False, "at most 8 grey values.*--degrade"),
        ({"operator": "quantise"}, False, "needs bits"),
        ({"operator": "quantise", "bits": 3, "blur": 1.0}, False, "blur: not an option"),
        ({"operator": "sharpen"}, False, "expected one of gaussian-blur"),
        ({"operator": "saturate", "saturation": 0.99}, False, "no pixel is as bright"),
        ({"operator": "saturate"}, True, "grey value to saturate at"),
        ({"operator": "inpaint"}, True, "one of mask, box and missing"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, known, degrade, message):
    noisy = clean() + np.random.default_rng(0).integers(0, 20, clean().shape, np.uint8)
    file = save(tmp_path / "a.png", noisy)
    with pytest.raises(ValueError, match=message):
        read_degraded(file, Degradation(**known), degrade)


def test_a_jpeg_file_needs_no_quality(tmp_path):
    file = save(tmp_path / "a.jpg", clean(), quality=12)
    with pytest.raises(ValueError, match="holds its own tables: leave it out"):
        read_degraded(file, Degradation("jpeg", quality=12))


def test_what_is_no_image_is_refused(tmp_path):
    text = tmp_path / "a.png"
    text.write_text("no image")
    with pytest.raises(ValueError, match="expected a PNG, JPEG or TIFF"):
        read_image(text)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")
    pages = [Image.fromarray(clean())] * 2
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match="got 2 pages"):
        read_image(tmp_path / "b.tif")
    with pytest.raises(ValueError, match="has no contrast"):
        read_degraded(save(tmp_path / "c.jpg", 0 * clean()), Degradation("jpeg"))
    with pytest.raises(ValueError, match="mode 'F'"):
        read_image(save(tmp_path / "d.tif", clean().astype(np.float32)))
