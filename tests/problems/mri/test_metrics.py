import pytest
import torch

from lmaps_science.problems import MultiCoilMRI
from lmaps_science.problems.metrics import chi_squared
from lmaps_science.problems.mri import metrics


@pytest.fixture(params=["mri_64.npz", "mri_48.npz"])
def case(request, golden):
    arrays = golden(request.param)
    return arrays, *(torch.from_numpy(arrays[name]) for name in ("x", "target"))


def test_same_numbers_as_inversebench(case):
    arrays, image, truth = case
    operator = MultiCoilMRI(arrays["maps"], arrays["mask"])
    y = torch.from_numpy(arrays["observation"])
    values = (
        metrics.psnr(image, truth),
        metrics.ssim(image, truth),
        metrics.data_misfit(operator, image, y),
    )
    assert list(arrays["evaluator_names"]) == ["psnr", "ssim", "data misfit"]
    for value, expected in zip(values, arrays["evaluator_values"], strict=True):
        assert value.shape == (1,)
        assert float(value) == pytest.approx(expected, rel=1e-4)


def test_per_sample_against_one_truth(case):
    _, image, truth = case
    samples = torch.cat([truth, image, 0.5 * image])
    for metric in (metrics.psnr, metrics.ssim):
        values = metric(samples, truth)
        assert values.shape == (3,)
        assert float(values[1]) == pytest.approx(float(metric(image, truth)), rel=1e-5)
    assert metrics.psnr(truth, truth) == torch.inf
    assert float(metrics.ssim(samples, truth)[0]) == pytest.approx(1)


def test_phase_and_excess_brightness_do_not_count(case):
    _, _, truth = case
    rotated = torch.stack([-truth[:, 1], truth[:, 0]], 1)
    torch.testing.assert_close(metrics.ssim(rotated, truth), metrics.ssim(truth, truth))
    brighter = truth.clone()
    flat = metrics.magnitude(truth).flatten(1).argmax(1)
    brighter.flatten(2)[:, :, flat] *= 3
    assert metrics.psnr(brighter, truth) > 100


def test_chi_squared_of_a_known_residual():
    mask = torch.tensor([[1, 0, 1, 0]])
    operator = MultiCoilMRI(torch.ones(2, 4, 4, dtype=torch.complex64), mask, sigma_noise=0.1)
    x = torch.zeros(1, 2, 4, 4)
    y = torch.full((1, 2, 4, 4, 2), 0.1) * operator.mask[..., None]
    torch.testing.assert_close(chi_squared(operator, x, y), torch.tensor([2.0]))
