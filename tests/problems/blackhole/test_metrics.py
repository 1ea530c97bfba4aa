import pytest
import torch

from lmaps_science.problems.blackhole.metrics import (
    aligned,
    aligned_psnr,
    inversebench_chi_squared,
    inversebench_psnr,
)


@pytest.fixture(scope="module")
def images(golden):
    arrays = golden("blackhole_64.npz")
    return {
        **{k: (torch.from_numpy(arrays[k]) + 1) / 2 for k in ("ground_truth", "x1", "x2")},
        "x1_psnr": arrays["x1_psnr_raw_then_blur_0_10_15_20"][0],
        "x2_psnr": arrays["x2_psnr_raw_then_blur_0_10_15_20"][0],
    }


@pytest.mark.parametrize("name", ["x1", "x2"])
def test_inversebenchs_psnr(images, name):
    values = inversebench_psnr(images[name], images["ground_truth"])
    for value, expected in zip(values.values(), images[f"{name}_psnr"][:4], strict=True):
        assert float(value) == pytest.approx(float(expected), rel=1e-4)


def test_truth_against_itself(images):
    truth = images["ground_truth"]
    assert float(inversebench_psnr(truth, truth)["psnr"]) == pytest.approx(31.66, abs=0.01)
    assert float(aligned_psnr(truth, truth)["psnr"]) == pytest.approx(80)


def test_alignment_undoes_a_shift(images):
    truth = images["ground_truth"]
    moved = torch.roll(truth, (3, -5), (2, 3))
    assert float(aligned_psnr(moved, truth)["psnr"]) > 60
    between = 0.5 * (truth + torch.roll(truth, 1, 3))
    assert (aligned(between, truth) - truth).norm() < 0.6 * (between - truth).norm()


def test_small_chi_squared_is_inverted():
    values = inversebench_chi_squared(torch.tensor([0.5, 1.0, 3.0]))
    assert values.tolist() == [2.0, 1.0, 3.0]
