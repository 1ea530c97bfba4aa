"""What priors are trained on: what is drawn, what never is, and that a seed fixes it."""

import math
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.fft import fft2, ifft2
from scipy.ndimage import fourier_gaussian

from lmaps_science.problems.blackhole import population, sources
from lmaps_science.problems.blackhole.population import EVERYTHING, HELD_OUT, NO_RINGS, draw
from lmaps_science.problems.blackhole.ring import measure_ring
from lmaps_science.problems.blackhole.sources import Field

SMALL = Field(image_size=32, width_uas=160.0)


def models_file(path: Path, pixel: float = 2.5) -> Path:
    """Gaussians of 40 µas at different places, of the held-out names and two others."""
    field = Field(image_size=round(240 / pixel), width_uas=240.0, oversampling=1)
    with h5py.File(path, "w") as file:
        for k, name in enumerate((*HELD_OUT, "one.txt", "two.txt")):
            image = sources.gaussian(field, 40.0, east=10.0 * k)[0].numpy()
            file[f"full/{name}"] = 7 * image
            file[f"full/{name}"].attrs["uas_per_pixel"] = pixel
    return path


def test_held_out_models_are_read_only_on_request(tmp_path: Path) -> None:
    path = models_file(tmp_path / "models.h5")
    assert set(population.read_models(path)) == {"one.txt", "two.txt"}
    assert set(population.read_models(path, held_out=True)) == set(HELD_OUT)


def test_the_real_models_that_are_held_out_exist(mirror: Path) -> None:
    path = mirror / "blackhole" / "ngehtutil_blackhole_models.h5"
    with h5py.File(path) as file:
        everything = set(file["full"])
    kept, left_out = population.read_models(path), population.read_models(path, held_out=True)
    assert set(left_out) == set(HELD_OUT)
    assert set(kept) == everything - set(HELD_OUT)
    assert all(m.shape == (192, 192) and m.max() == 1 for m in (*kept.values(), *left_out.values()))


@pytest.mark.parametrize("pixel", [1.25, 2.5])
def test_models_keep_their_size_and_place(pixel: float, tmp_path: Path) -> None:
    model = population.read_models(models_file(tmp_path / "models.h5", pixel))["one.txt"]
    grid = Field(image_size=192, width_uas=population.MODEL_WIDTH, oversampling=1)
    expected = sources.gaussian(grid, 40.0, east=20.0)[0]
    assert model.shape == (192, 192)
    assert model.max() == 1
    # Bilinear between samples of 2.5 µas.
    torch.testing.assert_close(model, expected / expected.max(), rtol=0, atol=0.01)


def test_no_source_without_a_hole_passes_for_a_ring() -> None:
    images = draw(40, NO_RINGS, seed=3)
    assert not any(measure_ring(image).is_ring for image in images)


def test_crescents_are_rings_unless_small_filled_or_one_sided() -> None:
    images = draw(40, {"crescent": 1.0}, seed=0)
    rings = sum(measure_ring(image).is_ring for image in images)
    assert 10 <= rings < 40


@pytest.mark.parametrize("kind", [*sorted(NO_RINGS), "crescent"])
def test_each_kind_is_an_image_with_its_peak_at_one(kind: str) -> None:
    images = draw(6, {kind: 1.0}, seed=1, field=SMALL)
    assert images.shape == (6, 1, 32, 32)
    torch.testing.assert_close(images.amax((1, 2, 3)), torch.ones(6))
    assert images.min() >= -1
    assert (images[0] - images[1]).abs().max() > 0.1


def test_shares_are_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def kind(name):
        def drawn(count, field, generator):
            asked[name] = count
            return torch.ones(count, 8, 8)

        return drawn

    monkeypatch.setattr(population, "_KINDS", {name: kind(name) for name in ("a", "b", "c")})
    field = Field(image_size=4, width_uas=8.0)
    assert draw(4000, {"a": 0.5, "b": 1.0, "c": 0.5}, field=field).shape == (4000, 1, 4, 4)
    assert asked["b"] == pytest.approx(2000, abs=4 * math.sqrt(1000))
    assert asked["a"] == pytest.approx(1000, abs=4 * math.sqrt(750))
    assert sum(asked.values()) == 4000


def test_named_shares_add_up() -> None:
    assert sum(EVERYTHING.values()) == pytest.approx(1)
    assert sum(NO_RINGS.values()) == pytest.approx(1)
    assert not {"simulation", "crescent"} & set(NO_RINGS)


def test_seed_fixes_the_draw() -> None:
    models = torch.rand(2, 192, 192)
    one, same, other = (draw(99, EVERYTHING, models, s, SMALL) for s in (5, 5, 6))
    assert torch.equal(one, same)
    assert (one - other).abs().max() > 0.1


def test_simulations_need_models() -> None:
    with pytest.raises(ValueError, match="'simulation' need models: see read_models"):
        draw(50, EVERYTHING, field=SMALL)


def test_simulations_are_those_of_the_models_given() -> None:
    grid = Field(image_size=192, width_uas=population.MODEL_WIDTH, oversampling=1)
    models = sources.crescent(grid, 42.0, 8.0)
    images = draw(24, {"simulation": 1.0}, models, seed=2)
    diameters = [r.diameter_uas for r in map(measure_ring, images) if r.is_ring]
    assert len(diameters) >= 12
    # Scaled by 0.65 to 1.45, then blurred, which moves the ridge inwards by a few µas.
    assert 42 * 0.65 - 6 < min(diameters) < 36
    assert 46 < max(diameters) < 42 * 1.45 + 3


def test_blur_is_a_gaussian_and_dark_beyond_the_edges() -> None:
    images, std = torch.rand(3, 1, 32, 32), torch.tensor([0.0, 1.0, 2.5])
    blurred = population._blur(images, std)
    for image, result, s in zip(images[:, 0], blurred[:, 0], std.tolist(), strict=True):
        padded = np.pad(image.numpy().astype(float), (0, 32))
        expected = ifft2(fourier_gaussian(fft2(padded), s)).real[:32, :32].clip(min=0)
        np.testing.assert_allclose(result, expected, atol=2e-6)


def test_a_few_images_need_not_be_of_every_kind() -> None:
    for seed in range(4):
        assert draw(2, NO_RINGS, seed=seed, field=SMALL).shape == (2, 1, 32, 32)
