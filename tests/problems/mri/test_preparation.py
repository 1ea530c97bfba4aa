import numpy as np
import pytest
import torch

from lmaps_science.problems.mri import metrics
from lmaps_science.problems.mri.preparation import prepare, update_maps
from lmaps_science.problems.mri.sense import sense
from tests.problems.mri.phantom import COILS, SHAPE, SIGMA, coils, head, lines, measured, transform


def truth_image(prepared):
    """The head as a normalised image, without its phase."""
    image = torch.from_numpy(np.abs(head())).float() / prepared.operator.unnorm_scale
    return torch.stack([image, torch.zeros_like(image)])[None]


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_slice_is_ready_to_be_reconstructed(axis):
    kspace = measured()
    mask = lines() if axis == "x" else lines(SHAPE[::-1]).T
    prepared = prepare(kspace * mask)
    operator = prepared.operator
    assert prepared.phase_axis == axis and prepared.truth is None
    assert np.array_equal(operator.mask.numpy(), np.broadcast_to(mask, SHAPE))
    assert operator.acceleration == pytest.approx(mask.size / mask.sum())
    expected = (32, 10) if axis == "x" else (11, 40)
    assert prepared.calibration == expected
    assert operator.num_calibration_lines >= 10
    assert torch.equal(operator.observation(kspace), prepared.y)
    assert float(metrics.psnr(sense(operator, prepared.y, 1e-3), truth_image(prepared))) > 22


def test_image_is_normalised_and_nearly_real():
    prepared = prepare(measured())
    image = sense(prepared.operator, prepared.y, 1e-6)
    magnitude = metrics.magnitude(image)
    assert float(magnitude.quantile(0.99)) == pytest.approx(1, rel=0.02)
    inside = np.abs(head()) > 0.9
    phases = torch.atan2(image[0, 1], image[0, 0]).numpy()[inside]
    assert np.abs(phases).max() < 0.3
    shown = prepared.operator.unnormalize(magnitude)[0].numpy()
    assert np.abs(shown - np.abs(head())).max() < 0.3


def test_mask_takes_away_and_tells_the_truth():
    kspace = measured()
    prepared = prepare(kspace, mask=lines())
    assert torch.equal(prepared.y, prepare(kspace * lines()).y)
    noisy = np.sqrt((np.abs(kspace) ** 2).sum())
    assert float(prepared.truth.norm()) * prepared.operator.unnorm_scale == pytest.approx(noisy)
    assert float(metrics.psnr(prepared.truth, truth_image(prepared))) > 25


def test_padding_does_not_hide_the_truth_but_half_scans_do():
    kspace = measured()
    kspace[:, :, :3] = kspace[:, :, -2:] = 0
    padded = prepare(kspace, mask=lines())
    assert padded.truth is not None
    assert not padded.operator.mask[:, :3].any()
    kspace[:, :, :12] = 0
    assert prepare(kspace, mask=lines()).truth is None


def test_k_space_that_was_undersampled_stays_so():
    kspace = measured() * lines()
    fewer = lines() & (np.arange(SHAPE[1]) > 2)
    prepared = prepare(kspace, mask=fewer)
    assert prepared.truth is None
    assert np.array_equal(prepared.operator.mask[0].numpy(), fewer[0])
    everywhere = fewer | (np.arange(SHAPE[1]) == 1)
    assert torch.equal(prepare(kspace, mask=everywhere).operator.mask, prepared.operator.mask)


def test_a_zero_in_a_line_is_a_datum_and_missing_points_are_not():
    kspace = measured() * lines()
    kspace[:, 3, 3] = 0
    assert prepare(kspace).phase_axis == "x"
    echo = kspace.copy()
    echo[:, :8] = 0
    prepared = prepare(echo)
    assert prepared.phase_axis is None
    assert not prepared.operator.mask[:8].any() and prepared.operator.mask[8:, 3].all()


def test_given_noise_is_in_units_of_k_space():
    prepared = prepare(measured() * lines(), sigma_noise=0.05)
    assert prepared.noise is None and prepared.operator.weights is None
    assert prepared.operator.sigma_noise * prepared.operator.unnorm_scale == pytest.approx(0.05)
    updated = update_maps(prepared, truth_image(prepared))
    assert updated.operator.sigma_noise == prepared.operator.sigma_noise


def test_found_noise_is_that_of_the_data_and_of_the_maps():
    true = prepare(measured() * lines(), maps=coils())
    assert true.operator.sigma_noise * true.operator.unnorm_scale == pytest.approx(SIGMA, rel=0.05)
    assert true.calibration == (0, 0)
    true = prepare(measured(0.001) * lines(), maps=coils())
    found = prepare(measured(0.001) * lines())
    assert found.operator.sigma_noise > 1.5 * true.operator.sigma_noise
    assert torch.equal(found.operator.weights, found.noise.weights)


def test_scale_of_k_space_changes_nothing_but_the_scale():
    a, b = prepare(measured() * lines()), prepare(1e4 * measured() * lines())
    assert b.operator.unnorm_scale == pytest.approx(1e4 * a.operator.unnorm_scale, rel=1e-4)
    assert b.operator.sigma_noise == pytest.approx(a.operator.sigma_noise, rel=1e-3)
    torch.testing.assert_close(a.y, b.y, rtol=1e-3, atol=1e-3)


