"""LMAPS on InverseBench's other problems, through its own main.py, on tiny data."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import h5py
import lmdb
import numpy as np
import pytest
import torch
from PIL import Image

from lmaps_science.inversebench.network import export
from lmaps_science.inversebench.prepare import write_blackhole, write_images, write_maps
from tests.conftest import GOLDEN
from tests.small import small_prior

pytestmark = pytest.mark.host

SIDE = 32
BLACKHOLE = (
    "problem.model.root=measure",
    "problem.data.root=sources",
    "problem.data.id_list=0-0",
    "algorithm.method.num_steps=2",
)
MRI = (
    "problem.model.total_lines=32",
    "problem.data.root=scans_sens_maps_espirit",
    "problem.data.image_size=[32,32]",
    "+problem.data.slice_range=[0,0]",
)
IMAGES = (
    "problem.data.root=images",
    "problem.data.resolution=32",
    "problem.data.id_list=0-0",
    "problem.evaluator._target_=lmaps_science.inversebench.evaluators.Image",
)
RUNS = {
    "blackhole": (
        "gray64",
        "psnr",
        (
            "problem=blackhole",
            "+problem.model.ttype=direct",
            *BLACKHOLE,
            "problem.model.noise_type=vis_thermal",
        ),
    ),
    "lmaps-blackhole": ("gray64", "psnr (best)", ("problem=lmaps-blackhole", *BLACKHOLE)),
    "mri": ("complex32", "data misfit", ("problem=multi-coil-mri-knee", *MRI)),
    "lmaps-mri": ("complex32", "data misfit", ("problem=lmaps-mri", *MRI)),
    "inpaint": (
        "rgb32",
        "psnr",
        (
            "problem=ffhq256_inpaint",
            *IMAGES,
            "problem.model.resolution=32",
            "problem.model.mask_len_range=[8,16]",
        ),
    ),
    "deblur": (
        "rgb32",
        "psnr",
        ("problem=ffhq256_deblur", *IMAGES, "problem.model.kernel_size=9"),
    ),
    "super-resolution": (
        "rgb32",
        "psnr",
        ("problem=ffhq256_sr", *IMAGES, "problem.model.in_resolution=32"),
    ),
    "phase-retrieval": (
        "rgb32",
        "psnr",
        (
            "problem=ffhq256_pr",
            *IMAGES,
            "problem.model.resolution=32",
            "algorithm.method.num_steps=2",
            "algorithm.method.num_inner_steps=5",
        ),
    ),
    "navier-stokes": (
        "gray32",
        "relative l2",
        (
            "problem=navier-stokes",
            "problem.model.resolution=32",
            "problem.data.root=fields",
            "problem.data.resolution=32",
            "+problem.data.raw_resolution=32",
            "problem.data.id_list=0-0",
            "problem.model.forward_time=0.1",
            "algorithm.method.through_no_grad=true",
            "algorithm.method.num_steps=2",
            "algorithm.method.num_inner_steps=3",
        ),
    ),
}
FWI = (
    "problem=fwi",
    "problem.model.shape=[32,32]",
    "problem.model.spacing=[20.0,20.0]",
    "problem.model.tn=300.0",
    "problem.model.nbl=20",
    "problem.model.nshots=1",  # devito fails now and then in several threads
    "problem.model.nreceivers=17",
    "problem.model.src_depth=300.0",
    "problem.data.root=velocities",
    "problem.data.resolution=32",
    "problem.data.raw_resolution=32",
    "problem.data.id_list=0-0",
    "algorithm.method.sigma_noise=0.01",
    "algorithm.method.num_steps=2",
    "algorithm.method.num_inner_steps=3",
)


@pytest.fixture(scope="module")
def workplace(checkout, tmp_path_factory) -> Path:
    """A folder with one object of each problem and priors of independent pixels."""
    folder = tmp_path_factory.mktemp("problems")
    generator = np.random.default_rng(0)
    golden = GOLDEN / "blackhole"
    write_blackhole(golden / "obs.uvfits", golden / "gt.fits", folder / "measure")
    y, x = np.mgrid[:64, :64] - 31.5
    source = np.exp(-((np.hypot(x, y) - 16) ** 2) / 18)
    write_images(source[None], folder / "sources", np.float64)
    field = np.kron(generator.standard_normal((4, 4)), np.ones((8, 8)))
    write_lmdb(folder / "fields", field.astype(np.float32))
    write_lmdb(folder / "velocities", (3000 + 200 * field).astype(np.float32))
    (folder / "images").mkdir()
    pixels = np.kron(generator.integers(0, 255, (8, 8, 3)), np.ones((4, 4, 1)))
    Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / "00000.png")
    write_scan(folder, generator)
    priors = {"gray64": (1, 64), "gray32": (1, SIDE), "complex32": (2, SIDE), "rgb32": (3, SIDE)}
    for name, (channels, side) in priors.items():
        path = small_prior(folder / f"{name}.safetensors", (channels, side, side))
        export(path, folder / "pretrain" / f"{name}.pt")
    return folder


def write_lmdb(path: Path, image: np.ndarray) -> None:
    with lmdb.open(str(path)) as store, store.begin(write=True) as transaction:
        transaction.put(b"0", image.tobytes())


def write_scan(folder: Path, generator: np.random.Generator) -> None:
    """One slice in fastMRI's layout, with its maps in the folder that the host looks in."""
    x = np.linspace(-1, 1, SIDE)
    y = np.linspace(-1, 1, 2 * SIDE)[:, None]
    turns = np.arange(6)[:, None, None] * np.pi / 3
    maps = np.exp(-((x - np.cos(turns)) ** 2) - (y - np.sin(turns)) ** 2 + 1j * turns)
    maps /= np.sqrt((np.abs(maps) ** 2).sum(0))
    images = np.fft.ifftshift(maps * (x**2 + y**2 < 0.2), axes=(1, 2))
    kspace = np.fft.fftshift(np.fft.fft2(images, norm="ortho"), axes=(1, 2))
    kspace = kspace + 0.01 * (
        generator.standard_normal((2, *kspace.shape)) * [[[[1]]], [[[1j]]]]
    ).sum(0)
    (folder / "scans").mkdir()
    with h5py.File(folder / "scans" / "knee.h5", "w") as file:
        file["kspace"] = kspace[None].astype(np.complex64)
    written = write_maps(folder / "scans" / "knee.h5", calibration=16)
    assert written.parent == folder / "scans_sens_maps_espirit"


