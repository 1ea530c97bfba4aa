"""Sources of cases by problem and name."""

from lmaps_science.benchmark import host_sources as host
from lmaps_science.benchmark import sources as own
from lmaps_science.benchmark.cases import Source

SOURCES: dict[tuple[str, str], type[Source]] = {
    ("scattering", "nuclei"): own.Nuclei,
    ("scattering", "cells"): own.Cells,
    ("scattering", "shapes"): own.Shapes,
    ("scattering", "inversebench"): host.HostScattering,
    ("blackhole", "sources"): own.Sources,
    ("blackhole", "simulations"): own.Simulations,
    ("blackhole", "inversebench"): host.HostBlackHole,
    ("mri", "head"): own.Head,
    ("mri", "people"): own.People,
    ("mri", "inversebench"): host.HostMRI,
    ("", "files"): own.Files,
}
""""" stands for any problem."""
