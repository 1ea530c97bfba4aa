"""Figures and tables of the paper's studies, from the folder of a benchmark run.

lmaps benchmark run paper --out DIR        or paper-steps, paper-methods, ..., one of them
python benchmarks/paper.py DIR

Seconds are those of the processor, on one core.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS
from numpy.typing import NDArray

from lmaps_science.benchmark.formats import FORMATS
from lmaps_science.benchmark.mixture import KnownMeasurement, modes
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.suite import Group
from lmaps_science.benchmark.table import tables
from lmaps_science.benchmark.task import Task
from lmaps_science.plot import BLUE, GREY, ORANGE, new_figure

FIGURES = Path(__file__).parents[1] / "docs"

Rows = Sequence[Mapping[str, Any]]
Groups = Sequence[tuple[Group, Rows]]
"""Groups of a study with their results."""


def main() -> None:
    """Draw, print and keep every study that the folder holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--figures", type=Path, default=FIGURES)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    store = Store(options.folder)
    rows = list(store.rows())
    for study, draw in STUDIES.items():
        found = [
            (group, of_group)
            for group in store.suite.groups
            if study_of(group) == study
            and (of_group := shared([row for row in rows if row["group"] == group.name]))
        ]
        if found:
            draw(found, store, options.figures / f"paper_{study}.png")
            text = heading(study) + table(store, [row for _, r in found for row in r])
            (options.results / f"paper_{study}.md").write_text(text, encoding="utf-8")
            print(text)


def heading(study: str) -> str:
    """Title, and how to make it."""
    commands = f"`lmaps benchmark run paper-{study} --out DIR`, `python benchmarks/paper.py DIR`"
    return f"# The paper's studies: {study}\n\n{commands}\n\n"


def shared(rows: Rows) -> Rows:
    """Rows of the cases that all methods have, so that an unfinished run compares the same ones."""
    methods = {row["method"] for row in rows}
    of_case: dict[str, set[str]] = {}
    for row in rows:
        of_case.setdefault(row["case"], set()).add(row["method"])
    return [row for row in rows if of_case[row["case"]] == methods]


def study_of(group: Group) -> str:
    """Steps, methods, sensitivity or mixture."""
    return "mixture" if group.problem == "mixture" else group.name.split(", ")[-1]


def table(store: Store, rows: Rows) -> str:
    """Markdown of the groups' tables, then of every case, and the constants that were tuned."""
    lines = [FORMATS["markdown"](tables(store, rows), rows), "## Per case", ""]
    metric = "sliced_wasserstein" if "sliced_wasserstein" in rows[0] else "psnr"
    cases = list(dict.fromkeys(row["case"] for row in rows))
    lines += [f"{metric}, and mean seconds of the processor:", ""]
    lines += [f"| group | method | {' | '.join(cases)} | s |", "|" + "---|" * (3 + len(cases))]
    for group, method in dict.fromkeys((row["group"], row["method"]) for row in rows):
        of_it = [row for row in rows if (row["group"], row["method"]) == (group, method)]
        values = {row["case"]: f"{row[metric]:.3f}" for row in of_it}
        shown = " | ".join(values.get(case, "–") for case in cases)
        seconds = mean(of_it, "cpu_seconds")[method]
        lines.append(f"| {group} | {method} | {shown} | {seconds:.2g} |")
    lines.append("")
    for group, method in dict.fromkeys((row["group"], row["method"]) for row in rows):
        if (tuned := store.tuned(group, method)) is not None:
            edge = f" (at the edge: {', '.join(e)})" if (e := tuned["at_the_edge"]) else ""
            lines.append(
                f"- {group}, {method}: {tuned['options']}, chosen on {', '.join(tuned['cases'])} "
                f"among {[p['options'] for p in tuned['points']]}{edge}"
            )
    machine = rows[0]["host"].split("(")[-1].rstrip(")")
    lines.append(
        f"- one core, {machine}, shared with other work: the wall-clock s of the tables above say "
        f"little. torch {rows[0]['host_versions']['torch']}, {rows[-1]['date'][:10]}"
    )
    return "\n".join(lines) + "\n"


