"""Measured defaults of each kind of problem; what ``None`` and ``"auto"`` stand for."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Defaults of the outer loop.

    Attributes
    ----------
    num_steps : int
        Noise levels.
    sigma_max, sigma_min : float
        First and last noise level, in units of the normalised image.
    mode_covariance, sample_covariance : str
        Covariance of p(x0 | x_t) for the local mode and for local samples.
    mode_width, sample_width : float
        Factors on them: the prior's mean error over all pixels understates its error on the
        objects, and on images less like those it was trained on. The latter is such that the
        spread covers the objects. Measured on training images.
    tempering : float
        Noise level from which the likelihood counts for less than half, see `data_weight`:
        where it is far from quadratic, data that are pressed on an image of much noise lead to
        the wrong one of several modes.
    lower_bound : float
        No image is below it, in normalised units.
    cg_tolerance : float
        Of the residual of conjugate gradients, relative to that of the denoised image, where
        there is no spectrum.
    """

    num_steps: int = 20
    sigma_max: float = 20.0
    sigma_min: float = 0.01
    mode_covariance: str = "isotropic"
    sample_covariance: str = "calibrated"
    mode_width: float = 1.0
    sample_width: float = 1.0
    tempering: float = math.inf
    lower_bound: float = -math.inf
    cg_tolerance: float = 1e-6

    def data_weight(self, sigma: float) -> float:
        """Share of the likelihood that counts at a noise level."""
        return 1 / (1 + (sigma / self.tempering) ** 2)


SETTINGS = {
    "blackhole": Settings(
        num_steps=40,
        sigma_max=5.0,
        sigma_min=0.04,
        mode_covariance="gaussian",
        sample_covariance="gaussian",
        tempering=0.5,
        lower_bound=-1.0,
    ),
    "fullwave": Settings(num_steps=40, sigma_max=3.0, mode_covariance="calibrated", mode_width=2.0),
    # In single precision residuals of ill-conditioned problems do not fall below 2e-5.
    "generic": Settings(cg_tolerance=1e-4),
    # Images: of Gaussian noise, of JPEG files and of other rounded values.
    "image": Settings(sigma_max=4.0, cg_tolerance=1e-3),
    "jpeg": Settings(sigma_max=4.0, mode_covariance="calibrated", mode_width=15.0),
    "mri": Settings(
        num_steps=25,
        sigma_max=1.0,
        mode_covariance="calibrated",
        mode_width=2.0,
        sample_width=4.0,
        cg_tolerance=1e-3,
    ),
    "quantised": Settings(num_steps=40, sigma_max=4.0, mode_covariance="calibrated"),
    "scattering": Settings(sigma_max=1.0, sample_width=2.0),
}


def settings_of(problem: str) -> Settings:
    """Those of a kind of problem: the generic ones where `SETTINGS` has none of its own."""
    return SETTINGS.get(problem, SETTINGS["generic"])
