from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from lmaps_science.operator import check_adjoint, check_gradient, check_surrogate
from lmaps_science.problems.scattering.bands import Band
from lmaps_science.problems.scattering.fullwave import FullWaveScattering
from lmaps_science.problems.scattering.geometry import Geometry, circle
from lmaps_science.problems.scattering.lippmann_schwinger import (
    FieldSolverFactory,
    LippmannSchwinger,
    truncated_kernel,
)
from lmaps_science.problems.scattering.operator import InverseScattering
from tests.problems.scattering.dense import DenseSolver, cylinder_field

CPU = torch.device("cpu")
SIDE = 16
WAVENUMBER = 2 * np.pi / 0.03


def small_geometry(
    grid: tuple[int, int] = (SIDE, SIDE), wavenumber: float = WAVENUMBER, mask: bool = False
) -> Geometry:
    """A grid 48 mm wide, 1.6 wavelengths."""
    rng = np.random.default_rng(0)
    return Geometry(
        circle(5, 0.4),
        circle(12, 0.5),
        wavenumber,
        0.048 / SIDE,
        grid,
        rng.random((5, 12)) > 0.3 if mask else None,
    )


def full_wave(
    *geometries: Geometry,
    sigma: float = 1e-3,
    scale: float = 1.0,
    free_gain: bool = False,
    solver: FieldSolverFactory = DenseSolver,
) -> FullWaveScattering:
    return FullWaveScattering(geometries, sigma, scale, free_gain, solver)


