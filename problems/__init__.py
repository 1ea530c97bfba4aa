"""The imaging problems: forward operators, file formats and metrics; nothing of diffusion."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmaps_science.problems.blackhole.operator import BlackHoleImaging
    from lmaps_science.problems.mri.operator import MultiCoilMRI
    from lmaps_science.problems.restoration.linear import Blur, Inpainting, SuperResolution
    from lmaps_science.problems.restoration.phase import PhaseRetrieval
    from lmaps_science.problems.restoration.quantised import JPEG, Clipping, Quantisation
    from lmaps_science.problems.scattering.fullwave import FullWaveScattering
    from lmaps_science.problems.scattering.operator import InverseScattering

_EXPORTS = {
    "BlackHoleImaging": "lmaps_science.problems.blackhole.operator",
    "FullWaveScattering": "lmaps_science.problems.scattering.fullwave",
    "Blur": "lmaps_science.problems.restoration.linear",
    "Clipping": "lmaps_science.problems.restoration.quantised",
    "Inpainting": "lmaps_science.problems.restoration.linear",
    "InverseScattering": "lmaps_science.problems.scattering.operator",
    "JPEG": "lmaps_science.problems.restoration.quantised",
    "MultiCoilMRI": "lmaps_science.problems.mri.operator",
    "PhaseRetrieval": "lmaps_science.problems.restoration.phase",
    "Quantisation": "lmaps_science.problems.restoration.quantised",
    "SuperResolution": "lmaps_science.problems.restoration.linear",
}

__all__ = [
    "JPEG",
    "BlackHoleImaging",
    "Blur",
    "Clipping",
    "FullWaveScattering",
    "Inpainting",
    "InverseScattering",
    "MultiCoilMRI",
    "PhaseRetrieval",
    "Quantisation",
    "SuperResolution",
]


def __getattr__(name: str) -> object:
    """Import an exported name on first use, so that importing the package stays fast."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Names for completion."""
    return sorted({*globals(), *__all__})
