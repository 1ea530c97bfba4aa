"""Noise levels against the values of the real InverseBench."""

import numpy as np
import pytest

from lmaps_science.schedule import (
    edm_discretization,
    karras_levels,
    ve_discretization,
    vp_discretization,
)


@pytest.mark.parametrize(
    ("name", "make"),
    [("vp", vp_discretization), ("ve", ve_discretization), ("edm", edm_discretization)],
)
def test_golden(golden, name: str, make) -> None:
    expected, ours = golden("schedules.npz"), make(10)
    np.testing.assert_allclose(ours.sigma, expected[f"{name}_sigma_steps"], rtol=1e-10)
    np.testing.assert_allclose(ours.time, expected[f"{name}_time_steps"], rtol=1e-10)
    np.testing.assert_allclose(ours.scaling, expected[f"{name}_scaling_steps"], rtol=1e-10)
    factor = expected[f"{name}_factor_steps"]
    np.testing.assert_allclose(ours.factor, factor, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(ours.scaling_factor, expected[f"{name}_scaling_factor"], rtol=1e-10)


def test_karras_levels_fall_from_first_to_last() -> None:
    levels = karras_levels(5, 10.0, 0.1)
    assert (levels[0], levels[-1]) == (pytest.approx(10.0), pytest.approx(0.1))
    assert (np.diff(levels) < 0).all()
