from dataclasses import replace

import numpy as np
import pytest
import torch

from lmaps_science.problems.blackhole.closures import minimal_closures
from lmaps_science.problems.blackhole.controls import control_images, correlation, simulate
from lmaps_science.problems.blackhole.fourier import RADIANS_PER_UAS, FourierSampling
from lmaps_science.problems.blackhole.likelihood import WhitenedClosures
from lmaps_science.problems.blackhole.observation import (
    Observation,
    add_fractional_error,
    rescale_intra_site,
)
from lmaps_science.problems.blackhole.ring import measure_ring


@pytest.fixture(scope="module")
def images():
    return control_images()


@pytest.fixture(scope="module")
def observation():
    """Five stations, the first two on one site, in 40 scans of a turning Earth."""
    names = np.array(["AA", "AP", "LM", "PV", "SM"])
    place = np.array([[0, 0], [2e6, 1e6], [3.5e9, 2e9], [-4e9, 4.5e9], [1e9, -6e9]])
    first, second = np.triu_indices(5, 1)
    angle = np.linspace(0, 1, 40)[:, None]
    base = place[second] - place[first]
    turned = [
        base[:, 0] * np.cos(angle) - base[:, 1] * np.sin(angle),
        base[:, 0] * np.sin(angle) + base[:, 1] * np.cos(angle),
    ]
    count = 40 * len(first)
    return Observation(
        uv=np.stack(turned, -1).reshape(count, 2),
        visibility=np.zeros(count, complex),
        sigma=np.full(count, 2e-4),
        time=np.repeat(np.linspace(0, 8, 40), len(first)),
        scan=np.repeat(np.arange(40), len(first)),
        stations=np.tile(np.stack([names[first], names[second]], 1), (40, 1)),
        source="M87",
        right_ascension=187.7,
        declination=12.4,
        frequency=2.3e11,
        mjd=57848,
    )


def visibilities(observation, image):
    pixel = 160 / image.shape[-1] * RADIANS_PER_UAS
    brightness = (image.double() + 1) / (image.double() + 1).sum()
    return FourierSampling(observation.uv, image.shape[-1], pixel).forward(brightness)


def test_controls_are_what_their_names_say(images):
    rings = {name: measure_ring(image[0]) for name, image in images.items()}
    expected = {
        "crescent": (42, 168.5),
        "crescent_north": (42, 331.4),
        "large_ring": (52, 108),
        "small_ring": (32, 216),
    }
    assert {name for name, ring in rings.items() if ring.is_ring} == set(expected)
    for name, (diameter, angle) in expected.items():
        assert rings[name].diameter_uas == pytest.approx(diameter, abs=0.7)
        assert rings[name].position_angle_deg == pytest.approx(angle, abs=1)
    for image in images.values():
        assert image.shape == (1, 1, 64, 64)
        assert (float(image.min()), float(image.max())) == pytest.approx((-1, 1), abs=1e-3)


def test_models_keep_scale_and_orientation():
    # A spot 40 µas east and 20 µas north, in a model of 1.25 µas a pixel.
    model = torch.zeros(192, 192)
    model[95 - 16 : 97 - 16, 95 - 32 : 97 - 32] = 1
    image = control_images(models={"spot": model})["spot"]
    row, column = divmod(int(image.argmax()), 64)
    assert row in (23, 24)
    assert column in (15, 16)


def test_without_errors_the_visibilities_are_the_source(observation, images):
    quiet = replace(observation, sigma=0 * observation.sigma)
    measured = simulate(
        quiet, images["disc"], compact_flux=0.7, gain_std=0, fractional_error=0, extended_flux=0.5
    )
    expected = 0.7 * visibilities(observation, images["disc"])[0].abs().numpy()
    intra = observation.intra_site
    assert intra.sum() == 40
    np.testing.assert_allclose(np.abs(measured.visibility[~intra]), expected[~intra], rtol=1e-9)
    np.testing.assert_allclose(np.abs(measured.visibility[intra]), 1.2, rtol=1e-4)


def test_the_truth_fits_its_closures(observation, images):
    """Gains leave closures alone, and the noise is what the likelihood states."""
    measured = simulate(observation, images["crescent"], seed=3)
    closed = add_fractional_error(rescale_intra_site(measured, 0.6), 0.01)
    likelihood = WhitenedClosures(minimal_closures(closed))
    y = likelihood.predict(torch.from_numpy(closed.visibility)[None])
    phase, amplitude = likelihood.chi_squared(visibilities(closed, images["crescent"]), y)
    assert float(phase) == pytest.approx(1, abs=0.3)
    assert float(amplitude) == pytest.approx(1, abs=0.3)
    other, _ = likelihood.chi_squared(visibilities(closed, images["disc"]), y)
    assert other > 10


def test_gains_are_of_stations(observation, images):
    quiet = replace(observation, sigma=0 * observation.sigma)
    options = {"fractional_error": 0.0, "extended_flux": 0.0}
    ratio = (
        simulate(quiet, images["disc"], gain_std=0.3, **options).visibility
        / 0.6
        / visibilities(observation, images["disc"])[0].numpy()
    ).reshape(40, 10)
    # Baselines in order 01 02 03 04 12 13 14 23 24 34: two ways around 0, 1, 2 and 3.
    np.testing.assert_allclose(ratio[:, 1] * ratio[:, 5], ratio[:, 2] * ratio[:, 4], rtol=1e-7)
    spread = np.log(np.abs(ratio)).std()
    assert spread == pytest.approx(0.3 * 2**0.5, rel=0.15)


def test_seeds(observation, images):
    one, again, other = (simulate(observation, images["disc"], seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one.visibility, again.visibility)
    assert not np.array_equal(one.visibility, other.visibility)


def test_correlation(images):
    moved = torch.roll(images["crescent"], (5, -7), (2, 3))
    batch = torch.cat([0.4 * moved - 0.2, images["disc"]])
    same, different = correlation(batch, images["crescent"])
    assert float(same) == pytest.approx(1, abs=1e-6)
    assert 0.3 < float(different) < 0.9


def test_wrong_image(observation):
    with pytest.raises(ValueError, match="expected one image"):
        simulate(observation, torch.zeros(2, 1, 64, 64))
