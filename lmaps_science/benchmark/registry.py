"""Problems and sources of cases by name."""

from lmaps_science.benchmark.cases import Source
from lmaps_science.benchmark.mixture import KnownMixture, Mixture
from lmaps_science.benchmark.sources import blackhole, files, inversebench, mri, scattering
from lmaps_science.problem import Problem, find_problem

SOURCES: dict[tuple[str, str], type[Source]] = {
    ("scattering", "nuclei"): scattering.Nuclei,
    ("scattering", "cells"): scattering.Cells,
    ("scattering", "shapes"): scattering.Shapes,
    ("scattering", "inversebench"): inversebench.HostScattering,
    ("blackhole", "sources"): blackhole.Sources,
    ("blackhole", "simulations"): blackhole.Simulations,
    ("blackhole", "inversebench"): inversebench.HostBlackHole,
    ("mri", "head"): mri.Head,
    ("mri", "people"): mri.People,
    ("mri", "inversebench"): inversebench.HostMRI,
    ("mixture", "mixture"): Mixture,
    ("", "files"): files.Files,
}
"""An empty problem stands for any."""


def find_kind(name: str) -> Problem:
    """The problem called `name`: one that is reconstructed from files, or the known mixture."""
    return KnownMixture() if name == KnownMixture.name else find_problem(name)