def test_coils_are_whitened_and_compressed():
    mixing = np.eye(COILS) + 0.3 * np.eye(COILS, k=1)
    kspace = np.tensordot(mixing, measured() * lines(), 1).astype(np.complex64)
    prepared = prepare(kspace, noise_covariance=mixing @ mixing.T, num_coils=4)
    assert prepared.operator.sensitivity_maps.shape == (4, *SHAPE)
    plain = prepare(measured() * lines(), num_coils=4)
    energies = [p.kspace.flatten(1).abs().square().sum(1) for p in (prepared, plain)]
    torch.testing.assert_close(energies[0], energies[1], rtol=1e-3, atol=1e-3)
    many = np.concatenate([measured(count=9)] * 2) * lines()
    assert len(prepare(many).operator.sensitivity_maps) == 16


def test_given_maps_are_turned_to_see_a_real_image():
    maps = coils() * np.exp(1j * np.random.default_rng(0).random(SHAPE))
    prepared = prepare(measured() * lines(), maps=maps)
    overlap = (prepared.operator.sensitivity_maps.numpy().conj() * maps).sum(0)
    np.testing.assert_allclose(np.abs(overlap), 1, rtol=1e-5)
    image = sense(prepared.operator, prepared.y, 1e-3)
    assert float(image[:, 1].norm()) < 0.3 * float(image[:, 0].norm())


def test_updated_maps_come_nearer_to_the_truth():
    mask = lines(calibration=6)
    prepared = prepare(measured(0.002) * mask)
    updated = update_maps(prepared, truth_image(prepared))
    assert updated.calibration == (32, 24)
    assert updated.operator.unnorm_scale == prepared.operator.unnorm_scale
    inside = np.abs(head()) > 0.5
    distances = [
        1 - np.abs((p.operator.sensitivity_maps.numpy().conj() * coils()).sum(0))[inside].mean()
        for p in (prepared, updated)
    ]
    assert distances[1] < 0.5 * distances[0]
    assert updated.operator.sigma_noise < prepared.operator.sigma_noise
    between = (prepared.operator.sensitivity_maps.conj() * updated.operator.sensitivity_maps).sum(0)
    assert float(between.angle().abs().max()) < 1e-4


def test_maps_are_updated_where_both_directions_encode_phase():
    mask = np.random.default_rng(0).random(SHAPE) < 0.6
    mask[12:20, 16:24] = True
    prepared = prepare(measured() * mask)
    assert prepared.phase_axis is None
    assert min(prepared.calibration) >= 8
    updated = update_maps(prepared, truth_image(prepared))
    assert updated.calibration == (32, 32) and updated.phase_axis is None
    assert updated.noise.levels.shape == (16,)


FULL = measured()
NAN = FULL.copy()
NAN[0, 1, 2] = np.nan


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kspace": FULL.real.astype(int)},
            r"complex numbers of shape \(coils, y, x\), got .*int64",
        ),
        ({"kspace": FULL[0]}, r"expected complex numbers of shape \(coils, y, x\)"),
        ({"kspace": NAN}, "got 1 NaN or infinite"),
        ({"kspace": 0 * FULL}, "expected a signal, got zeros everywhere"),
        ({"kspace": FULL * (np.arange(COILS) > 0)[:, None, None]}, "1 of 6 coils with zeros"),
        ({"kspace": FULL[:1]}, "several coils, got one.*give maps.*noise level"),
        ({"mask": np.zeros(SHAPE)}, "mask: expected at least one sample of k-space, got none"),
        ({"mask": np.ones(SHAPE)}, "a mask that keeps everything"),
        ({"mask": lines()[:, 1:]}, r"mask: expected shape \(y, x\) = \(32, 40\)"),
        ({"mask": 0.5 * lines()}, "mask: expected true or 1"),
        ({"kspace": FULL * lines(), "mask": ~lines()}, "keep some of what was sampled"),
        ({"maps": coils()[:, 1:]}, r"sensitivity maps: expected shape .* got \(6, 31, 40\)"),
        ({"maps": coils().real}, "sensitivity maps: expected complex"),
        ({"mask": lines(calibration=0, every=2)}, "at least 3 fully sampled lines.*give maps"),
        ({"noise_covariance": np.eye(3)}, r"noise covariance: expected \(6, 6\)"),
    ],
)
def test_what_cannot_be_used_is_told(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        prepare(**{"kspace": FULL, **options})
    assert "\n" not in str(caught.value)


def test_one_coil_with_its_map_and_noise():
    kspace = transform(head()[None]).astype(np.complex64)
    prepared = prepare(kspace, lines(), np.ones((1, *SHAPE), np.complex64), sigma_noise=0.01)
    assert prepared.operator.sensitivity_maps.shape == (1, *SHAPE)
    np.testing.assert_allclose(
        metrics.magnitude(prepared.truth)[0].max(),
        np.abs(head()).max() / prepared.operator.unnorm_scale,
        rtol=1e-5,
    )
