"""Image reconstruction from scientific measurements by Local MAP Sampling.

The public names load on first use, so that importing the package stays fast and quiet.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmaps_science.prior.checkpoint import load_prior
    from lmaps_science.proxy import ProxyGradient
    from lmaps_science.reconstruction import reconstruct
    from lmaps_science.solver import LMAPS, Reconstruction

__all__ = ["LMAPS", "ProxyGradient", "Reconstruction", "load_prior", "reconstruct"]

_MODULES = {
    "LMAPS": "lmaps_science.solver",
    "ProxyGradient": "lmaps_science.proxy",
    "Reconstruction": "lmaps_science.solver",
    "load_prior": "lmaps_science.prior.checkpoint",
    "reconstruct": "lmaps_science.reconstruction",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    if name == "__version__":
        return version("lmaps-science")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, those not yet loaded too."""
    return sorted({*globals(), *__all__, "__version__"})
