"""Measured defaults of each kind of problem; what ``None`` and ``"auto"`` stand for."""

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
    sample_width : float
        Factor on the latter, so that the spread covers the objects: the prior's mean error
        over all pixels understates its error on them. Measured on training images.
    """

    num_steps: int = 20
    sigma_max: float = 20.0
    sigma_min: float = 0.01
    mode_covariance: str = "isotropic"
    sample_covariance: str = "calibrated"
    sample_width: float = 1.0


SETTINGS = {
    "generic": Settings(),
    "mri": Settings(num_steps=25, sigma_max=1.0, mode_covariance="calibrated"),
    "scattering": Settings(sigma_max=1.0, sample_width=2.0),
}
