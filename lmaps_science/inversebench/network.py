"""Priors of this package as networks of InverseBench: what its ``pretrain=`` instantiates.

InverseBench builds the network from a pretrain YAML and then loads ``{'ema': state dict}``;
`export` writes the two files, which need nothing else of this machine.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from lmaps_science.files import atomic_path
from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.checkpoint import (
    Statistics,
    attach,
    join_statistics,
    read_checkpoint,
    split_statistics,
)


class HostNetwork(nn.Module):
    """A prior with the call and the attributes that InverseBench's algorithms use.

    Its state dict carries the prior's statistics and hash beside the weights, so that the
    covariances `calibrated` and `gaussian` work inside the host.

    Parameters
    ----------
    name, network, preconditioning, image_shape, sigma_max
        As in `PriorCard`.

    Attributes
    ----------
    img_channels, img_resolution : int
        Of the images, which are square.
    label_dim : int
        Number of labels: 0.
    sigma_min, sigma_max : float
        Noise levels between which the network was trained well.
    card, name, image_shape, sha256, error_curve, image_covariance
        As on a prior from `load_prior`.

    Raises
    ------
    ValueError
        If the images are not square, or the network cannot be built.
    """

    label_dim = 0
    sigma_min = 0.0
    sha256: str

    def __init__(
        self,
        name: str,
        network: Mapping[str, Any],
        preconditioning: Mapping[str, Any],
        image_shape: Sequence[int],
        sigma_max: float,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        if height != width:
            raise ValueError(f"InverseBench takes square images only, got {height} × {width}")
        self.img_channels, self.img_resolution = channels, height
        shape = (channels, height, width)
        self.card = PriorCard(name, dict(network), dict(preconditioning), shape, sigma_max)
        self.prior = self.card.build()
        self.take_over(join_statistics({}, {}), sha256="")

    def take_over(self, statistics: Statistics, sha256: str) -> None:
        """Carry the statistics and the hash of a prior."""
        attach(self, self.card, statistics, sha256)

    def forward(self, x: Tensor, sigma: float | Tensor, class_labels: None = None) -> Tensor:
        """Denoise.

        Parameters
        ----------
        x : Tensor
            Noisy images, (batch, channels, y, x).
        sigma : float or Tensor
            Standard deviation of the noise, one for all or one per image.
        class_labels : None
            There are none.

        Returns
        -------
        Tensor
            E[x0 | x], (batch, channels, y, x), float32.
        """
        if class_labels is not None:
            raise ValueError(f"prior {self.card.name!r} knows no class labels")
        return self.prior(x, sigma)

    def round_sigma(self, sigma: float | Tensor) -> Tensor:
        """Nearest noise level that the network knows: `sigma` itself."""
        return torch.as_tensor(sigma)

    def get_extra_state(self) -> dict[str, Any]:
        """Statistics and hash, which travel in the state dict."""
        tensors, scalars = split_statistics(self)
        return {"tensors": tensors, "scalars": scalars, "sha256": self.sha256}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `get_extra_state` gave."""
        self.take_over(join_statistics(state["tensors"], state["scalars"]), state["sha256"])


def pretrain_config(card: PriorCard) -> str:
    """Text of the pretrain YAML that makes InverseBench build a prior."""
    model = {
        "_target_": f"{HostNetwork.__module__}.{HostNetwork.__qualname__}",
        "_convert_": "all",
        "name": card.name,
        "image_shape": list(card.image_shape),
        "sigma_max": card.sigma_max,
        "network": dict(card.network),
        "preconditioning": dict(card.preconditioning),
    }
    return OmegaConf.to_yaml(OmegaConf.create({"name": card.name, "model": model}))


def export(name_or_path: str | Path, target: str | Path) -> tuple[Path, Path]:
    """Export a prior to InverseBench.

    Put the YAML into the checkout's ``configs/pretrain`` (or any folder ``pretrain`` on
    Hydra's search path) and run with ``pretrain=NAME problem.prior=NAME.pt``.

    Parameters
    ----------
    name_or_path : str or Path
        As for `load_prior`.
    target : str or Path
        File ``NAME.pt`` to write: ``{'ema': state dict}``.

    Returns
    -------
    tuple of Path
        The ``.pt`` and, beside it, the pretrain YAML.
    """
    target = Path(target)
    if target.suffix != ".pt":
        raise ValueError(f"{target}: expected a file name that ends in .pt")
    prior, card, statistics, sha256 = read_checkpoint(name_or_path)
    network = HostNetwork(
        card.name, card.network, card.preconditioning, card.image_shape, card.sigma_max
    )
    network.prior.load_state_dict(prior.state_dict())
    network.take_over(statistics, sha256)
    config = target.with_suffix(".yaml")
    with atomic_path(target) as temporary:
        torch.save({"ema": network.state_dict()}, temporary)
    with atomic_path(config) as temporary:
        temporary.write_text(pretrain_config(card), encoding="utf-8")
    return target, config
