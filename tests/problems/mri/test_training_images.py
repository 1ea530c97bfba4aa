"""Drawn training images: what is random, and what must not be."""

import math

import numpy as np
import pytest
import torch

from lmaps_science.problems.mri import training_images
from lmaps_science.problems.mri.training_images import ComplexImages, Phase, read_slices


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def discs(count=6, side=64):
    """Discs of concentric rings, brightness 0 to 1."""
    axis = torch.arange(side) - side / 2
    radius = torch.hypot(axis[:, None], axis)
    rings = 0.6 + 0.4 * torch.cos(radius * torch.linspace(0.2, 0.6, count)[:, None, None])
    return rings * (radius < 0.4 * side)


def only(phase):
    return [float(phase == other) for other in Phase]


def magnitude(images):
    return torch.hypot(images[:, 0], images[:, 1])


def angle(images):
    return torch.atan2(images[:, 1], images[:, 0])


def test_slices_are_split_by_person_and_scaled(tmp_path):
    people = np.array([3, 9, 19, 20, 109])
    slices = np.zeros((5, 32, 32), np.uint8)
    slices[:, 8:24, 8:24] = np.array([50, 100, 150, 200, 250])[:, None, None]
    slices[:, 0, 0] = 255
    np.savez(tmp_path / "slices.npz", slices=slices, subject=people)
    training = read_slices(tmp_path / "slices.npz")
    unseen = read_slices(tmp_path / "slices.npz", held_out=True)
    assert (training.shape, unseen.shape) == ((2, 32, 32), (3, 32, 32))
    for images in (training, unseen):
        assert (images[:, 16, 16] == 1).all()
        assert images.max() <= 1.2


