import numpy as np
import pytest
import torch

from lmaps_science.problems.mri.espirit import (
    calibration_image,
    calibration_region,
    espirit,
    with_phase_of,
)
from tests.problems.mri.phantom import SHAPE, coils, head, measured, transform

KSPACE = torch.from_numpy(measured(sigma=0.001))


def test_by_hand_for_two_flat_coils():
    # Coils that are constant: the maps are those constants wherever there is anything.
    image = np.random.default_rng(0).standard_normal(SHAPE)
    kspace = torch.from_numpy(transform(np.array([0.6, 0.8j])[:, None, None] * image))
    maps = espirit(calibration_region(kspace, 12, 12), SHAPE)
    ratio = maps[1] / maps[0]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 0.8j / 0.6), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("height", "width", "least"), [(24, 24, 0.998), (32, 8, 0.995), (8, 32, 0.995), (32, 4, 0.9)]
)
def test_finds_the_maps_up_to_phase(height, width, least):
    maps = espirit(calibration_region(KSPACE, height, width), SHAPE)
    norms = torch.linalg.vector_norm(maps, dim=0)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    overlap = (maps.conj() * torch.from_numpy(coils())).sum(0).abs().numpy()
    assert overlap[np.abs(head()) > 0.5].min() > least


def test_noise_is_told_from_signal():
    # At this noise all singular values are above the relative threshold.
    kspace = torch.from_numpy(measured(sigma=0.03))
    maps = espirit(kspace, SHAPE)
    overlap = (maps.conj() * torch.from_numpy(coils())).sum(0).abs().numpy()
    assert overlap[np.abs(head()) > 0.5].min() > 0.995


def test_sees_the_smooth_phase_of_the_image_as_real():
    region = calibration_region(KSPACE, 16, 12)
    maps = espirit(region, SHAPE)
    seen = (maps.conj() * calibration_image(region, SHAPE)).sum(0)
    assert float(seen.imag.abs().max()) < 1e-5 * float(seen.abs().max())
    assert float(seen.real.min()) >= -1e-6
    true = (maps.conj() * torch.from_numpy(coils() * head())).sum(0).numpy()
    inside = np.abs(head()) > 0.9
    assert np.abs(np.angle(true[inside])).max() < 0.2


def test_phase_is_taken_over_from_other_maps():
    maps = torch.from_numpy(coils())
    turned = maps * torch.exp(1j * torch.rand(SHAPE))
    torch.testing.assert_close(with_phase_of(turned, maps), maps)


def test_calibration_image_of_everything_is_the_windowed_image():
    window = np.hamming(SHAPE[0] + 2)[1:-1, None] * np.hamming(SHAPE[1] + 2)[1:-1]
    image = calibration_image(torch.from_numpy(transform(head())[None] / window), SHAPE)
    np.testing.assert_allclose(image[0].numpy(), head(), atol=1e-5)


def test_same_as_sigpy_on_its_square():
    app = pytest.importorskip("sigpy.mri.app")
    theirs = app.EspiritCalib(
        KSPACE.numpy(), calib_width=24, thresh=0.005, kernel_width=5, crop=0, show_pbar=False
    ).run()
    ours = espirit(calibration_region(KSPACE, 24, 24), SHAPE).numpy()
    overlap = np.abs((theirs.conj() * ours).sum(0))
    assert overlap[np.abs(head()) > 0.5].min() > 1 - 1e-5
