"""InverseBench's network and problem behind the package's own interfaces."""

import logging
from typing import Any

import torch
from torch import Tensor, nn

from lmaps_science.inversebench.acoustic import HostAcousticWave
from lmaps_science.inversebench.forward import HostForward
from lmaps_science.inversebench.likelihood import HostOperator, Traits, examine, unwrapped
from lmaps_science.inversebench.noise import noise_of_images, noise_of_kspace
from lmaps_science.inversebench.recognition import native_mri, recognised
from lmaps_science.operator import Operator
from lmaps_science.problems import MultiCoilMRI

logger = logging.getLogger(__name__)

PROBLEMS = {"InverseScatter": "scattering", "MultiCoilMRI": "mri"}
"""Kinds of problem whose measured defaults hold for InverseBench's operators as they stand."""

_STATISTICS = ("error_curve", "peak_curve", "image_covariance", "mean", "sigma_max")


class NetworkPrior:
    """InverseBench's network as a denoiser.

    Parameters
    ----------
    net : nn.Module
        ``net(x, sigma)`` with sigma a tensor. What the package's own priors carry beside their
        weights, `error_curve` and the like, is passed on where it is there.
    """

    error_curve: Any = None
    peak_curve: Any = None
    image_covariance: Any = None
    sigma_max: float | None = None
    mean = 0.0

    def __init__(self, net: nn.Module) -> None:
        self.net = net.eval().requires_grad_(False)
        for name in _STATISTICS:
            if hasattr(net, name):
                setattr(self, name, getattr(net, name))

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """E[x0 | x] of images (batch, channels, y, x) with noise of standard deviation `sigma`."""
        x = x.to(torch.float32)
        return self.net(x, torch.as_tensor(sigma, dtype=torch.float32, device=x.device))


class HostProblem:
    """The forward operator for each observation that InverseBench makes.

    Most operators serve all observations; that of MRI takes the sensitivity maps of each.

    Parameters
    ----------
    host : object
        InverseBench's forward operator.
    image_shape : tuple of int
        (channels, y, x) of the network's images.
    recognise : bool
        Whether an operator of ours, which brings the exact solvers, may stand in where the two
        agree.
    sigma_noise : float, optional
        Noise level of the data; by default the operator's, and where that is 0, one estimated
        from each observation.
    through_no_grad : bool
        Whether to differentiate through a forward that is under `torch.no_grad`.

    Raises
    ------
    ValueError
        If the network's images are not the operator's.
    """

    def __init__(
        self,
        host: Any,  # noqa: ANN401
        image_shape: tuple[int, int, int],
        recognise: bool = True,
        sigma_noise: float | None = None,
        through_no_grad: bool = False,
    ) -> None:
        self.kind = type(host).__name__
        expected = _image_shape(host)
        if expected is not None and expected != image_shape:
            raise ValueError(
                f"the network makes images of shape {image_shape}, the forward operator takes "
                f"{expected}: choose a pretrain of the problem's size"
            )
        self.host = unwrapped(host) if through_no_grad else host
        self.image_shape, self.recognise = image_shape, recognise
        self.sigma_noise = sigma_noise
        self._traits: Traits | None = None
        self._operator: Operator | None = None

    def operator_for(self, observation: Any) -> tuple[Operator, Tensor]:  # noqa: ANN401
        """The operator of an observation, with its noise level, and the data as a tensor."""
        if self.kind == "AcousticWave":
            acoustic = HostAcousticWave(self.host, self.image_shape, observation)
            acoustic.sigma_noise = self._noise(acoustic, acoustic.y)
            return acoustic, acoustic.y
        if not isinstance(observation, Tensor) or len(observation) != 1:
            found = tuple(getattr(observation, "shape", (type(observation).__name__,)))
            raise ValueError(
                f"observation: expected the data of one object, (1, ...), got shape {found}"
            )
        if isinstance(self.host, HostForward):
            self._operator = self.host.operator
        elif self._operator is None or self.kind == "MultiCoilMRI":
            self._operator = self._make()
        self._operator.sigma_noise = self._noise(self._operator, observation)
        return self._operator, observation

    def _make(self) -> Operator:
        if self.kind == "MultiCoilMRI" and not hasattr(self.host, "maps"):
            raise ValueError(
                "MultiCoilMRI has no sensitivity maps yet: it takes them when it measures, so run "
                "with inference=True"
            )
        if self._traits is None:
            self._traits = examine(self.host, self.image_shape)
            logger.info("%s: %s", self.kind, self._traits)
        problem = PROBLEMS.get(self.kind, "generic")
        wrapped = HostOperator(self.host, self.image_shape, self._traits, problem)
        native = recognised(wrapped) if self.recognise else None
        return wrapped if native is None else native

    def _noise(self, operator: Operator, y: Tensor) -> float:
        """The noise level given, the host's, or an estimate; 0 where there is none of these."""
        known = self.host.sigma_noise if self.sigma_noise is None else self.sigma_noise
        if known > 0 or self.kind == "BlackHoleImaging":
            return float(known)
        if self.kind == "MultiCoilMRI":
            ours = operator if isinstance(operator, MultiCoilMRI) else native_mri(self.host)
            estimate = noise_of_kspace(ours, y)
        elif y.ndim == 4 and not y.is_complex():
            estimate = noise_of_images(y)
        else:
            return 0.0
        logger.info(
            "%s has sigma_noise = 0: estimated %.3g from the data (algorithm.method.sigma_noise "
            "sets it)",
            self.kind,
            estimate,
        )
        return estimate


def network_shape(net: Any) -> tuple[int, int, int]:  # noqa: ANN401
    """(channels, y, x) of the images of a network of InverseBench."""
    try:
        return (net.img_channels, net.img_resolution, net.img_resolution)
    except AttributeError as error:
        raise ValueError(
            f"{type(net).__name__}: expected a network of InverseBench, with img_channels and "
            "img_resolution"
        ) from error


def _image_shape(host: Any) -> tuple[int, int, int] | None:  # noqa: ANN401
    """Shape of the images of an operator that knows it."""
    for ny, nx in (("Ny", "Nx"), ("H", "W")):
        if hasattr(host, ny) and hasattr(host, nx):
            return (1, getattr(host, ny), getattr(host, nx))
    return None
