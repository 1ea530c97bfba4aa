"""The report and the figure of a reconstruction."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from lmaps_science.reconstruction import reconstruct
from lmaps_science.report import render_report
from lmaps_science.result import Result
from tests.small import small_measurement, small_prior


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("report")
    file = small_measurement(folder / "a & b.h5")
    prior = small_prior(folder / "gaussian.safetensors")
    return reconstruct("scattering", file, prior=prior, samples=2, steps=3, command="lmaps <x>")


class Page(HTMLParser):
    """Addresses that a page refers to, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe")
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_report_is_one_page_that_says_where_it_comes_from(result: Result) -> None:
    page = Page(render_report(result, b"the picture"))
    (address,) = page.addresses
    assert base64.b64decode(address.removeprefix("data:image/png;base64,")) == b"the picture"
    assert "Inverse scattering: a & b.h5" in page.text
    summary = result.summary
    for expected in (
        summary["input_sha256"],
        summary["prior_sha256"],
        summary["versions"]["torch"],
        "lmaps <x>",
        f"{summary['metrics']['psnr']:.2f} dB",
        f"{100 * summary['spread']['coverage_90']:.1f} %",
    ):
        assert expected in page.text
    assert not re.search(r"https?://|@import|url\(", render_report(result, b""))


def test_report_shows_notes_and_leaves_out_what_is_not_there(result: Result) -> None:
    summary = {**result.summary, "notes": ["1 < 2"], "metrics": None, "spread": None}
    page = Page(render_report(replace(result, summary=summary), b""))
    assert "1 < 2" in page.text
    assert "PSNR" not in page.text
    assert "Spread" not in page.text


def panels(result: Result, path: Path) -> tuple[int, np.ndarray]:
    """Width and pixels of the figure."""
    result.problem.save_figure(result, path)
    pixels = matplotlib.image.imread(BytesIO(path.read_bytes()))
    return pixels.shape[1], pixels


def test_figure_has_a_panel_for_all_that_is_known(result: Result, tmp_path: Path) -> None:
    full, pixels = panels(result, tmp_path / "full.png")
    bare = replace(result, truth=None, std=None, summary={**result.summary, "metrics": None})
    narrow, _ = panels(bare, tmp_path / "bare.png")
    assert full == int(4 * 2.75 * 160)
    assert narrow < 0.7 * full
    assert pixels.std() > 0.1
    tikhonov = replace(result, history={"sigma": [], "data_fit": []})
    assert panels(tikhonov, tmp_path / "tikhonov.png")[0] == full
