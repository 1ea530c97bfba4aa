"""InverseBench's network and its scattering operator behind our interfaces."""

import logging

import pytest
import torch

from lmaps_science.inversebench.host import HostProblem, NetworkPrior
from lmaps_science.inversebench.likelihood import HostOperator, examine
from lmaps_science.inversebench.recognition import disagreement, native_scattering
from lmaps_science.problems import InverseScattering

SHAPE = (1, 24, 24)


def wrapped(host) -> HostOperator:
    shape = (1, host.Ny, host.Nx)
    return HostOperator(host, shape, examine(host, shape), "scattering")


def operator_for(host, **options):
    problem = HostProblem(host, (1, host.Ny, host.Nx), **options)
    return problem.operator_for(host.forward(torch.zeros(1, 1, host.Ny, host.Nx)))[0]


def test_the_geometry_is_recovered_from_the_fields(host):
    ours = native_scattering(host)
    assert ours.geometry.digest() == InverseScattering(24, 0.18, 6, 4, 12, 1.6).geometry.digest()
    assert disagreement(ours, wrapped(host)) < 1e-5


@pytest.mark.parametrize("options", [{"pixels": 25}, {"wave": 9.5}, {"side": (0.3, 0.3)}])
def test_other_geometries_are_recovered(make_host, options):
    host = make_host(**options)
    assert disagreement(native_scattering(host), wrapped(host)) < 1e-5


def test_our_operator_stands_in_where_it_agrees(host, caplog):
    with caplog.at_level(logging.INFO):
        assert isinstance(operator_for(host), InverseScattering)
    assert "solving with ours" in caplog.text
    assert isinstance(operator_for(host, recognise=False), HostOperator)


@pytest.mark.parametrize("change", ["shift", "fields", "pixels"])
def test_the_host_keeps_its_operator_where_ours_differs(make_host, change, caplog):
    host = make_host(side=(0.18, 0.2)) if change == "pixels" else make_host()
    if change == "shift":
        host.unnorm_shift = 0.5
    if change == "fields":
        host.sensor_greens_function_set = host.sensor_greens_function_set * (1 + 1e-3)
    assert isinstance(operator_for(host), HostOperator)
    assert "keeping InverseBench's" in caplog.text


def test_the_wrapper_takes_a_batch(host):
    """The host's forward ignores all images but the first."""
    ours, theirs = native_scattering(host), wrapped(host)
    x = torch.rand(3, *SHAPE) * 2 - 1
    y = ours.forward(torch.zeros_like(x))
    for quantity in ("loss", "gradient"):
        expected, got = getattr(ours, quantity)(x, y), getattr(theirs, quantity)(x, y)
        torch.testing.assert_close(got.to(expected.dtype), expected, rtol=1e-4, atol=1e-9)


def test_the_network_gets_sigma_as_a_tensor(net):
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    denoised = NetworkPrior(net)(x, 0.5)
    torch.testing.assert_close(denoised, x.float() / 2)
    assert not denoised.requires_grad
