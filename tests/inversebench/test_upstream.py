"""InverseBench's defects that docs/upstream.md reports: a failure here is good news."""

import sys

import lmdb
import numpy as np
import pytest
import torch

from tests.conftest import GOLDEN

pytestmark = [pytest.mark.host, pytest.mark.filterwarnings("ignore")]

SCATTER = {"Nx": 16, "Ny": 16, "numTrans": 4, "numRec": 8, "device": "cpu"}


@pytest.fixture(autouse=True)
def modules_of_the_checkout(checkout, monkeypatch, tmp_path):
    """InverseBench's top-level modules, taken away again: `eval` is a common name."""
    monkeypatch.syspath_prepend(str(checkout))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(checkout)):
            del sys.modules[name]


def scatter(**options):
    from inverse_problems.inverse_scatter import InverseScatter

    return InverseScatter(**{**SCATTER, "svd": False, **options})


def black_hole():
    from inverse_problems.blackhole import BlackHoleImaging

    return BlackHoleImaging(str(GOLDEN / "blackhole"), ttype="direct", device="cpu")


def ring() -> torch.Tensor:
    y, x = torch.meshgrid(*[torch.arange(64.0) - 31.5] * 2, indexing="ij")
    return torch.exp(-((torch.hypot(x, y) - 12) ** 2) / 18)[None, None]


def test_images_are_not_scored(monkeypatch):
    import eval as host

    monkeypatch.setattr(host, "LPIPS", lambda **_: lambda x, y: torch.zeros(len(x)))
    image = torch.rand(1, 3, 32, 32)
    with pytest.raises(TypeError, match="'float' object is not iterable"):
        host.Image()(image, image)


@pytest.mark.parametrize(("count", "fraction"), [(2, 0), (31, 0), (32, 1 / 32)])
def test_mri_of_several_samples_is_not_averaged(count, fraction):
    import eval as host

    target = torch.rand(1, 2, 32, 32)
    noisy = target + 0.1 * torch.randn_like(target)
    one = host.MRI()(noisy, target)["psnr"]
    many = host.MRI()(noisy.repeat(count, 1, 1, 1), target)["psnr"]
    assert float(many) == pytest.approx(fraction * one, rel=1e-4)


def test_mri_misfit_grows_with_the_number_of_samples():
    import eval as host
    from inverse_problems.multi_coil_mri import MultiCoilMRI

    operator = MultiCoilMRI(total_lines=32, acceleration_ratio=2, device="cpu")
    operator.maps = torch.ones(1, 1, 32, 32, dtype=torch.complex64)
    x = torch.rand(1, 2, 32, 32)
    y = operator.forward(torch.zeros_like(x))
    misfits = [
        host.MRI(operator)(x.repeat(count, 1, 1, 1), x, y)["data misfit"] for count in (1, 4)
    ]
    assert misfits[1] == pytest.approx(2 * misfits[0], rel=1e-4)


def test_a_black_hole_is_not_aligned_with_itself():
    operator, truth = black_hole(), ring()
    assert float(operator.evaluate_psnr(truth, truth)[0, 0]) < 40


def test_blurred_columns_are_one_off():
    import eval as host

    operator, truth = black_hole(), ring()
    image = truth + 0.05 * torch.randn_like(truth)
    y = operator({"target": operator.normalize(truth)})
    metrics = host.BlackHoleEvaluator(operator)(image, truth, y)
    _, unblurred, by_10, by_15, _ = operator.evaluate_psnr(truth, image)[0].tolist()
    found = [metrics[f"blur_psnr (f={f})"] for f in (10, 15, 20)]
    assert found == pytest.approx([unblurred, by_10, by_15])


def test_chi_squared_below_one_is_turned_over():
    operator = black_hole()
    assert float(operator.normalize_chisq(torch.tensor([0.5]))) == pytest.approx(2)


def test_scattering_answers_for_the_first_image_only():
    operator, x = scatter(), torch.rand(3, 1, 16, 16)
    assert operator.forward(x).shape == (1, 4, 8)


def test_the_svd_of_another_grid_is_taken_from_the_cache():
    scatter(svd=True)
    other = scatter(svd=True, Nx=12, Ny=12)
    assert other.A.shape[1] == 16 * 16


def test_the_loss_beside_a_gradient_is_one_number_with_a_graph():
    operator, x = scatter(), torch.rand(3, 1, 16, 16)
    _, loss = operator.gradient(x, operator.forward(x[:1]) + 1, return_loss=True)
    assert loss.shape == ()
    assert loss.requires_grad


def test_equispaced_masks_have_another_acceleration():
    from inverse_problems.multi_coil_mri import MultiCoilMRI

    operator = MultiCoilMRI(320, 4, pattern="equispaced", device="cpu")
    assert 320 / float(operator.mask.sum()) < 3.3


def test_maps_are_missing_without_inference():
    from inverse_problems.multi_coil_mri import MultiCoilMRI

    with pytest.raises(AttributeError, match="maps"):
        MultiCoilMRI(32, 2, device="cpu").forward(torch.rand(1, 2, 32, 32))


def test_black_holes_by_default_want_pynfft():
    from inverse_problems.blackhole import BlackHoleImaging

    operator = BlackHoleImaging(str(GOLDEN / "blackhole"), noise_type="eht", device="cpu")
    with pytest.raises(NameError, match="NFFT"):
        operator({"target": operator.normalize(ring())})


def test_black_holes_are_not_chosen_by_id(tmp_path):
    from training.dataset import BlackHole

    with lmdb.open(str(tmp_path / "sources")) as store, store.begin(write=True) as transaction:
        for index in range(3):
            transaction.put(str(index).encode(), np.eye(8)[index].repeat(8).tobytes())
    chosen = BlackHole(
        str(tmp_path / "sources"), 8, 8, random_flip=False, zoom_in_out=False, id_list="2-2"
    )
    assert chosen.id_list == [2]
    assert chosen[0]["target"][0, :, 0].argmax() == 0
