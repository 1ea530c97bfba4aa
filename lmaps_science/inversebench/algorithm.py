"""The algorithm that InverseBench instantiates: ``algorithm=lmaps``."""

import logging
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from lmaps_science import solver as core
from lmaps_science.inversebench.host import NetworkPrior, operator_from_host

logger = logging.getLogger(__name__)


class LMAPS:
    """LMAPS in InverseBench; the options are those of `lmaps_science.LMAPS`.

    Parameters
    ----------
    net : nn.Module
        InverseBench's pre-trained network.
    forward_op : object
        InverseBench's forward operator.
    recognise : bool
        Whether our own operator, with its exact solvers, may stand in for the host's where
        the two agree.
    verbose : bool
        Whether to show a progress bar with the data misfit.
    num_steps, sigma_max, sigma_min, solver, estimate, covariance, k1, k2, eta, seed
        As in `lmaps_science.LMAPS`. With ``covariance="auto"`` a network that carries no error
        curve gets `isotropic`.
    num_inner_steps, learning_rate, optimizer
        As in `lmaps_science.LMAPS`.
    """

    def __init__(
        self,
        net: nn.Module,
        forward_op: Any,  # noqa: ANN401
        recognise: bool = True,
        verbose: bool = True,
        num_steps: int | None = None,
        sigma_max: float | None = None,
        sigma_min: float | None = None,
        solver: str = "auto",
        estimate: str = "mode",
        covariance: str = "auto",
        k1: float | None = None,
        k2: float | None = None,
        eta: float = 1.0,
        num_inner_steps: int = 100,
        learning_rate: float | None = None,
        optimizer: str = "adam",
        seed: int = 0,
    ) -> None:
        self.net, self.forward_op, self.verbose = net, forward_op, verbose
        prior = NetworkPrior(net)
        operator = operator_from_host(forward_op, recognise)
        _check_size(net, operator.image_shape)
        published = k1 is not None or k2 is not None
        if covariance == "auto" and prior.error_curve is None and not published:
            logger.info("the network carries no error curve: covariance is isotropic")
            covariance = "isotropic"
        self.lmaps = core.LMAPS(
            prior,
            operator,
            num_steps=num_steps,
            sigma_max=sigma_max,
            sigma_min=sigma_min,
            solver=solver,
            estimate=estimate,
            covariance=covariance,
            k1=k1,
            k2=k2,
            eta=eta,
            num_inner_steps=num_inner_steps,
            learning_rate=learning_rate,
            optimizer=optimizer,
            seed=seed,
        )

    def inference(self, observation: Tensor, num_samples: int = 1) -> Tensor:
        """Reconstruct one object.

        Parameters
        ----------
        observation : Tensor
            Its data, (1, ...), as the host's operator returns them.
        num_samples : int
            Samples to draw, each from a generator of its own: the seed and the sample's index
            fix it, whatever objects came before.

        Returns
        -------
        Tensor
            Normalised images, (num_samples, channels, y, x), float32.

        Raises
        ------
        ValueError
            If the observation does not have the shape of the operator's data.
        """
        if len(observation) != 1:
            raise ValueError(
                "observation: expected the data of one object, (1, ...), got shape "
                f"{tuple(observation.shape)}"
            )
        levels = len(self.lmaps.sigmas)
        with tqdm(total=levels, desc="LMAPS", disable=not self.verbose) as bar:

            def show(level: core.Level) -> None:
                misfit = float(level.loss.clamp(min=0).sqrt().mean())
                bar.set_postfix(sigma=f"{level.sigma:.3g}", misfit=f"{misfit:.4g}", refresh=False)
                bar.update()

            result = self.lmaps(observation, num_samples, callback=show)
        return result.samples[0].to(torch.float32).detach()


def _check_size(net: nn.Module, image_shape: tuple[int, ...]) -> None:
    """The network must make images of the operator's shape."""
    channels, resolution = (
        getattr(net, f"img_{name}", None) for name in ("channels", "resolution")
    )
    expected = (channels, resolution, resolution)
    if None not in expected and expected != tuple(image_shape):
        raise ValueError(
            f"the network makes images of shape {expected}, the forward operator takes "
            f"{tuple(image_shape)}: choose a pretrain of the problem's size"
        )
