"""What InverseBench's main.py does with our operator, network and algorithm, without a checkout.

The same calls in the same order, on the configurations that installing this package adds to
InverseBench. Not run here: InverseBench itself, its operators, networks, data and evaluators. In
a checkout: python main.py problem=lmaps-inv-scatter algorithm=lmaps pretrain=lmaps-cells-128 ...
"""

import sys
import tempfile
from importlib import resources
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from lmaps_science.demo import nuclei
from lmaps_science.inversebench.evaluators import Image
from lmaps_science.inversebench.network import export
from lmaps_science.plot import save_images

folder = resources.files("lmaps_science.configs.inversebench")
choices = {"problem": "lmaps-inv-scatter", "algorithm": "lmaps", "pretrain": "lmaps-cells-128"}
config = OmegaConf.create({"seed": 0, "num_samples": 4})
for group, name in choices.items():
    config[group] = OmegaConf.create((folder / group / f"{name}.yaml").read_text())
overrides = ["problem.model.Nx=64", "problem.model.Ny=64", "problem.model.numRec=60"]
overrides += ["pretrain.model.image_shape=[1,64,64]", "algorithm.method.verbose=false"]
config.merge_with_dotlist(overrides)

# lmaps priors export cells-128 cells-128.pt
weights, _ = export("cells-128", Path(tempfile.mkdtemp()) / "cells-128.pt")

forward_op = instantiate(config.problem.model, device="cpu")
net = instantiate(config.pretrain.model)
net.load_state_dict(torch.load(weights, weights_only=True)["ema"])
algo = instantiate(config.algorithm.method, forward_op=forward_op, net=net)
evaluator = Image(forward_op, value_range=(0, 1))  # in the place of eval.InverseScatter

torch.manual_seed(config.seed)
for target in nuclei()[:2, :, 32:96, 32:96].split(1):
    observation = forward_op({"target": target})
    recon = algo.inference(observation, num_samples=config.num_samples)
    recon, target = (forward_op.unnormalize(images) for images in (recon, target))
    metrics = evaluator(pred=recon, target=target, observation=observation)
    print(tuple(recon.shape), recon.dtype, f"{metrics['psnr']:.2f} dB, SSIM {metrics['ssim']:.3f}")
print({name: round(value, 3) for name, value in evaluator.compute().items()})

if len(sys.argv) > 1:
    images = {"target": target, **{f"sample {k + 1}": x for k, x in enumerate(recon)}}
    save_images(Path(sys.argv[1]) / "in_inversebench.png", images, vmin=0, vmax=1)