def image(operator, seed: int = 0, count: int = 1) -> torch.Tensor:
    """A smooth random image, double precision, in [-1, 1]."""
    noise = torch.randn(count, *operator.image_shape, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(noise.double(), 5, stride=1, padding=2)
    return smooth.mul(2).clamp(-1, 1)


@pytest.fixture(params=["one frequency", "two", "masked", "wide", "free gain"])
def operator(request) -> FullWaveScattering:
    first = small_geometry((12, SIDE) if request.param == "wide" else (SIDE, SIDE))
    if request.param == "masked":
        first = small_geometry(mask=True)
    second = replace(first, wavenumber=1.3 * first.wavenumber, receiver_mask=None)
    several = request.param in ("two", "masked", "free gain")
    geometries = (first, second) if several else (first,)
    return full_wave(*geometries, free_gain=request.param == "free gain")


@pytest.mark.parametrize("kind", ["shared receivers", "masked receivers", "own receivers"])
def test_cylindrical_waves_are_the_fields_of_the_sensors(make_geometry, kind):
    geometry = make_geometry(kind)
    band = Band(geometry, CPU)
    pixels = geometry.pixels()
    incident = geometry.incident_field(pixels)
    found = band.combined(band.basis[None])[0].flatten(1).numpy()
    assert np.abs(found - incident).max() < 1e-4 * np.abs(incident).max()
    contrast = torch.rand(2, 1, *geometry.grid_shape, dtype=torch.float64)
    born = InverseScattering.from_geometry(geometry, 1.0)
    expected = born.forward(born.normalize(contrast))
    y = band.data(contrast, band.combined(band.basis[None]), band.basis[None])
    assert (y - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("solver", [DenseSolver, LippmannSchwinger])
@pytest.mark.parametrize("permittivity", [1.2, 3.0])
def test_a_cylinder_scatters_as_its_exact_series_says(permittivity, solver):
    """Solver, geometry and sum over pixels together, against no code of ours."""
    radius, side = 0.01, 40
    geometry = Geometry(circle(4, 0.4), circle(9, 0.5), WAVENUMBER, 0.024 / side, (side, side))
    operator = full_wave(geometry, sigma=1.0, scale=permittivity - 1, solver=solver)
    fine = (np.arange(8 * side) + 0.5) / 8 - 0.5 - side / 2
    inside = np.hypot(fine[:, None], fine[None]) * geometry.pixel_size < radius
    share = inside.reshape(side, 8, side, 8).mean((1, 3))
    contrast = (permittivity - 1) * torch.from_numpy(share)[None, None]
    y = operator.forward(operator.normalize(contrast))[0, 0].numpy()
    expected = cylinder_field(
        WAVENUMBER,
        radius,
        permittivity,
        geometry.transmitter_positions,
        geometry.receiver_positions,
    )
    assert np.linalg.norm(y - expected) < 0.006 * np.linalg.norm(expected)


def test_a_weak_object_is_what_born_says():
    geometry = small_geometry()
    operator = full_wave(geometry, scale=1e-4)
    x = image(operator)
    born = InverseScattering.from_geometry(geometry, operator.sigmas[0], contrast_scale=1e-4)
    expected = born.forward(x) / operator.sigmas[0]
    assert (operator.forward(x)[:, 0] - expected).norm() < 1e-3 * expected.norm()
    assert (operator.born().forward(x)[:, 0] - expected).norm() < 1e-3 * expected.norm()
    strong = full_wave(geometry, scale=2.0)
    born = InverseScattering.from_geometry(geometry, operator.sigmas[0], contrast_scale=2.0)
    assert (strong.forward(x)[:, 0] - born.forward(x) / operator.sigmas[0]).norm() > 0.3 * (
        strong.forward(x).norm()
    )


def test_the_expansion_is_the_derivative(operator):
    x = image(operator, seed=1)
    y = operator.forward(image(operator, seed=2)) * (1.3 - 0.4j)
    linear = operator.linearize(x, y)
    torch.testing.assert_close(linear.forward(x), operator.predict(x, y))
    assert check_adjoint(linear) < 1e-5
    assert check_gradient(operator, y, step=1e-4) < 1e-4
    assert check_surrogate(operator, y, x, step=1e-3) == pytest.approx(1, abs=1e-5)
    v = image(operator, seed=3)
    torch.testing.assert_close(
        linear.normal(v), linear.adjoint(linear.forward(v) - linear.offset())
    )


def test_each_image_of_a_batch_has_its_own_expansion(operator):
    x, y = image(operator, count=2), operator.forward(image(operator, seed=2, count=2))
    both, one = operator.linearize(x, y), operator.linearize(x[1:], y[1:])
    v = image(operator, seed=3, count=2)
    torch.testing.assert_close(both.forward(v)[1:], one.forward(v[1:]))
    torch.testing.assert_close(operator.loss(x, y)[1:], operator.loss(x[1:], y[1:]))


def test_a_free_gain_follows_the_data():
    operator = full_wave(
        small_geometry(), small_geometry(wavenumber=1.2 * WAVENUMBER), free_gain=True
    )
    x = image(operator)
    factors = torch.tensor([2.0 - 1.0j, 0.3 + 0.1j], dtype=torch.complex128)
    y = factors[:, None, None] * operator.forward(x)
    torch.testing.assert_close(operator.gain(operator.forward(x), y)[0], factors)
    assert float(operator.loss(x, y)) < 1e-18 * float(y.abs().square().sum())
    with pytest.raises(ValueError, match="cannot tell an unknown gain from the contrast"):
        operator.born()


def test_the_lowest_frequencies_alone():
    operator = full_wave(small_geometry(), small_geometry(wavenumber=1.2 * WAVENUMBER))
    x = image(operator)
    y = operator.forward(x)
    part = operator.lowest(1)
    assert part.data_shape == (1, 5, 12)
    torch.testing.assert_close(part.forward(x), y[:, :1])
    torch.testing.assert_close(operator.forward(x), y)


def test_noise_and_data_are_in_units_of_the_noise():
    geometry = small_geometry(mask=True)
    operator = full_wave(geometry, small_geometry(wavenumber=1.2 * WAVENUMBER), sigma=0.02)
    field = np.ones(operator.data_shape, complex)
    field[0, ~geometry.receiver_mask] = np.nan
    y = operator.check_data(field)
    assert set(y.real.unique().tolist()) == {0.0, 50.0}
    noise = operator.perturb(y, torch.Generator().manual_seed(0)) - y
    assert float(noise[0, 0][~operator.mask[0]].abs().max()) == 0
    assert float(noise[0, 1].abs().square().mean()) == pytest.approx(1, rel=0.4)
    with pytest.raises(ValueError, match=r"expected shape .* = \(2, 5, 12\), got \(5, 12\)"):
        operator.check_data(field[0])
    with pytest.raises(ValueError, match="NaN or infinite"):
        operator.check_data(np.full(operator.data_shape, np.nan + 0j))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"geometries": [small_geometry(), small_geometry((12, 12))]}, "expected one grid"),
        (
            {"geometries": [small_geometry(), small_geometry(wavenumber=50.0)]},
            "wavenumber: expected the lowest first",
        ),
        ({"sigma_noise": [0.1, 0.2]}, "sigma_noise: expected one number, or one for each of 1"),
        ({"sigma_noise": 0.0}, "sigma_noise: expected positive"),
        ({"contrast_scale": 0.0}, "contrast_scale: expected"),
    ],
)
def test_wrong_arguments(options, message):
    arguments = {"geometries": [small_geometry()], "sigma_noise": 1.0, **options}
    with pytest.raises(ValueError, match=message):
        FullWaveScattering(**arguments, field_solver=DenseSolver)


def test_sensors_must_be_outside_the_circle_around_the_grid():
    corner = Geometry(np.array([[0.0, 0.03]]), circle(4, 0.5), 100.0, 0.003, (16, 16))
    with pytest.raises(
        ValueError, match=r"all sensors outside the circle .* nearest is at 0\.03 m"
    ):
        full_wave(corner)


