"""InverseBench's defects that docs/upstream.md reports: a failure here is good news."""

import io
import pickle
import re
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from tests.conftest import GOLDEN

pytestmark = [pytest.mark.host, pytest.mark.filterwarnings("ignore")]

PAGE = Path(__file__).parents[2] / "docs" / "upstream.md"
SCATTER = {"Nx": 16, "Ny": 16, "numTrans": 4, "numRec": 8, "device": "cpu"}


@pytest.fixture(autouse=True, scope="module")
def modules_of_the_checkout(checkout):
    """InverseBench's top-level modules, taken away again: `eval` is a common name."""
    path, before = sys.path.copy(), set(sys.modules)
    theirs = {entry.stem for entry in checkout.iterdir()}
    sys.path.insert(0, str(checkout))
    yield
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in theirs:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """A working folder: InverseBench caches its SVD and writes its log there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scatter(**options):
    from inverse_problems.inverse_scatter import InverseScatter

    return InverseScatter(**{**SCATTER, "svd": False, **options})


def mri(pixels=32, **options):
    from inverse_problems.multi_coil_mri import MultiCoilMRI

    operator = MultiCoilMRI(pixels, 2, device="cpu", **options)
    operator.maps = torch.ones(1, 1, pixels, pixels, dtype=torch.complex64)
    return operator


def black_hole(**options):
    from inverse_problems.blackhole import BlackHoleImaging

    return BlackHoleImaging(str(GOLDEN / "blackhole"), device="cpu", **options)


def ring() -> torch.Tensor:
    y, x = torch.meshgrid(*[torch.arange(64.0) - 31.5] * 2, indexing="ij")
    return torch.exp(-((torch.hypot(x, y) - 12) ** 2) / 18)[None, None]


class Net(torch.nn.Module):
    img_channels, img_resolution = 2, 32

    def forward(self, x, sigma):
        return 0 * x


def run_main(**options):
    """Its main.py up to the checkpoint, on an operator and a dataset that are empty."""
    import main

    stub = {"_target_": "builtins.dict"}
    problem = {"name": "x", "exp_dir": "exps", "prior": "weights.pt", "model": stub, "data": stub}
    config = {"tf32": False, "seed": 0, "wandb": False, "exp_name": "x", **options}
    main.main.__wrapped__(
        OmegaConf.create(
            {**config, "problem": problem, "algorithm": {"name": "x"}, "pretrain": {"model": stub}}
        )
    )


DIFFS = re.findall(r"```diff\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("diff", DIFFS, ids=range(len(DIFFS)))
def test_each_diff_applies(checkout, diff):
    command = ["git", "apply", "--check", "-"]
    result = subprocess.run(  # noqa: S603
        command, cwd=checkout, input=diff, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


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

    operator, x = mri(), torch.rand(1, 2, 32, 32)
    y = operator.forward(torch.zeros_like(x))
    one, four = (host.MRI(operator)(x.repeat(n, 1, 1, 1), x, y)["data misfit"] for n in (1, 4))
    assert four == pytest.approx(2 * one, rel=1e-4)


def test_images_are_not_scored(monkeypatch):
    import eval as host

    monkeypatch.setattr(host, "LPIPS", lambda **_: lambda x, y: torch.zeros(len(x)))
    dark = torch.full((1, 3, 32, 32), -0.8)
    assert float(host.Image().metric_list["psnr"](dark, dark + 0.5)) == pytest.approx(80)
    with pytest.raises(TypeError, match="'float' object is not iterable"):
        host.Image()(dark, dark + 0.5)


def test_a_black_hole_is_not_aligned_with_itself():
    from inverse_problems.blackhole import BlackHoleImaging

    aligned = BlackHoleImaging.aligned_images(ring(), ring())
    assert float(BlackHoleImaging.aligned_psnr(ring(), aligned)) < 40


def test_blurred_columns_are_one_off():
    import ehtim
    import eval as host
    from inverse_problems.blackhole import BlackHoleImaging

    operator, truth = object.__new__(BlackHoleImaging), ring()
    operator.device = "cpu"
    operator.ref_im = ehtim.image.make_empty(64, 160 * ehtim.RADPERUAS, 0, 0)
    operator.evaluate_chisq = lambda *_: (torch.ones(1), torch.ones(1))
    image = truth + 0.05 * torch.randn_like(truth)
    metrics = host.BlackHoleEvaluator(operator)(image, truth, torch.zeros(1))
    _, unblurred, by_10, by_15, _ = operator.evaluate_psnr(truth, image)[0].tolist()
    found = [metrics[f"blur_psnr (f={f})"] for f in (10, 15, 20)]
    assert found == pytest.approx([unblurred, by_10, by_15])


def test_chi_squared_below_one_is_turned_over_without_a_word():
    import eval as host
    from inverse_problems.blackhole import BlackHoleImaging

    assert float(BlackHoleImaging.normalize_chisq(torch.tensor([0.5]))) == pytest.approx(2)
    assert host.BlackHoleEvaluator.__doc__ is None


def test_scattering_answers_for_the_first_image_only():
    operator, x = scatter(), torch.rand(3, 1, 16, 16)
    y = operator.forward(x)
    assert y.shape == (1, 4, 8)
    assert not operator.gradient(x, y + 1)[1:].any()


@pytest.mark.parametrize("change", [{"Nx": 12, "Ny": 12}, {"wave": 3}])
def test_the_svd_of_another_grid_is_taken_from_the_cache(change):
    first = scatter(svd=True)
    assert scatter(svd=True, **change).A.equal(first.A)


def test_the_loss_beside_a_gradient_is_one_number_with_a_graph():
    from algo.adam import AdamL2

    operator, x = mri(), torch.rand(3, 2, 32, 32)
    y = operator.forward(x[:1])
    _, loss = operator.gradient(x, y, return_loss=True)
    assert loss.shape == ()
    with pytest.raises(RuntimeError, match="requires grad"):
        AdamL2(Net(), operator, num_steps=1).inference(y)


@pytest.mark.parametrize(
    ("module", "name", "options"),
    [("reddiff", "REDDiff", {}), ("dps", "DPS", {"guidance_scale": 1.0})],
)
def test_observations_of_five_dimensions_are_not_repeated(module, name, options):
    algorithm = getattr(__import__(f"algo.{module}", fromlist=[name]), name)
    if module == "dps":
        schedule = {"num_steps": 2, "schedule": "vp", "timestep": "vp", "scaling": "vp"}
        options = {**options, "diffusion_scheduler_config": schedule}
    operator = mri()
    y = operator.forward(torch.rand(1, 2, 32, 32))
    with pytest.raises(RuntimeError, match="repeat dims"):
        algorithm(Net(), operator, **options).inference(y, num_samples=2)


@pytest.mark.parametrize(("ratio", "true"), [(2, 1.85), (4, 3.23), (8, 6.27)])
def test_equispaced_masks_have_another_acceleration(ratio, true):
    from inverse_problems.multi_coil_mri import MultiCoilMRI

    mask = MultiCoilMRI(320, ratio, pattern="equispaced", device="cpu").mask
    assert 320 / float(mask.sum()) == pytest.approx(true, abs=0.01)


def test_maps_are_missing_without_inference(checkout):
    import eval as host

    operator, x = mri(), torch.rand(1, 2, 32, 32)
    y = operator.forward(x)
    del operator.maps  # as when no slice has been measured
    with pytest.raises(AttributeError, match="maps"):
        host.MRI(operator)(x, x, y)
    assert "maps" not in (checkout / "main.py").read_text()


def test_black_holes_by_default_want_pynfft():
    operator = black_hole(noise_type="eht")
    with pytest.raises(NameError, match="NFFT"):
        operator({"target": operator.normalize(ring())})


def test_no_seed_fixes_the_noise_of_black_holes():
    operator, measured = black_hole(noise_type="eht", ttype="direct"), []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - the host's own
        measured.append(operator({"target": operator.normalize(ring())}))
    assert not torch.equal(*measured)


def test_the_flux_is_not_a_number_without_apex():
    import ehtim
    from inverse_problems.blackhole import BlackHoleImaging

    observation = ehtim.obsdata.load_uvfits(str(GOLDEN / "blackhole" / "obs.uvfits"))
    assert np.isnan(BlackHoleImaging.estimate_flux(observation.flag_sites(["APEX"])))


def test_black_holes_are_not_chosen_by_id(folder):
    from training.dataset import BlackHole

    root = str(folder / "sources")
    with lmdb.open(root) as store, store.begin(write=True) as transaction:
        for index in range(3):
            transaction.put(str(index).encode(), np.eye(8)[index].repeat(8).tobytes())
    chosen = BlackHole(root, 8, 8, random_flip=False, zoom_in_out=False, id_list="2-2")
    assert chosen.id_list == [2]
    assert chosen[0]["target"][0, :, 0].argmax() == 0


class Payload:
    def __reduce__(self):
        return Path.touch, (Path("code-of-the-checkpoint-ran"),)


def test_a_checkpoint_is_unpickled(folder):
    (folder / "weights.pt").write_bytes(pickle.dumps({"ema": Payload()}))
    with pytest.raises(pickle.UnpicklingError):
        run_main()
    assert (folder / "code-of-the-checkpoint-ran").exists()


def test_wandb_rejects_an_argument(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with pytest.raises(ValueError, match="start_method"):
        run_main(wandb=True)


def test_the_third_job_logs_each_line_three_times(folder, monkeypatch):
    from utils.helper import create_logger

    monkeypatch.setattr(sys, "stderr", io.StringIO())
    logger = create_logger(folder)
    before = len(logger.handlers)
    create_logger(folder)
    create_logger(folder)
    found = len(logger.handlers)
    for handler in logger.handlers.copy():
        logger.removeHandler(handler)
        handler.close()
    assert found == before + 4
