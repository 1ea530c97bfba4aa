"""The algorithm that InverseBench instantiates: ``algorithm=lmaps``."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from lmaps_science import solver as core
from lmaps_science.covariance import CovarianceOfLevel, saturating
from lmaps_science.inversebench.host import HostProblem, NetworkPrior, network_shape
from lmaps_science.operator import Operator
from lmaps_science.settings import SETTINGS, settings_of

logger = logging.getLogger(__name__)

IMAGE_DEVIATION = 0.5
"""Standard deviation to which InverseBench normalises its images."""

_STATISTIC = {
    "calibrated": "error_curve",
    "gaussian": "image_covariance",
}


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
    sigma_noise : float, optional
        Noise level of the data; by default the operator's, and where that is 0, one estimated
        from each observation and logged.
    through_no_grad : bool
        Whether to differentiate through a forward that the host runs under `torch.no_grad`,
        as that of navier-stokes.
    average : bool
        Whether to return the mean over the samples as one image.
    verbose : bool
        Whether to show a progress bar with the data misfit.
    num_steps, sigma_max, sigma_min, solver, estimate, covariance, k1
        As in `lmaps_science.LMAPS`. With ``covariance="auto"`` a network that lacks the
        statistics of the problem's default gets `calibrated`, or else `saturating`; so do
        problems without a default. `saturating` is at InverseBench's standard deviation of
        images, 0.5, where the network carries none.
    k2 : float, optional
        As in `lmaps_science.LMAPS`; with `k1` alone, the one that gives the data their weight.
    eta, num_inner_steps, learning_rate, optimizer, seed
        As in `lmaps_science.LMAPS`.
    """

    def __init__(
        self,
        net: nn.Module,
        forward_op: Any,  # noqa: ANN401
        recognise: bool = True,
        sigma_noise: float | None = None,
        through_no_grad: bool = False,
        average: bool = False,
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
        self.net, self.forward_op = net, forward_op
        self.average, self.verbose = average, verbose
        self.prior = NetworkPrior(net)
        self.problem = HostProblem(
            forward_op, network_shape(net), recognise, sigma_noise, through_no_grad
        )
        self.estimate, self.covariance, self.k1, self.k2 = estimate, covariance, k1, k2
        self.options: dict[str, Any] = {
            "num_steps": num_steps,
            "sigma_max": sigma_max,
            "sigma_min": sigma_min,
            "solver": solver,
            "estimate": estimate,
            "eta": eta,
            "num_inner_steps": num_inner_steps,
            "learning_rate": learning_rate,
            "optimizer": optimizer,
            "seed": seed,
        }

    def inference(self, observation: Tensor | Sequence[Any], num_samples: int = 1) -> Tensor:
        """Reconstruct one object.

        Parameters
        ----------
        observation : Tensor or sequence
            Its data, (1, ...), as the host's operator returns them.
        num_samples : int
            Samples to draw, each from a generator of its own: the seed and the sample's index
            fix it, whatever objects came before.

        Returns
        -------
        Tensor
            Normalised images, (num_samples, channels, y, x), float32; (1, channels, y, x) with
            `average`.

        Raises
        ------
        ValueError
            If the observation does not have the shape of the operator's data.
        """
        operator, y = self.problem.operator_for(observation)
        lmaps = self.method(operator)
        with tqdm(total=len(lmaps.sigmas), desc="LMAPS", disable=not self.verbose) as bar:

            def show(level: core.Level) -> None:
                misfit = float(level.loss.clamp(min=0).sqrt().mean())
                bar.set_postfix(sigma=f"{level.sigma:.3g}", misfit=f"{misfit:.4g}", refresh=False)
                bar.update()

            result = lmaps(y, num_samples, callback=show)
        samples = result.mean if self.average else result.samples[0]
        return samples.to(torch.float32).detach()

    def method(self, operator: Operator) -> core.LMAPS:
        """`lmaps_science.LMAPS` with the options, for an operator."""
        k2 = self.k2
        if self.k1 and k2 is None:
            k2 = self.k1**2 * operator.loss_weight
        covariance: str | CovarianceOfLevel = self.covariance
        if covariance == "auto" and self.k1 is None and k2 is None:
            covariance = self._available(operator)
        if covariance == "saturating" and self.prior.image_covariance is None:
            covariance = saturating(IMAGE_DEVIATION**2)
        return core.LMAPS(
            self.prior, operator, covariance=covariance, k1=self.k1, k2=k2, **self.options
        )

    def _available(self, operator: Operator) -> str:
        """'auto', or what stands in where nothing was measured or the network lacks statistics."""
        settings = settings_of(operator.problem)
        mode = self.estimate == "mode"
        default = settings.mode_covariance if mode else settings.sample_covariance
        statistic = _STATISTIC.get(default)
        measured = operator.problem in SETTINGS and operator.problem != "generic"
        if measured and (statistic is None or getattr(self.prior, statistic) is not None):
            return "auto"
        if self.prior.error_curve is not None:
            return "calibrated"
        if measured:
            logger.info(
                "the network carries no %s: covariance is saturating at InverseBench's standard "
                "deviation of images, %g",
                str(statistic).replace("_", " "),
                IMAGE_DEVIATION,
            )
        return "saturating"
