"""LMAPS in an unmodified InverseBench checkout, through its own main.py.

``make test-host INVERSEBENCH=DIR`` makes the environment and runs these. InverseBench runs
from a folder of its own, so the checkout stays as it is.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch

from lmaps_science.inversebench.network import export
from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.checkpoint import save_prior
from lmaps_science.prior.curves import ErrorCurve

pytestmark = pytest.mark.host

PIXELS = 32
PROBLEM = (
    f"problem.model.Nx={PIXELS}",
    f"problem.model.Ny={PIXELS}",
    "problem.model.numTrans=20",
    "problem.model.numRec=60",
    f"problem.data.resolution={PIXELS}",
    f"+problem.data.raw_resolution={PIXELS}",
    "problem.data.root=objects",
    "problem.data.id_list=0-1",
)
NETWORK = {
    "model_type": "DhariwalUNet",
    "img_resolution": PIXELS,
    "img_channels": 1,
    "label_dim": 0,
    "model_channels": 16,
    "channel_mult": [1, 2],
    "attn_resolutions": [16],
    "num_blocks": 1,
    "dropout": 0.0,
}


@pytest.fixture(scope="module")
def workplace(checkout, tmp_path_factory) -> Path:
    """A folder with two objects and a checkpoint of the host's own architecture."""
    folder = tmp_path_factory.mktemp("host")
    y, x = np.mgrid[:PIXELS, :PIXELS] / PIXELS - 0.5
    objects = [np.hypot(x - 0.1, y) < 0.2, np.hypot(x, 1.5 * (y + 0.1)) < 0.3]
    with lmdb.open(str(folder / "objects")) as store, store.begin(write=True) as transaction:
        for index, image in enumerate(objects):
            transaction.put(str(index).encode(), image.astype(np.float32).tobytes())
    run(
        "-c",
        "import sys, torch; sys.path.insert(0, sys.argv[1])\n"
        "from models.precond import EDMPrecond\n"
        f"torch.save({{'ema': EDMPrecond(**{NETWORK}).state_dict()}}, 'network.pt')",
        str(checkout),
        folder=folder,
    )
    return folder


def run(*arguments: str, folder: Path) -> str:
    """Standard error of Python in `folder`, where the host writes its log."""
    result = subprocess.run(  # noqa: S603
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stderr


def run_host(checkout: Path, folder: Path, *arguments: str) -> str:
    return run(str(checkout / "main.py"), *arguments, *PROBLEM, folder=folder)


def final_metrics(log: str) -> dict[str, float]:
    text = re.search(r"Final metric results: (\{.*\})", log)[1]
    return ast.literal_eval(re.sub(r"np\.float(?:32|64)\(([^)]*)\)", r"\1", text))


RUNS = {
    "as-shown": ("problem=inv-scatter", "+problem.model.svd=False", "algorithm=lmaps"),
    "sample": ("problem=lmaps-inv-scatter", "algorithm=lmaps_sample"),
    "host-operator": (
        "problem=inv-scatter",
        "+problem.model.svd=False",
        "algorithm=lmaps",
        "algorithm.method.recognise=false",
    ),
    "paper": (
        "problem=lmaps-inv-scatter",
        "algorithm=lmaps_paper",
        "algorithm.method.num_steps=10",
        "algorithm.method.sigma_max=2",
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_host_runs_and_scores_it(checkout, workplace, name):
    network = (f"pretrain.model.{key}={value}" for key, value in NETWORK.items())
    log = run_host(
        checkout,
        workplace,
        *RUNS[name],
        "pretrain=inv-scatter",
        *network,
        "problem.prior=network.pt",
        "num_samples=2",
        f"exp_name={name}",
    )
    metrics = final_metrics(log)
    assert metrics["psnr"] > 15
    assert 0 < metrics["ssim"] <= 1
    assert "misfit=" in log
    results = sorted(workplace.glob(f"exps/inference/*/*/{name}/result_*.pt"))
    assert len(results) == 2
    for path in results:
        recon = torch.load(path, weights_only=True)["recon"]
        assert (recon.shape, recon.dtype) == ((2, 1, PIXELS, PIXELS), torch.float32)


def test_an_exported_prior_brings_its_error_curve(checkout, workplace):
    card = PriorCard(
        "tiny",
        {"type": "ShuffleUNet", "channels": [8, 16], "num_blocks": 1},
        {"type": "EDM", "sigma_data": 0.5},
        (1, PIXELS, PIXELS),
        sigma_max=5.0,
    )
    prior = card.build()
    prior.error_curve = ErrorCurve(torch.tensor([0.01, 10.0]), torch.tensor([1e-4, 0.25]))
    save_prior(prior, workplace / "tiny.safetensors", card)
    export(workplace / "tiny.safetensors", workplace / "pretrain" / "tiny.pt")
    log = run_host(
        checkout,
        workplace,
        "--config-dir=.",
        "problem=lmaps-inv-scatter",
        "algorithm=lmaps_sample",
        "algorithm.method.covariance=calibrated",
        "pretrain=tiny",
        "problem.prior=pretrain/tiny.pt",
    )
    assert final_metrics(log)["psnr"] > 15


CONVERTED = """
import sys
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from lmaps_science.inversebench.network import export
from lmaps_science.prior.checkpoint import convert

checkout, name = sys.argv[1:]
sys.path.insert(0, checkout)
torch.manual_seed(0)
config = OmegaConf.load(f"{checkout}/configs/pretrain/{name}.yaml")
fresh, theirs = (instantiate(config.model).eval().requires_grad_(False) for _ in range(2))
for weight in theirs.parameters():  # fresh ones end in zeros: nothing of the network passes
    weight += 0.02 * torch.randn_like(weight)
torch.save({"ema": theirs.state_dict()}, f"{name}.pt")
convert(f"{name}.pt", f"{name}.safetensors", OmegaConf.to_container(config.model))
weights, pretrain = export(f"{name}.safetensors", f"{name}-exported.pt")
ours = instantiate(OmegaConf.load(pretrain).model).eval().requires_grad_(False)
ours.load_state_dict(torch.load(weights)["ema"])
x = torch.randn(1, theirs.img_channels, theirs.img_resolution, theirs.img_resolution)
for sigma in (0.05, 1.0, 20.0):
    skipped, expected, found = (
        net((1 + sigma) * x, torch.as_tensor(sigma)) for net in (fresh, theirs, ours)
    )
    from_network = (expected - skipped).norm()
    print("DIFFERENCE", float((found - expected).norm() / from_network), file=sys.stderr)
"""


@pytest.mark.parametrize("name", ["inv-scatter", "blackhole"])
def test_checkpoints_of_published_architectures_come_back_the_same(checkout, workplace, name):
    log = run("-c", CONVERTED, str(checkout), name, folder=workplace)
    differences = [float(line.split()[1]) for line in log.splitlines() if "DIFFERENCE" in line]
    assert len(differences) == 3
    assert max(differences) < 1e-5


def test_the_checkout_stays_as_it_is(checkout, workplace):
    status = subprocess.run(
        ["git", "status", "--porcelain"],  # noqa: S607
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    assert status.stdout == ""