@pytest.mark.parametrize("contrast", [0.3, 2.0])
def test_the_krylov_solver_finds_the_fields_of_the_dense_one(contrast):
    geometry = small_geometry((28, 32))
    distance = np.hypot(*(geometry.pixels().T - 0.002))
    potential = contrast * torch.from_numpy(np.exp(-((distance / 0.01) ** 2))).view(1, 1, 28, 32)
    incident = torch.from_numpy(geometry.incident_field(geometry.pixels())).view(-1, 28, 32)
    expected = DenseSolver(geometry, CPU)(potential, incident)
    for dtype in (torch.complex64, torch.complex128):
        found = LippmannSchwinger(geometry, CPU, dtype=dtype)(potential, incident)
        assert found.dtype == dtype
        assert (found - expected).norm() < 0.03 * expected.norm()


def test_a_wavenumber_of_the_grids_own():
    """The kernel's transform is 0 / 0 there."""
    geometry = replace(small_geometry(), wavenumber=2 * np.pi * 6 / (4 * SIDE * 0.003))
    near = replace(geometry, wavenumber=1.0001 * geometry.wavenumber)
    kernel, other = truncated_kernel(geometry), truncated_kernel(near)
    assert np.abs(kernel - other).max() < 1e-3 * np.abs(other).max()


def test_what_cannot_be_solved_is_said():
    geometry = small_geometry()
    solver = LippmannSchwinger(geometry, CPU, max_iterations=2)
    incident = torch.ones(1, SIDE, SIDE, dtype=torch.complex64)
    assert solver(torch.full((1, 1, SIDE, SIDE), 30.0), incident).isnan().all()
    operator = full_wave(geometry, scale=30.0, solver=partial(LippmannSchwinger, max_iterations=2))
    x, y = torch.ones(1, 1, SIDE, SIDE), torch.ones(1, 1, 5, 12, dtype=torch.complex64)
    assert operator.loss(x, y).isnan().all()
    for call in (operator.forward, lambda x: operator.linearize(x, y)):
        with pytest.raises(FloatingPointError, match="no total field found for a largest contrast"):
            call(x)
    with pytest.raises(ValueError, match=r"a wavelength of 0\.005 m needs pixels of at most half"):
        LippmannSchwinger(replace(geometry, wavenumber=2 * np.pi / 0.005), CPU)


def test_a_simulator_of_the_users_own_is_the_truth():
    geometry = small_geometry(mask=True)
    theirs = full_wave(geometry, sigma=1.0, scale=1.5)

    def simulate(contrast: torch.Tensor) -> np.ndarray:
        return theirs.forward(theirs.normalize(contrast)).numpy()

    operator = FullWaveScattering([geometry], 1e-3, 1.5, forward=simulate)
    x, y = image(operator, seed=1).float(), 1e3 * theirs.forward(image(operator, seed=2))
    torch.testing.assert_close(operator.forward(x), (1e3 * theirs.forward(x)).to(torch.complex64))
    linear = operator.linearize(x, y)
    torch.testing.assert_close(linear.forward(x), operator.forward(x))
    # The derivative is that of our own solver, on the same grid: a surrogate, and a good one.
    assert 0.95 < check_surrogate(operator, y, x) < 1
    short = FullWaveScattering([geometry], 1e-3, 1.5, forward=lambda c: simulate(c)[..., 1:])
    with pytest.raises(ValueError, match=r"expected scattered fields .*\(1, 1, 5, 12\), got .* 11"):
        short.forward(x)
    broken = FullWaveScattering([geometry], 1e-3, 1.5, forward=lambda c: simulate(c) * np.nan)
    with pytest.raises(ValueError, match="returned NaN or infinity in 60 of 60"):
        broken.forward(x)


@pytest.mark.fullwave
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize("contrast", [0.3, 2.0])
def test_deepinv_scatters_alike(contrast):
    """Its pixels are width / (n - 1) apart and its y points up.

    Its kernel, in single precision, is NaN where the wavenumber is one of its grid's frequencies.
    """
    from deepinv.physics import Scattering

    side, count, wavenumber = 0.06, 64, 1.03 * WAVENUMBER
    places = [torch.from_numpy(circle(n, 0.4).T.copy()) for n in (5, 12)]
    theirs = Scattering(count, places[1], places[0], wavenumber, box_length=side)
    spacing = side / (count - 1)
    shift = 0.5 * spacing  # from our grid's centre, on a pixel, to the middle of the image
    ours = full_wave(
        Geometry(
            places[0].numpy().T - shift,
            places[1].numpy().T - shift,
            wavenumber,
            spacing,
            (count, count),
        ),
        sigma=1.0,
        scale=contrast,
        solver=LippmannSchwinger,
    )
    axis = (torch.arange(count) - (count - 1) / 2) * spacing
    potential = contrast * torch.exp(
        -((axis[:, None] - 0.004) ** 2 + (axis[None] + 0.002) ** 2) / (2 * 0.006**2)
    )
    y = ours.forward(ours.normalize(potential[None, None]))[0, 0]
    expected = theirs(potential.flip(0)[None, None].to(torch.complex128))[0]
    factor = torch.vdot(expected.flatten(), y.flatten().to(expected)) / expected.norm() ** 2
    assert (y - factor * expected).norm() < 0.05 * y.norm()
