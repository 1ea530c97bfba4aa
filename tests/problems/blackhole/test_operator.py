from importlib.util import find_spec

import numpy as np
import pytest
import torch

from lmaps_science.problems import BlackHoleImaging
from lmaps_science.problems.blackhole.fourier import RADIANS_PER_UAS, FourierSampling
from lmaps_science.problems.blackhole.inversebench import ClosureTable, InverseBenchClosures
from lmaps_science.problems.blackhole.uvfits import read_uvfits
from tests.conftest import GOLDEN

REAL = "eht/SR1_M87_2017_{}_{}_hops_netcal_StokesI.uvfits"


def distance(a, b):
    return float((a - b).norm() / b.norm())


@pytest.fixture(scope="module")
def arrays(golden):
    return {
        k: torch.from_numpy(a) for k, a in golden("blackhole_64.npz").items() if a.dtype.kind != "U"
    }


@pytest.fixture(scope="module", params=["arrays", "ehtim"])
def operator(request, arrays):
    if request.param == "ehtim":
        if find_spec("ehtim") is None:
            pytest.skip("ehtim (extra eht), which makes InverseBench's closures, is missing")
        return BlackHoleImaging.from_inversebench(GOLDEN / "blackhole")
    observation = read_uvfits(GOLDEN / "blackhole" / "obs.uvfits")
    uv = np.concatenate([observation.uv, [[0, 0]]])
    table = ClosureTable(*(arrays[k] for k in ("cp_index", "cp_conjugate", "camp_index")))
    sampling = FourierSampling(uv, 64, 160 / 64 * RADIANS_PER_UAS)
    return BlackHoleImaging(sampling, InverseBenchClosures(table, arrays["sigma"]), 64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("image", ["x1", "x2"])
def test_same_numbers_as_inversebench(operator, arrays, image, dtype):
    x, y = arrays[image].to(dtype), arrays["observation"].to(dtype)
    assert operator.data_shape == tuple(y.shape[1:])
    ours, theirs = (
        operator.likelihood.split(a) for a in (operator.forward(x), arrays[f"{image}_forward"])
    )
    for name, value in vars(theirs).items():
        difference = getattr(ours, name) - value
        if name == "phase":
            difference = torch.remainder(difference + torch.pi, 2 * torch.pi) - torch.pi
        assert difference.norm() < 1e-4 * value.norm(), name
    gradient, loss = operator.gradient(x, y, return_loss=True)
    assert gradient.dtype == dtype
    assert distance(loss, arrays[f"{image}_loss"]) < 1e-4
    assert distance(gradient, arrays[f"{image}_gradient"]) < 1e-4
    phase, amplitude = operator.chi_squared(x, y)
    assert distance(phase, arrays[f"{image}_chisq_cp_raw"]) < 1e-4
    assert distance(amplitude, arrays[f"{image}_chisq_logcamp_raw"]) < 1e-4


def check_derivatives(operator, y):
    generator = torch.Generator().manual_seed(0)
    x = 0.3 * torch.randn((2, *operator.image_shape), generator=generator, dtype=torch.float64)
    y = y.double().expand(2, *y.shape[1:])
    expected = super(BlackHoleImaging, operator).gradient(x, y)
    assert distance(operator.gradient(x, y), expected) < 1e-10
    v = operator.linear_data(x)
    directions = torch.randn(v.shape[1], 5, generator=torch.Generator().manual_seed(4)).double()
    r, change = operator.residual_change(v, y, directions)
    torch.testing.assert_close(r.square().sum(1), operator.loss(x, y))
    J = torch.func.vmap(torch.func.jacrev(lambda a, b: operator.residual_of(a[None], b[None])[0]))(
        v, y
    )
    assert distance(change, J @ directions) < 1e-10


def test_derivatives_are_autograds(operator, arrays):
    check_derivatives(operator, arrays["observation"])


def test_seeded_noise(operator, arrays):
    target = {"target": arrays["ground_truth"]}
    one, again, other = (operator(target, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    phase, amplitude = operator.chi_squared(arrays["ground_truth"], one)
    assert float(phase) == pytest.approx(1, abs=0.35)
    assert float(amplitude) == pytest.approx(1, abs=0.35)


@pytest.mark.parametrize(("day", "band"), [("095", "lo"), ("101", "hi")])
def test_real_file(mirror, day, band):
    operator = BlackHoleImaging.from_uvfits(mirror / REAL.format(day, band))
    y = operator.y
    check_derivatives(operator, y)
    noisy = operator.perturb(y.expand(4000, -1), torch.Generator().manual_seed(0))
    residual = operator.likelihood.residual(
        torch.from_numpy(operator.observation.visibility)[None], noisy
    )
    assert residual.square().mean() == pytest.approx(1, abs=0.05)
