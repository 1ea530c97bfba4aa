import numpy as np
import pytest
from matplotlib.image import imread

from lmaps_science.problems.blackhole.closures import Closures
from lmaps_science.problems.blackhole.figure import ClosureFit, Images, save_figure
from lmaps_science.problems.blackhole.observation import Observation

PAIRS = np.array([["A", "B"], ["B", "C"], ["A", "C"]])
SCANS = 5


@pytest.fixture
def observation():
    """Three stations, five scans on each of two days."""
    count = 2 * SCANS
    rng = np.random.default_rng(0)
    hours = np.concatenate([23 + np.arange(SCANS), 47 + np.arange(SCANS)])
    return Observation(
        uv=4e9 * rng.standard_normal((3 * count, 2)),
        visibility=np.exp(1j * rng.uniform(-3, 3, 3 * count)),
        sigma=np.full(3 * count, 0.1),
        time=np.repeat(hours, 3),
        scan=np.repeat(np.arange(count), 3),
        stations=np.tile(PAIRS, (count, 1)),
        source="M87",
        right_ascension=187.7,
        declination=12.4,
        frequency=2.3e11,
        mjd=57848,
    )


@pytest.fixture
def closures():
    """φ_AB + φ_BC - φ_AC, and a log amplitude, of each scan."""
    count = 2 * SCANS
    return Closures(
        phase=np.kron(np.eye(count), [[1, 1, -1]]),
        log_amplitude=np.kron(np.eye(count), [[0.5, 0.5, -0.5]]),
        phase_covariance=0.03 * np.eye(count),
        log_amplitude_covariance=0.01 * np.eye(count),
    )


@pytest.fixture
def visibilities(observation):
    rng = np.random.default_rng(1)
    return observation.visibility * (1 + 0.2 * rng.standard_normal((3, len(observation))))


def test_closures_of_data_and_samples(observation, closures, visibilities):
    fit = ClosureFit.of(observation, closures, visibilities)
    first, second, third = observation.visibility.reshape(-1, 3).T
    bispectrum = first * second * third.conj()
    np.testing.assert_allclose(fit.phase, np.degrees(np.angle(bispectrum)), atol=1e-9)
    # A factor leaves phases as they are.
    np.testing.assert_allclose(fit.phase_model, np.tile(fit.phase, (3, 1)), atol=1e-9)
    np.testing.assert_allclose(fit.phase_error, np.degrees(0.03**0.5))
    expected = 0.5 * np.log(np.abs(visibilities)).reshape(3, -1, 3) @ [1, 1, -1]
    np.testing.assert_allclose(fit.log_amplitude_model, expected)
    np.testing.assert_allclose(fit.log_amplitude, 0, atol=1e-12)
    assert set(fit.triangle) == {"A–B–C"}
    np.testing.assert_array_equal(fit.time, observation.time[::3])


@pytest.mark.parametrize("count", [1, 4])
def test_figure_shows_the_source_where_it_is(tmp_path, observation, closures, visibilities, count):
    samples = np.zeros((count, 32, 32))
    samples[:, 6:10, 4:8] = 1e-3
    images = Images(samples.mean(0), samples.std(0) if count > 1 else None, samples)
    fit = ClosureFit.of(observation, closures, visibilities[:count])
    save_figure(images, fit, observation, tmp_path / "figure.png", "a heading")
    picture = imread(tmp_path / "figure.png")[..., :3]
    assert picture.shape == (1024, 1840, 3)
    # Brightest is white and dark is black in the first panel: a square in its upper left corner.
    height, width, _ = picture.shape
    first = picture[: height // 2, : width // 3 if count > 1 else width]
    dark = np.argwhere(first.sum(-1) == 0)
    (top, left), (bottom, right) = np.quantile(dark, [0.02, 0.98], axis=0).astype(int)
    panel = picture[top:bottom, left:right].sum(-1)
    rows, columns = np.nonzero(panel[: 6 * len(panel) // 8] == 3)
    assert rows.mean() / len(panel) == pytest.approx(8 / 32, abs=0.03)
    assert columns.mean() / panel.shape[1] == pytest.approx(6 / 32, abs=0.03)
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


def test_no_closures_of_one_kind(tmp_path, observation, closures, visibilities):
    none, empty = np.zeros((0, len(observation))), np.zeros((0, 0))
    only_phases = Closures(closures.phase, none, closures.phase_covariance, empty)
    only_amplitudes = Closures(none, closures.log_amplitude, empty, closures.phase_covariance)
    images = Images(np.ones((8, 8)), None, np.ones((1, 8, 8)))
    for index, some in enumerate((only_phases, only_amplitudes)):
        fit = ClosureFit.of(observation, some, visibilities[:1])
        save_figure(images, fit, observation, tmp_path / f"{index}.png")
        assert imread(tmp_path / f"{index}.png").shape[:2] == (1024, 1840)