def run_main(checkout: Path, folder: Path, name: str, prior: str, *overrides: str) -> dict:
    """InverseBench's own final metrics."""
    command = [str(checkout / "main.py"), "--config-dir=.", *overrides, "algorithm=lmaps"]
    command += [f"pretrain={prior}", f"problem.prior=pretrain/{prior}.pt", f"exp_name={name}"]
    command += [f"problem.exp_dir=exps/{name}"]
    result = subprocess.run(  # noqa: S603
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    text = re.search(r"Final metric results: (\{.*\})", result.stderr)[1]
    return ast.literal_eval(re.sub(r"np\.float(?:32|64)\(([^)]*)\)", r"\1", text))


@pytest.mark.parametrize("name", RUNS)
def test_the_host_runs_and_scores_it(checkout, workplace, name):
    prior, metric, arguments = RUNS[name]
    metrics = run_main(checkout, workplace, name, prior, *arguments, "num_samples=2")
    assert np.isfinite(metrics[metric])
    (path,) = workplace.glob(f"exps/{name}/LMAPS/{name}/result_*.pt")
    recon = torch.load(path, weights_only=True)["recon"]
    assert recon.dtype == torch.float32
    assert len(recon) == 2


def test_full_waveform_inversion(checkout, workplace):
    """One sample, as its evaluator takes; the saved file holds devito's objects, left alone."""
    pytest.importorskip("devito", reason="full-waveform inversion not run: devito is missing")
    metrics = run_main(checkout, workplace, "fwi", "gray32", *FWI)
    assert np.isfinite(metrics["relative l2"])
    assert len(list(workplace.glob("exps/fwi/LMAPS/fwi/result_*.pt"))) == 1
