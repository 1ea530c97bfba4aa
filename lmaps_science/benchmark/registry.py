"""Sources of cases by problem and name."""

from lmaps_science.benchmark.cases import Source
from lmaps_science.benchmark.sources import blackhole, files, inversebench, mri, scattering

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
    ("", "files"): files.Files,
}
"""An empty problem stands for any."""
