"""The problems by name."""

from lmaps_science.imaging.blackhole import BlackHole
from lmaps_science.imaging.mri import MRI
from lmaps_science.imaging.restoration import Restoration
from lmaps_science.imaging.scattering import Scattering
from lmaps_science.problem import Problem

PROBLEMS: dict[str, Problem] = {
    kind.name: kind for kind in (Scattering(), BlackHole(), MRI(), Restoration())
}
