"""Images, labels and runs over settings."""

from io import BytesIO
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lmaps_science.benchmark.figures import Curve, draw_curves, in_the_dark, png
from lmaps_science.benchmark.labels import Label, Point, write_labels
from lmaps_science.benchmark.scans import scans
from lmaps_science.benchmark.statistics import Estimate
from lmaps_science.benchmark.suite import Method
from lmaps_science.plot import new_figure


def method(label: str, steps: int | None, **options: Any) -> Method:
    return Method(label, "lmaps", steps=steps, options=options)


def test_runs_over_levels_and_inner_steps():
    exact = [method(f"exact {steps}", steps) for steps in (5, 50, 20)]
    gradient = [
        method(f"{inner} {steps}", steps, solver="gradient", num_inner_steps=inner, learning_rate=r)
        for inner, r in ((1, 0.3), (10, 0.1), (100, 0.03))
        for steps in (5, 50)
    ]
    found = scans([*exact, *gradient, Method("TV", "tv", options={"strength": 0.1})])
    assert list(found) == ["steps", "num_inner_steps", "learning_rate"]
    steps = {run.label: run.methods for run in found["steps"]}
    assert steps["lmaps"] == {5: "exact 5", 20: "exact 20", 50: "exact 50"}
    assert steps["solver gradient, num_inner_steps 10"] == {5: "10 5", 50: "10 50"}
    assert [run.label for run in found["num_inner_steps"]] == ["steps 5", "steps 50"]
    assert found["num_inner_steps"][1].methods == {1: "1 50", 10: "10 50", 100: "100 50"}


def test_two_values_make_no_run():
    assert scans([method("a", 5), method("b", 10)]) == {}
    assert scans([method("a", 5, eta=1), method("b", 10, eta=0), method("c", 20, k1=1.0)]) == {}


@pytest.mark.parametrize("seed", range(5))
def test_no_label_covers_another(seed: int):
    generator = np.random.default_rng(seed)
    points = [Point(*at, 0.02, 0.03) for at in generator.uniform(0.1, 0.9, (12, 2))]
    labels = [Label(f"method {k}", "k", [point]) for k, point in enumerate(points)]
    with new_figure(4.8, 3.3) as figure:
        ax = figure.subplots()
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        written = write_labels(ax, labels, points, "k")
        boxes = [text.get_bbox_patch() or text.get_window_extent() for text in written]
        frame = ax.get_window_extent()
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


def test_large_images_are_reduced_and_keep_their_mean():
    image = np.random.default_rng(0).uniform(size=(900, 700))
    picture = Image.open(BytesIO(png(image, (0, 1), "gray", "upper")))
    assert picture.size == (234, 300)
    assert np.asarray(picture.convert("L")).mean() == pytest.approx(127.5, abs=1)


def test_rows_from_below_are_turned():
    image = np.array([[0.0, 0.0], [1.0, np.nan]])
    picture = Image.open(BytesIO(png(image, (0, 1), "gray", "lower")))
    assert np.asarray(picture.convert("L")).tolist() == [[255, 0], [0, 0]]


def test_plots_by_day_and_night():
    curve = Curve("a", [(Estimate(2.0, 5.0, 3), Estimate(1.0, None, 1))], first=True)
    day = draw_curves([curve, Curve("b", level=2.0)], "seconds", "dB")
    assert b"#d55e00" in day
    assert b"#d55e00" not in in_the_dark(day)
    assert draw_curves([curve, Curve("b", level=2.0)], "seconds", "dB") == day
