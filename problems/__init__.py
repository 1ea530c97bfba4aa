"""The imaging problems: forward operators, file formats and metrics; nothing of diffusion."""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "BlackHoleImaging": "lmaps_science.problems.blackhole.operator",
    "FullWaveScattering": "lmaps_science.problems.scattering.fullwave",
    "InverseScattering": "lmaps_science.problems.scattering.operator",
    "MultiCoilMRI": "lmaps_science.problems.mri.operator",
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
