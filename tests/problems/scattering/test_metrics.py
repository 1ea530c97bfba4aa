import numpy as np
import pytest
import torch

from lmaps_science.problems import InverseScattering
from lmaps_science.problems.metrics import chi_squared
from lmaps_science.problems.scattering import metrics


def test_same_numbers_as_inversebench(golden):
    arrays = golden("scattering_metrics.npz")
    image, truth = (torch.from_numpy(arrays[name]) for name in ("prediction", "target"))
    expected = dict(zip(arrays["names"], arrays["values"], strict=True))
    assert float(metrics.psnr(image, truth)) == pytest.approx(expected["psnr"], rel=1e-5)
    assert float(metrics.ssim(image, truth)) == pytest.approx(expected["ssim"], rel=1e-5)


def test_per_sample_against_one_truth(golden):
    arrays = golden("scattering_metrics.npz")
    image, truth = (torch.from_numpy(arrays[name]) for name in ("prediction", "target"))
    samples = torch.cat([truth, image, 0.5 * image])
    for metric in (metrics.psnr, metrics.ssim, metrics.nrmse):
        values = metric(samples, truth)
        assert values.shape == (3,)
        assert float(values[1]) == pytest.approx(float(metric(image, truth)[0]), rel=1e-6)
    assert float(metrics.psnr(samples, truth)[0]) == pytest.approx(80, abs=0.01)
    assert float(metrics.ssim(samples, truth)[0]) == pytest.approx(1)


def test_nrmse_in_closed_form():
    truth = torch.full((1, 1, 4, 4), 0.5)
    assert float(metrics.nrmse(truth + 0.1, truth)) == pytest.approx(0.2)


def test_blur_is_a_gaussian_of_the_width_given():
    point = torch.zeros(1, 1, 65, 65)
    point[..., 32, 32] = 1
    profile = metrics.blur(point, fwhm=8)[0, 0, 32].numpy()
    assert profile[32 + 4] == pytest.approx(profile[32] / 2, rel=1e-4)
    assert float(metrics.blur(point, 8).sum()) == pytest.approx(1, rel=1e-5)


def test_blurred_psnr_forgives_what_the_blur_removes():
    truth = torch.full((1, 1, 32, 32), 0.5)
    checkers = torch.from_numpy(np.indices((32, 32)).sum(0) % 2).float()[None, None] - 0.5
    image = truth + 0.2 * checkers
    assert float(metrics.psnr(image, truth)) == pytest.approx(20, abs=0.01)
    assert float(metrics.blurred_psnr(image, truth, 6)) > 60


def test_chi_squared_of_a_known_residual():
    operator = InverseScattering(16, num_transmitters=2, num_receivers=6, sigma_noise=0.1)
    x = torch.zeros(2, 1, 16, 16, dtype=torch.float64)
    y = operator.forward(x) + torch.tensor([0.1j, 0.3])[:, None, None]
    torch.testing.assert_close(
        chi_squared(operator, x, y),
        torch.tensor([1.0, 9.0], dtype=torch.float64),
        rtol=1e-6,
        atol=0,
    )