def mean(rows: Rows, name: str) -> dict[str, float]:
    """Mean over cases of a figure by method."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["method"], []).append(row[name])
    return {method: float(np.mean(values)) for method, values in found.items()}


def option(rows: Rows, name: str, default: float | None = None) -> dict[str, Any]:
    """An option by method."""
    return {row["method"]: row["settings"]["options"].get(name, default) for row in rows}


def draw_steps(groups: Groups, _store: Store, path: Path) -> None:
    """PSNR and seconds by noise levels and inner steps."""
    with new_figure(9.6, 3.4) as figure:
        for ax, (group, rows) in zip(
            figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True
        ):
            quality, seconds = mean(rows, "psnr"), mean(rows, "cpu_seconds")
            inner = option(rows, "num_inner_steps")
            levels = {row["method"]: row["settings"]["steps"] for row in rows}
            across = [*sorted({k for k in inner.values() if k is not None}), None]
            down = sorted(set(levels.values()))
            grid = np.full((len(down), len(across)), np.nan)
            for method, value in quality.items():
                place = down.index(levels[method]), across.index(inner[method])
                grid[place] = value
                ax.text(
                    *place[::-1],
                    f"{value:.1f}\n{seconds[method]:.1f} s",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="black" if value > np.nanmean(list(quality.values())) else "white",
                )
            highest = np.nanmax(grid)
            ax.imshow(grid, cmap="viridis", vmin=highest - 8, vmax=highest, aspect="auto")
            ax.axvline(len(across) - 1.5, color="white", linewidth=3)
            ax.set_xticks(range(len(across)), [str(k or "exact") for k in across])
            ax.set_yticks(range(len(down)), map(str, down))
            ax.set_xlabel("inner steps K")
            ax.set_ylabel("noise levels (NFE)")
            ax.set_title(f"{title(group)}: PSNR in dB, seconds")
        figure.savefig(path)


def draw_methods(groups: Groups, _store: Store, path: Path) -> None:
    """PSNR of each case and of their mean, with the seconds that it took."""
    with new_figure(9.6, 3.4) as figure:
        axes = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
        for ax, (group, rows) in zip(axes, groups, strict=True):
            quality, seconds = mean(rows, "psnr"), mean(rows, "cpu_seconds")
            for place, (method, value) in enumerate(quality.items()):
                cases = [row["psnr"] for row in rows if row["method"] == method]
                ax.plot(cases, [place] * len(cases), "|", color=GREY, markersize=9)
                ours = method.startswith("LMAPS")
                ax.plot(value, place, "o", color=ORANGE if ours else BLUE)
                ax.text(
                    1.02, place, f"{seconds[method]:.2g} s", transform=ax.get_yaxis_transform(),
                    va="center", fontsize=8,
                )  # fmt: skip
            ax.set_yticks(range(len(quality)), quality)
            ax.grid(axis="x", alpha=0.3)
            ax.set_xlabel("PSNR, dB")
            ax.set_title(title(group))
        axes[0].invert_yaxis()
        figure.savefig(path)


def draw_sensitivity(groups: Groups, _store: Store, path: Path) -> None:
    """PSNR against k2 / k1^2, exact and by gradient, and against the learning rate."""
    with new_figure(9.6, 3.0 * len(groups)) as figure:
        grid = figure.subplots(len(groups), 2, squeeze=False, sharey="row")
        for (left, right), (group, rows) in zip(grid, groups, strict=True):
            quality = mean(rows, "psnr")
            k1, k2 = option(rows, "k1"), option(rows, "k2")
            inner, rate = option(rows, "num_inner_steps"), option(rows, "learning_rate")
            ratio = {m: k2[m] / k1[m] ** 2 for m in quality if k1[m] is not None}
            for value, marker in ((0.1, "v"), (1, "o"), (10, "^")):
                points = sorted(
                    (ratio[m], quality[m]) for m in ratio if inner[m] is None and k1[m] == value
                )
                left.semilogx(
                    *np.transpose(points), marker, color=BLUE, label=f"exact, k1 = {value:g}"
                )
            usual = [m for m in ratio if inner[m] is not None and rate[m] == 0.03]
            left.semilogx(
                *np.transpose(sorted((ratio[m], quality[m]) for m in usual)),
                "s-",
                color=ORANGE,
                markersize=4,
                label="K = 100, rate 0.03",
            )
            left.axvline(1e8, color=GREY, linestyle="--", label="calibrated")
            left.set_xlabel("k2 / k1²")
            left.set_ylabel("PSNR, dB")
            left.set_title(title(group))
            rates = [m for m in ratio if inner[m] is not None and ratio[m] == 1e8 and k1[m] == 1]
            right.semilogx(
                *np.transpose(sorted((rate[m], quality[m]) for m in rates)),
                "s-",
                color=ORANGE,
                markersize=4,
                label="K = 100, calibrated k1 and k2",
            )
            right.axhline(quality["exact, calibrated"], color=BLUE, label="exact")
            right.set_xlabel("learning rate")
            right.set_title(title(group))
        for ax in grid[0]:
            ax.legend(fontsize=7)
        figure.savefig(path)


SHOWN = ("exact posterior", "LMAPS", "LMAPS sample", "DAPS", "DPS", "SITCOM")


def draw_mixture(groups: Groups, store: Store, path: Path) -> None:
    """Samples over the posterior of the case of two dimensions that LMAPS does worst in."""
    group, rows = next((g, r) for g, r in groups if g.options["dimension"] == 2)
    ours = [row for row in rows if row["method"] == "LMAPS"]
    case = max(ours, key=lambda row: row["sliced_wasserstein"])["case"]
    measurement: Any = group.source().measure(case, "cpu")
    figures = {row["method"]: row for row in rows if row["case"] == case}
    with new_figure(7.2, 7.4) as figure:
        axes = figure.subplots(2, 3, sharex=True, sharey=True).flat
        for ax, method in zip(axes, SHOWN, strict=True):
            draw_density(ax, measurement)
            x = store.arrays(Task(group.name, case, method, 0))["samples"][:, 0]
            ax.plot(*x.T, ".", color=BLUE, markersize=3.5, alpha=0.6)
            best = modes(measurement.posterior)[0, 0, 0].numpy()
            ax.plot(*best, "*", color=ORANGE, markersize=12, markeredgecolor="white")
            row = figures[method]
            ax.set_title(
                f"{method}\ndistance {row['sliced_wasserstein']:.2f}\n"
                f"{100 * row['at_global_map']:.0f} % at the global MAP"
            )
        figure.savefig(path)


def draw_density(ax: Any, measurement: KnownMeasurement) -> None:  # noqa: ANN401
    """Contours of the posterior's density, and a frame about them."""
    import torch

    drawn = measurement.posterior.sample(2000, torch.Generator().manual_seed(1))[:, 0, 0]
    low, high = drawn.amin(0) - 0.5, drawn.amax(0) + 0.5
    x, y = (torch.linspace(float(a), float(b), 200) for a, b in zip(low, high, strict=True))
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 1, 1, 2).double()
    density: NDArray = measurement.posterior.log_prob(points).view(200, 200).numpy()
    levels = density.max() - np.array([8, 6, 4, 2, 1, 0])
    ax.contourf(x, y, density, levels, cmap="Greys", alpha=0.7)
    ax.set_aspect("equal")


def title(group: Group) -> str:
    """What tells the groups of a study apart."""
    return group.name.split(", ")[0]


STUDIES: dict[str, Callable[[Groups, Store, Path], None]] = {
    "steps": draw_steps,
    "methods": draw_methods,
    "sensitivity": draw_sensitivity,
    "mixture": draw_mixture,
}

if __name__ == "__main__":
    main()
