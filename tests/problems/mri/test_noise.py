import numpy as np
import pytest
import torch

from lmaps_science.problems import MultiCoilMRI
from lmaps_science.problems.mri.noise import estimate_noise, misfit_by_line
from lmaps_science.problems.mri.sense import sense
from tests.problems.mri.phantom import COILS, SHAPE, SIGMA, coils, head, lines, measured


def points(seed=0):
    """Half of k-space at random."""
    return np.random.default_rng(seed).random(SHAPE) < 0.5


MASKS = {"lines in x": lines(), "lines in y": lines(SHAPE[::-1]).T, "points": points()}


@pytest.fixture(params=MASKS)
def case(request):
    """Operator with the true maps, and its data."""
    operator = MultiCoilMRI(coils(), MASKS[request.param])
    return operator, operator.observation(measured())


@pytest.mark.parametrize("ridge", [1e-2, 1e-3])
def test_sense_solves_its_equations(case, ridge):
    operator, y = case
    image = sense(operator, torch.cat([y, 2 * y]), ridge)
    left = operator.normal(image) + ridge * image
    right = operator.adjoint(torch.cat([y, 2 * y]))
    assert float((left - right).norm() / right.norm()) < 1e-4
    torch.testing.assert_close(image[1], 2 * image[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", MASKS)
def test_redundancy_counts_the_unknowns(kind):
    shape = (12, 16)
    operator = MultiCoilMRI(coils(shape=shape), MASKS[kind][: shape[0], : shape[1]])
    unit = torch.eye(2 * shape[0] * shape[1]).view(-1, 2, *shape)
    dense = operator.normal(unit).flatten(1).double()
    values = torch.linalg.eigvalsh((dense + dense.mT) / 2)
    ridge = 1e-3 if kind == "points" else 1e-5
    unknowns = float((values / (values + ridge)).sum()) / 2
    noise = estimate_noise(operator, operator.observation(measured(shape=shape)))
    assert noise.redundancy == pytest.approx(operator.num_data / unknowns, rel=0.05)


def test_lines_that_the_fit_follows_closely_are_not_thought_quiet():
    # White noise and the true maps: lone lines leave less of their noise than the centre's.
    operator = MultiCoilMRI(coils(), lines(every=5))
    data = [operator.observation(measured(seed=seed)) for seed in range(4)]
    levels = torch.stack([estimate_noise(operator, y).levels for y in data]).square().mean(0)
    sampled = torch.from_numpy(lines(every=5)[0])
    torch.testing.assert_close(
        levels[sampled].sqrt(), torch.full((int(sampled.sum()),), SIGMA).double(), rtol=0.1, atol=0
    )


def test_noise_of_k_space_is_found(case):
    operator, y = case
    noise = estimate_noise(operator, y)
    assert noise.sigma == pytest.approx(SIGMA, rel=0.05)
    assert noise.redundancy > 1.3 and noise.floored == 0
    assert torch.equal(
        noise.weights[~operator.mask], torch.ones_like(noise.weights[~operator.mask])
    )


def test_noisy_line_gets_less_weight():
    operator = MultiCoilMRI(coils(), lines())
    kspace = measured()
    # Column 3 is sampled alone among its neighbours; other columns keep the noise they have.
    extra = np.random.default_rng(9).standard_normal((2, COILS, SHAPE[0]))
    kspace[:, :, 3] += 10 * SIGMA * (extra[0] + 1j * extra[1])
    noise = estimate_noise(operator, operator.observation(kspace))
    levels = noise.levels.numpy()
    assert np.isnan(levels[1]) and levels.shape == (SHAPE[1],)
    sampled = levels[lines()[0]]
    assert levels[3] == sampled.max() > 4 * np.median(sampled)
    expected = (noise.sigma / levels[3]) ** 2
    np.testing.assert_allclose(noise.weights[:, 3].numpy(), expected)


def test_level_of_perfect_data_is_floored():
    operator = MultiCoilMRI(coils(), lines())
    y = operator.forward(torch.view_as_real(torch.from_numpy(head())).movedim(-1, 0)[None])
    measured_samples = y[0, :, operator.mask]
    floor = 1e-4 * float(measured_samples.square().sum(-1).mean().sqrt())
    assert estimate_noise(operator, y).sigma == pytest.approx(floor)


def test_data_that_are_not_redundant():
    maps = coils(2)
    operator = MultiCoilMRI(maps, lines(every=20, calibration=4))
    with pytest.raises(ValueError, match=r"more data than unknowns.*2 coils.*give sigma_noise"):
        estimate_noise(operator, operator.observation(measured(count=2)))


@pytest.mark.parametrize("kind", MASKS)
def test_truth_misfits_each_line_by_its_noise(kind):
    plain = MultiCoilMRI(coils(), MASKS[kind], SIGMA)
    x = torch.view_as_real(torch.from_numpy(head()).to(torch.complex64)).movedim(-1, 0)[None]
    y = plain.observation(measured())
    misfit = misfit_by_line(plain, x, y)
    sampled = ~misfit.isnan()
    assert float(misfit[sampled].mean()) == pytest.approx(1, abs=0.05)
    if "lines" in kind:
        assert torch.equal(sampled, plain.mask.any(0 if kind == "lines in x" else 1))
        weights = torch.rand(plain.mask.shape[1 if kind == "lines in x" else 0]).add(0.5)
        shaped = weights[None] if kind == "lines in x" else weights[:, None]
        weighted = MultiCoilMRI(coils(), MASKS[kind], SIGMA, shaped)
        by_weight = misfit_by_line(weighted, x, weighted.observation(measured()))
        torch.testing.assert_close(
            by_weight[sampled], (weights * misfit)[sampled], rtol=1e-5, atol=0
        )
