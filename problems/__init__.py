"""The imaging problems: forward operators, file formats and metrics; nothing of diffusion."""

from importlib import import_module
from typing import Any

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

__all__ = list(_EXPORTS)


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import an exported name on first use, so that importing the package stays fast."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    """Names for completion."""
    return sorted([*globals(), *_EXPORTS])
