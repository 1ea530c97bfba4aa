import numpy as np
import pytest
import torch
from scipy.special import hankel1

from lmaps_science.operator import check_adjoint, check_gradient
from lmaps_science.problems import InverseScattering
from lmaps_science.problems.scattering.geometry import Geometry

SIZES = {
    "scattering_32.npz": (32, 5, 36),
    "scattering_48.npz": (48, 7, 30),
    "scattering_128_R360.npz": (128, 20, 360),
    "scattering_128_R180.npz": (128, 20, 180),
    "scattering_128_R60.npz": (128, 20, 60),
}


def distance(a, b):
    return float((a - b).norm() / b.norm())


def images(operator, count, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand((count, *operator.image_shape), generator=generator, dtype=dtype) - 1


@pytest.mark.parametrize("name", SIZES)
def test_same_numbers_as_inversebench(golden, name):
    arrays = {key: torch.from_numpy(np.asarray(a)) for key, a in golden(name).items()}
    num_pixels, num_transmitters, num_receivers = SIZES[name]
    operator = InverseScattering(
        num_pixels, num_transmitters=num_transmitters, num_receivers=num_receivers
    )
    for dtype, tolerance in ((torch.float64, 1e-6), (torch.float32, 1e-5)):
        x, other = arrays["x"].to(dtype), arrays["x_other"].to(dtype)
        y = operator.forward(x)
        gradient, loss = operator.gradient(other, arrays["y"], return_loss=True)
        assert y.shape == (1, num_transmitters, num_receivers)
        assert distance(y, arrays["y"]) < tolerance
        assert gradient.dtype == dtype
        assert distance(gradient, arrays["gradient_other"]) < tolerance
        assert distance(loss, arrays["loss_other"]) < tolerance
        assert torch.equal(loss, operator.loss(other, arrays["y"]))


def test_fields_are_inversebenchs(golden):
    arrays = golden("scattering_32.npz")
    geometry = Geometry.on_circle(32, num_transmitters=5, num_receivers=36)
    pixels = geometry.pixels().reshape(32, 32, 2)[::8, ::8].reshape(-1, 2)
    incident = geometry.incident_field(pixels).T.reshape(4, 4, 5)
    green = geometry.green_function(geometry.receiver_positions, pixels).T.reshape(4, 4, 36)
    np.testing.assert_allclose(incident, arrays["u_incident"], rtol=1e-10)
    np.testing.assert_allclose(green, arrays["green_receiver"], rtol=1e-10)


def test_forward_is_the_born_sum(operator):
    geometry = operator.geometry
    x = images(operator, 1)
    ny, nx = geometry.grid_shape
    grid_x, grid_y = np.meshgrid(np.arange(nx) - nx / 2, np.arange(ny) - ny / 2)

    def field(sensor):
        r = np.hypot(
            geometry.pixel_size * grid_x - sensor[0], geometry.pixel_size * grid_y - sensor[1]
        )
        return 0.25j * hankel1(0, geometry.wavenumber * r)

    contrast = 1.7 * (x[0, 0].numpy() + 1) / 2
    y = np.zeros(geometry.data_shape, complex)
    for t, transmitter in enumerate(geometry.transmitter_positions):
        receivers = geometry.receiver_positions
        for r, receiver in enumerate(receivers if receivers.ndim == 2 else receivers[t]):
            source = contrast * field(transmitter)
            source = source.conj() if operator.convention == "inversebench" else source
            y[t, r] = (
                np.sum(source * field(receiver)) * (geometry.wavenumber * geometry.pixel_size) ** 2
            )
    if geometry.receiver_mask is not None:
        y[~geometry.receiver_mask] = 0
    assert distance(operator.forward(x)[0], torch.from_numpy(y)) < 1e-6


def test_batch_is_a_loop(operator):
    x = images(operator, 3)
    y = operator.forward(images(operator, 3, seed=1))
    gradient, loss = operator.gradient(x, y, return_loss=True)
    for i in range(3):
        one = slice(i, i + 1)
        single, single_loss = operator.gradient(x[one], y[one], return_loss=True)
        torch.testing.assert_close(operator.forward(x)[one], operator.forward(x[one]))
        torch.testing.assert_close(gradient[one], single)
        torch.testing.assert_close(loss[one], single_loss)
        torch.testing.assert_close(operator.adjoint(y)[one], operator.adjoint(y[one]))


def test_one_datum_serves_a_batch_of_images(operator):
    x, y = images(operator, 2), operator.forward(images(operator, 1, seed=1))
    gradient = operator.gradient(x, y)
    torch.testing.assert_close(gradient[1:], operator.gradient(x[1:], y))


def test_adjoint(operator):
    assert check_adjoint(operator) < 1e-6
    x = images(operator, 1)
    jx = operator.forward(x) - operator.offset()
    y = torch.randn(jx.shape, dtype=jx.dtype, generator=torch.Generator().manual_seed(1))
    left, right = (jx.conj() * y).sum().real, (x * operator.adjoint(y)).sum()
    assert abs(left - right) < 1e-13 * jx.norm() * y.norm()


def test_offset_is_affine_part(operator):
    a, b = images(operator, 1), images(operator, 1, seed=1)
    offset = operator.forward(torch.zeros_like(a))
    combined = operator.forward(0.3 * a - 2 * b) - offset
    parts = 0.3 * (operator.forward(a) - offset) - 2 * (operator.forward(b) - offset)
    assert distance(combined, parts) < 1e-12


def test_gradient_is_autograds(operator):
    x, y = images(operator, 2), operator.forward(images(operator, 2, seed=1)) + 0.1
    expected = super(InverseScattering, operator).gradient(x, y)
    assert distance(operator.gradient(x, y), expected) < 1e-12
    assert check_gradient(operator, y[:1]) < 1e-6


def test_unmeasured_data_do_not_count(make_geometry):
    operator = InverseScattering.from_geometry(make_geometry("masked receivers"), 1e-4)
    mask = torch.from_numpy(operator.geometry.receiver_mask)
    x, y = images(operator, 1), operator.forward(images(operator, 1, seed=1))
    spoilt = torch.where(mask, y, torch.nan)
    gradient, loss = operator.gradient(x, y, return_loss=True)
    spoilt_gradient, spoilt_loss = operator.gradient(x, spoilt, return_loss=True)
    assert torch.equal(gradient, spoilt_gradient)
    assert torch.equal(loss, spoilt_loss)
    assert torch.equal(operator.check_data(spoilt), y)
    assert operator.num_data == int(mask.sum())
    assert not operator({"target": x})[0][~mask].any()


def test_noise_has_the_variance_that_the_weight_states(golden):
    operator = InverseScattering(32, num_transmitters=5, num_receivers=360)
    x = images(operator, 1)
    y = operator({"target": x}, torch.Generator().manual_seed(0))
    chi_squared = operator.loss_weight * operator.loss(x, y) / operator.num_data
    assert float(chi_squared) == pytest.approx(1, abs=0.1)
    assert torch.equal(y, operator({"target": x}, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wavenumber": np.array([1.0, 2.0])}, "wavenumber: expected one positive number"),
        ({"pixel_size": -1.0}, "pixel_size: expected one positive number"),
        ({"grid_shape": (5,)}, "grid_shape: expected"),
        ({"transmitter_positions": np.ones((4, 3))}, r"transmitter_positions: expected shape"),
        ({"receiver_positions": np.ones((3, 6, 2))}, r"receiver_positions: expected shape .*4, R"),
        ({"receiver_positions": np.full((6, 2), np.nan)}, "finite positions"),
        ({"receiver_positions": np.array([[0.7, 0], [0.01, 0.02]])}, "outside the object"),
        ({"receiver_mask": np.ones((4, 7))}, "receiver_mask: expected shape"),
        ({"receiver_mask": np.full((4, 30), 2)}, "zeros and ones"),
        ({"receiver_mask": np.zeros((4, 30))}, "some measured data"),
    ],
)
def test_impossible_geometries(make_geometry, changes, message):
    good = vars(make_geometry("shared receivers"))
    with pytest.raises(ValueError, match=message):
        Geometry(**good | changes)


def test_sensors_close_to_the_object(make_geometry):
    """Beside the grid, where tiles are padded, fields stay finite."""
    geometry = Geometry(
        np.array([[0.3, 0.0]]), np.array([[0.0, 0.0535], [0.25, 0.1]]), 200.0, 0.001, (101, 100)
    )
    operator = InverseScattering.from_geometry(geometry, 1e-4)
    assert torch.isfinite(operator.forward(images(operator, 1))).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"convention": "born"}, "convention: expected 'inversebench' or 'physical', got 'born'"),
        ({"contrast_scale": 0}, "contrast_scale: expected"),
        ({"sigma_noise": -1}, "sigma_noise: expected"),
        ({"sensor_radius": 0.05}, "outside the object"),
    ],
)
def test_impossible_operators(options, message):
    with pytest.raises(ValueError, match=message):
        InverseScattering(16, num_transmitters=2, num_receivers=4, **options)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones((4, 30)), "expected complex data, got torch.float64"),
        (np.ones((30, 4), complex), r"= \(4, 30\).*got \(30, 4\)"),
        (np.full((4, 30), np.nan + 0j), "got 120 NaN or infinite of 120"),
    ],
)
def test_impossible_data(make_geometry, y, message):
    operator = InverseScattering.from_geometry(make_geometry("shared receivers"), 1e-4)
    with pytest.raises(ValueError, match=message):
        operator.check_data(y)


def test_images_of_another_size(make_geometry):
    operator = InverseScattering.from_geometry(make_geometry("shared receivers"), 1e-4)
    with pytest.raises(ValueError, match=r"expected images \(batch, 1, 21, 50\), got \(1, 1, 9"):
        operator.forward(torch.zeros(1, 1, 9, 9))
