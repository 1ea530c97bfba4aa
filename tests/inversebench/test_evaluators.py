"""Evaluators that count every sample, on cases where InverseBench's do not."""

from types import SimpleNamespace

import pytest
import torch

from lmaps_science.inversebench.evaluators import MRI, BlackHole, Image

FORWARD = SimpleNamespace(
    device="cpu",
    loss=lambda x, y: (x - y).square().flatten(1).sum(1),
    evaluate_chisq=lambda x, y, normalize: (x.flatten(1).mean(1), x.flatten(1).amax(1)),
)


def test_mri_with_several_samples_is_their_mean():
    """InverseBench's gives 0 for 2 to 31 samples."""
    truth = torch.rand(1, 2, 32, 32)
    samples = truth + 0.05 * torch.randn(3, 2, 32, 32)
    single = [MRI(FORWARD)(sample[None], truth, truth) for sample in samples]
    together = MRI(FORWARD)(samples, truth, truth)
    for name in ("psnr", "ssim", "data misfit"):
        assert together[name] == pytest.approx(sum(one[name] for one in single) / 3, rel=1e-5)


def test_the_summary_is_over_objects():
    evaluator = MRI(FORWARD)
    truth = torch.rand(1, 2, 32, 32)
    values = [evaluator(truth + error, truth, truth)["data misfit"] for error in (0.1, 0.3)]
    summary = evaluator.compute()
    assert summary["data misfit"] == pytest.approx(sum(values) / 2)
    assert summary["data misfit_std"] == pytest.approx((values[1] - values[0]) / 2)


def test_images_count_their_darker_half():
    """InverseBench's clips images in [-1, 1] to [0, 1], where these agree."""
    truth = torch.full((1, 3, 16, 16), -0.5)
    metrics = Image(FORWARD)(truth - 0.2, truth, truth)
    assert metrics["psnr"] == pytest.approx(20, abs=0.01)
    assert set(metrics) == {"psnr", "ssim"}


def test_black_hole_names_the_blur_and_the_best():
    y, x = torch.meshgrid(*[torch.arange(64.0) - 31.5] * 2, indexing="ij")
    ring = torch.exp(-((torch.hypot(x, y) - 16) ** 2) / 18)[None, None]
    samples = torch.cat([ring.roll(5, dims=3), 0.8 * ring])
    metrics = BlackHole(FORWARD)(samples, ring, ring)
    assert metrics["psnr (best)"] == pytest.approx(80, abs=0.5)
    assert metrics["psnr"] < metrics["psnr (best)"]
    assert metrics["cp_chi2"] == pytest.approx(samples.mean().item(), rel=1e-5)
    assert metrics["cp_chi2 (best)"] == pytest.approx(samples[1].mean().item(), rel=1e-5)
    expected = {"cp_chi2", "camp_chi2", "psnr"} | {f"blur_psnr (f={f})" for f in (10, 15, 20)}
    assert set(metrics) == expected | {f"{name} (best)" for name in expected}


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="expected samples"):
        MRI(FORWARD)(torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 9, 8), torch.zeros(1))