def test_the_generator_decides_everything():
    source = ComplexImages(discs())
    first, again, other = (source.draw(4, 32, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("size", [32, 64])
def test_a_class_decides_the_phase_and_nothing_else(size):
    drawn = {
        phase: ComplexImages(discs(), only(phase)).draw(40, size, generator()) for phase in Phase
    }
    for phase, (images, label) in drawn.items():
        assert images.shape == (40, 2, size, size)
        assert (label == phase).all()
        torch.testing.assert_close(magnitude(images), magnitude(drawn[Phase.NONE][0]))
    real = drawn[Phase.NONE][0]
    assert (real[:, 1] == 0).all()
    assert (real[:, 0] >= 0).all()


def test_classes_come_in_their_shares():
    _, label = ComplexImages(discs(), [1, 2, 1]).draw(4000, 8, generator())
    shares = torch.bincount(label, minlength=3) / 4000
    assert shares.tolist() == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_residual_phases_are_small_and_smooth_ones_cover_the_circle():
    flat = ComplexImages(torch.ones(1, 64, 64), only(Phase.RESIDUAL)).draw(200, 32, generator())[0]
    object_pixels = magnitude(flat) > 0.05
    deviations = torch.stack(
        [a[inside].std() for a, inside in zip(angle(flat), object_pixels, strict=True)]
    )
    # Log-uniform from 0.03 to 0.5 rad, times the field's 0.86.
    assert deviations.min() < 0.05 < 0.3 < deviations.max() < 0.6
    assert float(deviations.log().mean().exp()) == pytest.approx(0.86 * 0.122, rel=0.15)

    smooth = ComplexImages(torch.ones(1, 64, 64), only(Phase.SMOOTH)).draw(200, 32, generator())[0]
    centre = torch.complex(smooth[:, 0, 16, 16], smooth[:, 1, 16, 16])
    assert (centre / centre.abs()).mean().abs() < 0.15


@pytest.mark.parametrize("limits", [(5, 20), (16, 64)])
def test_fields_are_band_limited_with_scales_in_pixels(limits):
    """Their steps from pixel to pixel do not depend on the size of the window."""
    steps = []
    for size in (32, 64):
        field = training_images._field(300, size, *limits, generator())
        assert field.shape == (300, 1, size, size)
        assert field.mean().abs() < 0.1
        assert 0.75 < field.std() < 1
        steps.append(float(field.diff(dim=-1).square().mean().sqrt()))
        curvature = field.diff(n=2, dim=-1).square().mean().sqrt()
        assert curvature < 4 * math.pi / limits[0] * steps[-1] / 2
    assert steps[0] == pytest.approx(steps[1], rel=0.08)


def test_a_crop_shows_the_pixels_of_the_whole_image():
    """Stripes of 8 pixels come out with 8 pixels times zoom and stretch, at every window size."""
    axis = torch.arange(128.0)
    stripes = (0.5 + 0.5 * torch.cos(2 * math.pi * axis / 8)).expand(1, 128, 128)
    for size in (64, 128):
        images = training_images._warped(stripes[:, None].repeat(100, 1, 1, 1), size, generator())
        window = torch.hann_window(size) * torch.hann_window(size)[:, None]
        spectrum = torch.fft.fft2((images[:, 0] - 0.5) * window, s=(256, 256)).abs()
        frequency = torch.hypot(torch.fft.fftfreq(256)[:, None], torch.fft.fftfreq(256))
        spectrum = spectrum * (frequency > 0.04)
        peak = frequency.flatten()[spectrum.flatten(1).argmax(1)]
        zoom = 1 / (8 * peak)
        assert 0.8 / 1.3 < zoom.min() < 0.95
        assert 1.2 < zoom.max() < 1.5 * 1.3
        assert float(zoom.log().mean().exp()) == pytest.approx(math.sqrt(0.8 * 1.5), rel=0.06)


def test_tone_curves_keep_the_background_dark_and_turn_some_contrasts_over():
    curves = training_images._tone_curves(500, generator())
    assert (curves[:, 0] == 0).all()
    assert (curves[:, 1:] > 0).all()
    darker = (curves[:, 2] > curves[:, 5]).float().mean()
    assert 0.1 < darker < 0.4
    grey = torch.rand(3, 1, 8, 8, generator=generator()) * 1.2
    grey[0, 0, 0, 0] = 1.2
    identity = training_images._TONES.expand(3, -1)
    torch.testing.assert_close(training_images._toned(grey, identity), grey)
    dark, _ = ComplexImages(torch.zeros(2, 32, 32)).draw(4, 32, generator())
    assert (dark == 0).all()


def test_whole_images_are_scaled_to_about_one_and_dark_crops_are_not_brightened():
    source = ComplexImages(discs(), only(Phase.NONE))
    whole = magnitude(source.draw(100, 64, generator())[0])
    bright = torch.quantile(whole.flatten(1), 0.99, dim=1)
    assert bright.max() < 1.3
    assert float(bright.median()) == pytest.approx(1, abs=0.15)
    axis = torch.arange(64.0) - 32
    dim = torch.where(torch.hypot(axis[:, None], axis) < 8, 1.0, 0.1)[None]
    crops = magnitude(ComplexImages(dim, only(Phase.NONE)).draw(200, 16, generator())[0])
    assert (crops.flatten(1).amax(1) < 0.5).float().mean() > 0.2


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"expected shape \(count, side, side\), got \(2, 8, 9\)"):
        ComplexImages(torch.ones(2, 8, 9))
    with pytest.raises(ValueError, match="one for each of 3 classes"):
        ComplexImages(torch.ones(2, 8, 8), shares=[1.0])


def test_real_slices(mirror):
    path = mirror / "mr_slices" / "ixi_hh_t1_axial128.npz"
    training, unseen = read_slices(path), read_slices(path, held_out=True)
    assert (len(training), len(unseen)) == (2004, 216)
    images, _ = ComplexImages(unseen).draw(16, 128, generator())
    assert images.isfinite().all()
    assert 0.1 < images.std() < 0.6
