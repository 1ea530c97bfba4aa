"""Black-hole imaging: a crescent as the Event Horizon Telescope would see it.

The array, a night's coverage, its noise and the stations' unknown gains are simulated; only
closure quantities, which the gains do not change, are used.
"""

import sys
from pathlib import Path

from lmaps_science import LMAPS, load_prior
from lmaps_science.plot import save_images
from lmaps_science.problems import BlackHoleImaging
from lmaps_science.problems.blackhole.array import observe
from lmaps_science.problems.blackhole.controls import control_images, correlation, simulate
from lmaps_science.problems.blackhole.ring import measure_ring

truth = control_images()["crescent"]  # 42 µas, brightest at 168.5° east of north
operator = BlackHoleImaging.from_observations([simulate(observe(), truth)])
samples = LMAPS(load_prior("blackhole-64"), operator)(operator.y, num_samples=4).samples[0]

phases, amplitudes = operator.chi_squared(samples, operator.y)
for x, phase, amplitude in zip(samples, phases, amplitudes, strict=True):
    ring = measure_ring(x)
    print(
        f"ring {ring.is_ring}, {ring.diameter_uas:.1f} µas, brightest at "
        f"{ring.position_angle_deg:.0f}°; chi2 {phase:.2f} (closure phases), "
        f"{amplitude:.2f} (log amplitudes); correlation {float(correlation(x[None], truth)):.3f}"
    )

if len(sys.argv) > 1:
    images = {"truth": truth, **{f"sample {k + 1}": x for k, x in enumerate(samples)}}
    save_images(Path(sys.argv[1]) / "black_hole.png", images, cmap="afmhot", vmin=-1, vmax=1)
