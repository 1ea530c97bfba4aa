import numpy as np
import pytest
import torch

from lmaps_science.operator import AffineOperator, check_adjoint, check_gradient
from lmaps_science.problems import MultiCoilMRI
from lmaps_science.problems.mri.sampling import LineSampling


def distance(a, b):
    return float((a - b).norm() / b.norm())


def images(operator, count, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, *operator.image_shape), generator=generator, dtype=dtype)


@pytest.mark.parametrize("name", ["mri_64.npz", "mri_48.npz"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_same_numbers_as_inversebench(golden, name, dtype):
    arrays = golden(name)
    operator = MultiCoilMRI(arrays["maps"], arrays["mask"])
    expected = {key: torch.from_numpy(a) for key, a in arrays.items() if a.dtype.kind in "fc"}
    x, y = expected["x"].to(dtype), operator.observation(arrays["kspace"])
    assert torch.equal(y, expected["observation"])
    assert torch.equal(operator.observation(expected["observation"]), y)
    y = y.to(dtype)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-7
    forward = operator.forward(x)
    gradient, loss = operator.gradient(x, y, return_loss=True)
    assert forward.dtype == gradient.dtype == dtype
    assert distance(forward, expected["x_forward"]) < tolerance
    assert distance(loss, expected["x_loss"]) < tolerance
    assert distance(gradient, expected["x_gradient"]) < tolerance
    assert torch.equal(loss, operator.loss(x, y))
    mvue = torch.view_as_complex(operator.mvue(y).movedim(1, -1).contiguous())
    assert distance(mvue, expected["estimated_mvue"]) < 1e-6


def test_forward_is_the_centred_fourier_transform(operator):
    x = images(operator, 1)
    coils = operator.sensitivity_maps.numpy() * (x[0, 0] + 1j * x[0, 1]).numpy()
    kspace = np.fft.fftshift(
        np.fft.fft2(np.fft.ifftshift(coils, axes=(1, 2)), norm="ortho"), axes=(1, 2)
    )
    whitened = np.where(operator.mask.numpy(), kspace, 0)
    if operator.weights is not None:
        whitened = whitened * operator.weights.sqrt().numpy()
    y = torch.view_as_complex(operator.forward(x))[0].numpy()
    np.testing.assert_allclose(y, whitened, atol=1e-12)
    np.testing.assert_allclose(
        torch.view_as_complex(operator.observation(kspace))[0].numpy(), whitened, atol=1e-12
    )


def test_lines_are_recognised(make_operator):
    in_x, in_y = (make_operator(kind).sampling for kind in ("lines in x", "lines in y"))
    assert isinstance(in_x, LineSampling) and not in_x.swapped
    assert isinstance(in_y, LineSampling) and in_y.swapped
    operator = make_operator("lines in x")
    speckled = torch.rand(operator.mask.shape, generator=torch.Generator().manual_seed(0)) + 0.5
    weighted = MultiCoilMRI(operator.sensitivity_maps, operator.mask, weights=speckled)
    assert not isinstance(weighted.sampling, LineSampling)


def test_batch_is_a_loop(operator):
    x, y = images(operator, 3), operator.forward(images(operator, 3, seed=1))
    gradient, loss = operator.gradient(x, y, return_loss=True)
    for i in range(3):
        one = slice(i, i + 1)
        single, single_loss = operator.gradient(x[one], y[one], return_loss=True)
        torch.testing.assert_close(operator.forward(x)[one], operator.forward(x[one]))
        torch.testing.assert_close(gradient[one], single)
        torch.testing.assert_close(loss[one], single_loss)
        torch.testing.assert_close(operator.normal(x)[one], operator.normal(x[one]))


def test_one_datum_serves_a_batch_of_images(operator):
    x, y = images(operator, 2), operator.forward(images(operator, 1, seed=1))
    torch.testing.assert_close(operator.gradient(x, y)[1:], operator.gradient(x[1:], y))


def test_adjoint(operator):
    assert check_adjoint(operator) < 1e-6
    x = images(operator, 1)
    jx = operator.forward(x)
    y = torch.randn(jx.shape, dtype=jx.dtype, generator=torch.Generator().manual_seed(1))
    left, right = (jx * y).sum(), (x * operator.adjoint(y)).sum()
    assert abs(left - right) < 1e-13 * jx.norm() * y.norm()


def test_normal_is_adjoint_of_forward(operator):
    x = images(operator, 2)
    assert distance(operator.normal(x), operator.adjoint(operator.forward(x))) < 1e-13
    assert torch.equal(operator.offset(), operator.forward(0 * x[:1].float()))


def test_gradient_is_autograds(operator):
    x, y = images(operator, 2), operator.forward(images(operator, 2, seed=1)) + 0.1
    expected, expected_loss = AffineOperator.loss_and_gradient(operator, x, y)[::-1]
    gradient, loss = operator.gradient(x, y, return_loss=True)
    assert distance(gradient, expected) < 1e-12
    assert distance(loss, expected_loss) < 1e-12
    assert check_gradient(operator, y[:1]) < 1e-6


def test_loss_weighs_the_residual_of_kspace(make_operator):
    operator = make_operator("weighted lines")
    x, kspace = images(operator, 1), torch.randn(1, 3, 10, 12, dtype=torch.complex128)
    plain = MultiCoilMRI(operator.sensitivity_maps, operator.mask)
    residual = torch.view_as_complex(plain.forward(x) - plain.observation(kspace))
    expected = (operator.weights * residual.abs().square()).sum()
    torch.testing.assert_close(operator.loss(x, operator.observation(kspace)), expected[None])
    torch.testing.assert_close(
        operator.mvue(operator.observation(kspace)), plain.mvue(plain.observation(kspace))
    )


def test_unmeasured_data_do_not_count(operator):
    x, y = images(operator, 1), operator.forward(images(operator, 1, seed=1))
    spoilt = torch.where(operator.mask[..., None], y, torch.nan)
    for a, b in zip(
        operator.loss_and_gradient(x, y), operator.loss_and_gradient(x, spoilt), strict=True
    ):
        assert torch.equal(a, b)


def test_noise_has_the_variance_that_the_weight_states(make_operator):
    operator = make_operator("points", coils=64)
    x = images(operator, 1)
    y = operator({"target": x}, torch.Generator().manual_seed(0))
    chi_squared = operator.loss_weight * operator.loss(x, y) / operator.num_data
    assert float(chi_squared) == pytest.approx(1, abs=0.05)
    noise = (y - operator.forward(x))[0][:, operator.mask]
    assert float(noise[..., 0].var()) == pytest.approx(0.1**2 / 2, rel=0.05)
    assert not y[0][:, ~operator.mask].any()
    assert torch.equal(y, operator({"target": x}, torch.Generator().manual_seed(0)))


def test_acceleration_is_the_true_one(make_operator, golden):
    operator = make_operator("lines in x")
    assert operator.acceleration == 3
    assert operator.num_calibration_lines == 2
    assert make_operator("lines in y").acceleration == 2.5
    maps = np.ones((1, 2, 320), complex)
    mask = golden("mri_masks.npz")["mask_320_R4_seed0_equispaced"]
    assert MultiCoilMRI(maps, mask).acceleration == pytest.approx(3.23, abs=0.005)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask": np.ones((1, 11))}, r"mask: expected shape \(y, x\) = \(10, 12\).*\(1, 11\)"),
        ({"mask": np.zeros((1, 12))}, "mask: expected at least one sample"),
        ({"mask": np.full((1, 12), 0.5)}, "mask: expected true or 1"),
        ({"sensitivity_maps": np.ones((3, 10, 12))}, "maps: expected complex.*float64"),
        ({"sensitivity_maps": np.ones((10, 12), complex)}, r"expected complex \(coils, y, x\)"),
        ({"sensitivity_maps": np.full((3, 10, 12), np.nan + 0j)}, "maps: expected finite"),
        ({"sensitivity_maps": np.zeros((3, 10, 12), complex)}, "maps: expected a sensitive coil"),
        ({"weights": np.ones((9, 1))}, r"weights: expected shape.*\(9, 1\)"),
        ({"weights": -np.ones((1, 12))}, "weights: expected positive"),
        ({"sigma_noise": -1}, "sigma_noise: expected a number >= 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    given = {"sensitivity_maps": np.ones((3, 10, 12), complex), "mask": np.ones((1, 12))}
    with pytest.raises(ValueError, match=message) as caught:
        MultiCoilMRI(**(given | arguments))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kspace", "message"),
    [
        (np.ones((4, 10, 12), complex), r"expected shape \(coils, y, x\) = \(3, 10, 12\)"),
        (np.full((3, 10, 12), np.nan + 0j), "expected finite numbers, got 120 NaN"),
        (np.zeros((3, 10, 12), complex), "expected a signal, got zeros"),
        (np.ones((3, 10, 12)), "expected complex numbers.*float64"),
        (np.ones((3, 10, 12), int), "expected complex numbers.*int64"),
    ],
)
def test_wrong_kspace_is_named(make_operator, kspace, message):
    with pytest.raises(ValueError, match="k-space: " + message) as caught:
        make_operator("lines in x").observation(kspace)
    assert "\n" not in str(caught.value)


def test_wrong_images_and_missing_noise_are_named(make_operator):
    operator = make_operator("points", sigma_noise=0)
    with pytest.raises(ValueError, match=r"expected images \(batch, 2, 10, 12\), got \(1, 1"):
        operator.forward(torch.zeros(1, 1, 10, 12))
    with pytest.raises(ValueError, match="sigma_noise = 0"):
        _ = operator.loss_weight
