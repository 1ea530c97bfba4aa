"""Priors exported to InverseBench, loaded as its ``main.py`` does."""

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from lmaps_science.inversebench.network import HostNetwork, export
from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.checkpoint import load_prior, save_prior
from lmaps_science.prior.curves import ErrorCurve
from lmaps_science.prior.image_covariance import ImageCovariance
from lmaps_science.prior.preconditioning import EDM
from lmaps_science.prior.unet import ShuffleUNet

NETWORK = {"type": "ShuffleUNet", "channels": [8, 16], "num_blocks": 1}
CARD = PriorCard("toy", NETWORK, {"type": "EDM", "bfloat16": True}, (1, 8, 8), 15.0)


@pytest.fixture
def prior(tmp_path):
    torch.manual_seed(0)
    made = EDM(ShuffleUNet(1, (8, 16), 1), bfloat16=True)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    made.error_curve = ErrorCurve(torch.tensor([0.1, 1.0]), torch.tensor([0.003, 0.1]))
    basis = torch.linalg.qr(torch.randn(64, 3)).Q.T
    made.image_covariance = ImageCovariance(basis, torch.rand(3), 0.001, (1, 8, 8))
    path = tmp_path / "toy.safetensors"
    save_prior(made, path, CARD)
    return load_prior(path), path


def load_as_the_host(weights, config):
    """What InverseBench's main.py does with ``problem.prior`` and ``pretrain``."""
    net = instantiate(OmegaConf.load(config).model)
    net.load_state_dict(torch.load(weights, map_location="cpu")["ema"])
    return net.to("cpu").eval().requires_grad_(False)


def test_the_host_gets_the_same_denoiser(prior, tmp_path):
    ours, path = prior
    net = load_as_the_host(*export(path, tmp_path / "out" / "toy.pt"))
    x = torch.randn(2, 1, 8, 8)
    output = net(x.double(), torch.as_tensor(0.7, dtype=torch.float64))
    assert output.dtype == torch.float32
    assert torch.equal(output, ours(x, 0.7))
    assert torch.equal(net(x, torch.tensor([0.7, 0.2]))[:1], ours(x, torch.tensor([0.7, 0.2]))[:1])


def test_the_host_gets_the_attributes_and_the_statistics(prior, tmp_path):
    ours, path = prior
    net = load_as_the_host(*export(path, tmp_path / "toy.pt"))
    assert (net.img_channels, net.img_resolution, net.label_dim) == (1, 8, 0)
    assert (net.sigma_min, net.sigma_max) == (0.0, 15.0)
    levels = torch.tensor([1.0, 0.5])
    assert net.round_sigma(levels) is levels
    assert (net.name, net.sha256, net.image_shape) == ("toy", ours.sha256, (1, 8, 8))
    assert net.error_curve(0.3) == ours.error_curve(0.3)
    assert torch.equal(net.image_covariance.basis, ours.image_covariance.basis)
    assert net.image_covariance.shape == (1, 8, 8)


def test_gradients_pass_through_as_dps_needs(prior, tmp_path):
    _, path = prior
    net = load_as_the_host(*export(path, tmp_path / "toy.pt"))
    x = torch.randn(1, 1, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x, torch.tensor(0.5)).sum(), x)
    assert gradient.shape == x.shape
    assert gradient.abs().sum() > 0


def test_weights_of_another_prior_do_not_load(prior, tmp_path):
    _, path = prior
    weights, config = export(path, tmp_path / "toy.pt")
    other = OmegaConf.load(config)
    other.model.network.channels = [8, 24]
    OmegaConf.save(other, config)
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_as_the_host(weights, config)


def test_clear_refusals(prior, tmp_path):
    _, path = prior
    with pytest.raises(ValueError, match=r"ends in \.pt"):
        export(path, tmp_path / "toy.bin")
    with pytest.raises(ValueError, match="square images only, got 8 × 16"):
        HostNetwork("toy", NETWORK, CARD.preconditioning, (1, 8, 16), 15.0)
    net = HostNetwork("toy", NETWORK, CARD.preconditioning, (1, 8, 8), 15.0)
    with pytest.raises(ValueError, match="no class labels"):
        net(torch.randn(1, 1, 8, 8), 1.0, class_labels=torch.ones(1))
