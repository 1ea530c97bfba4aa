"""The report of a reconstruction: one self-contained HTML page."""

import base64
from html import escape
from importlib import resources
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmaps_science.result import Result

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{notes}
{figure}
{controls}
{sections}
</body>
</html>
"""


def page_style() -> str:
    """The style sheet that all reports share."""
    return resources.files("lmaps_science").joinpath("report.css").read_text(encoding="utf-8")


def data_uri(picture: bytes, kind: str) -> str:
    """An image of the MIME type ``image/kind`` as an address within the page."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def render_report(result: "Result", figure: bytes, controls: bytes = b"") -> str:
    """HTML page of a reconstruction.

    Parameters
    ----------
    result : Result
        What to report.
    figure, controls : bytes
        Its figure and, where it has any, its controls', PNG.

    Returns
    -------
    str
        The page; it refers to no other file.
    """
    summary = result.summary
    sections = {
        "Result": _result_rows(result),
        "Dropped samples": {f"{d['sample'] + 1}": d["reason"] for d in summary["dropped"]},
        "Settings": _settings_rows(summary),
        "Provenance": _provenance_rows(summary),
    }
    return _PAGE.format(
        style=page_style(),
        title=escape(f"{result.problem.title}: {PurePath(summary['input']).name}"),
        lead=escape(_lead(summary, result.problem.quantity)),
        notes="".join(f'<p class="note">{escape(note)}</p>' for note in summary["notes"]),
        figure=_image(figure, "Reconstruction and its fit to the data"),
        sections="".join(_section(title, rows) for title, rows in sections.items() if rows),
        controls=_controls(result, controls) if result.controls else "",
    )


def render_volume(summary: dict[str, Any], picture: bytes) -> str:
    """HTML page of a scan of several slices, with links to their own.

    Parameters
    ----------
    summary : dict
        What `reconstruct_volume` returns.
    picture : bytes
        Its slices side by side, PNG.

    Returns
    -------
    str
        The page; it refers to the slices' pages beside it.
    """
    slices, broken = summary["slices"], summary["broken"]
    count = len(slices) + len(broken)
    sections = {
        "Slices that could not be reconstructed": {_part(part): part["reason"] for part in broken},
        "Provenance": {
            "Input": summary["input"],
            "Command": summary["command"] or "",
            "Made": summary["created"],
        },
    }
    return _PAGE.format(
        style=page_style(),
        title=escape(f"MRI: {PurePath(summary['input']).name}"),
        lead=escape(f"{len(slices)} of {count} slices, {sum(s['seconds'] for s in slices):.0f} s."),
        notes="",
        figure=_image(picture, "All slices"),
        controls=_slices(slices),
        sections="".join(_section(title, rows) for title, rows in sections.items() if rows),
    )


def _part(part: dict[str, Any]) -> str:
    return f"slice {part['slice_index']}, contrast {part['contrast']}"


def _slices(slices: list[dict[str, Any]]) -> str:
    """Table of the slices, each with a link."""
    rows = []
    for part in slices:
        metrics = part["metrics"]
        truth = "" if metrics is None else f"{metrics['psnr']:.2f} dB, {metrics['ssim']:.4f}"
        link = f'<a href="{escape(part["folder"])}/report.html">{_part(part)}</a>'
        cells = (f"{part['data_fit']:.3g}", f"{part['acceleration']:.2f}", truth)
        rows.append(f"<tr><td>{link}</td>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    titles = "".join(
        f"<th>{t}</th>" for t in ("", "χ² per datum", "acceleration", "PSNR, SSIM where known")
    )
    return (
        f'<h2>Slices</h2>\n<table class="wide">\n<tr>{titles}</tr>\n' + "\n".join(rows) + "</table>"
    )


def _image(png: bytes, description: str) -> str:
    return f'<img src="{data_uri(png, "png")}" alt="{escape(description)}">'


def _controls(result: "Result", picture: bytes) -> str:
    """Known objects, measured and reconstructed as the file's, in a picture and a table."""
    rows = {
        name.replace("_", " "): result.problem.describe_control(control)
        for name, control in result.controls.items()
    }
    titles = "".join(f"<th>{escape(title)}</th>" for title in next(iter(rows.values())))
    body = "\n".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(f"<td>{escape(value)}</td>" for value in row.values())
        + "</tr>"
        for name, row in rows.items()
    )
    return (
        "<h2>Controls</h2>\n<p>Known objects with this measurement's coverage and noise, "
        f"reconstructed in the same way.</p>\n{_image(picture, 'Controls')}\n"
        f'<table class="wide">\n<tr><th></th>{titles}</tr>\n{body}\n</table>\n'
    )


def _lead(summary: dict[str, Any], quantity: str) -> str:
    count, grid = summary["kept_samples"], "×".join(map(str, summary["grid_shape"]))
    image = f"mean of {count} samples" if count > 1 else "one sample"
    return (
        f"{quantity[0].upper()}{quantity[1:]} on {grid} pixels, {image} of the method "
        f"{summary['method']!r}, "
        f"χ² per datum {summary['data_fit']:.3g}, {summary['seconds']:.1f} s."
    )


def _result_rows(result: "Result") -> dict[str, str]:
    summary, quantity = result.summary, result.problem.quantity
    rows = {
        "χ² per datum (1: the noise)": f"{summary['data_fit']:.4g}",
        **result.problem.describe_image(result),
    }
    spread = summary["spread"]
    if spread is not None:
        rows["Spread, mean over the image"] = f"{spread['mean_std']:.3g}, {quantity}"
        rows["Is it calibrated"] = spread["calibration"]
        if spread["coverage_90"] is not None:
            rows["Pixels within their 90 % interval"] = f"{100 * spread['coverage_90']:.1f} %"
    rows["Time"] = (
        f"{summary['seconds']:.1f} s; noise levels of the image {summary['sampling_seconds']:.1f} "
        f"s, of it the prior {summary['denoiser_seconds']:.1f} s"
    )
    return rows


def _settings_rows(summary: dict[str, Any]) -> dict[str, str]:
    dropped = summary["dropped_samples"]
    rows = {
        "Method": summary["method"],
        "Samples": f"{summary['num_samples']}" + (f", {dropped} dropped" if dropped else ""),
        "Noise levels": f"{summary['num_steps']}" if summary["num_steps"] else "none",
        "Seed": f"{summary['seed']}",
        "Device": summary["device"],
    }
    if summary["covariance"] is not None:
        rows["Covariance, image"] = f"{summary['covariance']}, mode of the local posterior"
    if summary["spread"] is not None:
        rows["Covariance, spread"] = (
            f"{summary['spread']['covariance']} × {summary['spread']['width']:g}, "
            f"{summary['spread']['num_samples']} samples of the local posterior (a run of its own)"
        )
    return rows


def _provenance_rows(summary: dict[str, Any]) -> dict[str, str]:
    versions = ", ".join(f"{name} {value}" for name, value in summary["versions"].items())
    rows = {
        "Input": summary["input"],
        "SHA-256 of the input": summary["input_sha256"],
        "Prior": summary["prior"] or "none",
        "SHA-256 of the prior": summary["prior_sha256"],
        "Command": summary["command"],
        "Versions": versions,
        "Machine": summary["machine"],
        "Made": summary["created"],
    }
    return {name: value for name, value in rows.items() if value is not None}


def _section(title: str, rows: dict[str, str]) -> str:
    cells = "\n".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows.items()
    )
    return f"<h2>{escape(title)}</h2>\n<table>\n{cells}\n</table>\n"
