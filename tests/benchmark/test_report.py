"""The report of a benchmark, opened in a browser."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from lmaps_science.benchmark.gallery import chosen
from lmaps_science.benchmark.report import render
from lmaps_science.benchmark.store import Store
from tests.benchmark.made_up import CASES, LONG, METHODS, SCRIPT, made_up
from tests.benchmark.tiny import METHODS as METHODS_OF_TINY
from tests.benchmark.tiny import tiny_content
from tests.cli import lmaps, one_line_error

FLAGS = (
    "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
    "disable-background-networking", "disable-component-update", "disable-sync",
    "disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return made_up(tmp_path_factory.mktemp("made-up") / "run")


@pytest.fixture(scope="module")
def html(store: Store) -> str:
    return render(store)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("the report was not opened: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with Chrome(options, Service(driver)) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(chrome: Chrome, html: str, tmp_path_factory: pytest.TempPathFactory) -> Chrome:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, encoding="utf-8")
    chrome.get(path.as_uri())
    chrome.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    return chrome


def test_nothing_fails_and_nothing_is_fetched(page: Chrome):
    assert [entry["message"] for entry in page.get_log("browser")] == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    here = page.current_url
    urls = {told["request"]["url"] for told in asked if told["documentURL"] == here}
    assert here in urls
    assert all(url.startswith("data:image/") for url in urls - {here})


def test_every_figure_is_there(page: Chrome):
    images = page.execute_script(
        "return [...document.images].map(i => [i.alt, i.complete && i.naturalWidth])"
    )
    assert all(width > 0 for _, width in images)
    # Three cases of each group: a truth, an image and an error of all methods but the empty one,
    # and a spread of one, less the result that is missing; plots over seconds and denoiser calls,
    # and over the steps of the second group, for light and dark pages.
    assert len(images) == 3 * (1 + 2 * 3 + 1) + 3 * (1 + 2 * 7) - 2 + 2 * (2 + 3)


def column(page: Chrome, title: str) -> tuple[WebElement, WebElement, int]:
    """The first table, the header of one of its columns, and the column's number."""
    table = page.find_element(By.CSS_SELECTOR, "table.sortable")
    headers = table.find_elements(By.CSS_SELECTOR, "thead th")
    number = [header.text for header in headers].index(title)
    return table, headers[number], number


def values(table: WebElement, number: int) -> list[str]:
    rows = table.find_elements(By.CSS_SELECTOR, "tbody tr")
    return [row.find_elements(By.CSS_SELECTOR, "th, td")[number].text for row in rows]


def test_tables_sort(page: Chrome):
    table, header, number = column(page, "PSNR, dB")
    before = values(table, number)
    assert header.get_attribute("aria-sort") is None
    upwards = ["9.20 ± 0.07", "10.20 ± 0.07", "11.20 ± 0.07", "–"]
    assert before == upwards
    button = header.find_element(By.TAG_NAME, "button")
    button.click()
    assert values(table, number) == upwards
    assert header.get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.ENTER)
    assert values(table, number) == [*upwards[2::-1], "–"]
    assert header.get_attribute("aria-sort") == "descending"
    methods = table.find_element(By.CSS_SELECTOR, "th button")
    methods.click()
    assert header.get_attribute("aria-sort") is None
    assert values(table, 0) == [SCRIPT, "empty", 'ℓ1 "quoted" & 方法 $x_1$', LONG]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_as_wide_as_the_window(page: Chrome, width: int, scheme: str):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    root = "document.documentElement"
    wide, inside = page.execute_script(f"return [{root}.scrollWidth, {root}.clientWidth]")
    assert wide == inside <= width
    boxes = page.find_elements(By.CLASS_NAME, "scroll")
    assert any(box.get_property("scrollWidth") > box.get_property("clientWidth") for box in boxes)
    dark = page.execute_script("return getComputedStyle(document.body).color")
    assert (dark == "rgb(26, 26, 26)") == (scheme == "light")


def test_names_do_no_harm(page: Chrome):
    assert len(page.find_elements(By.TAG_NAME, "script")) == 1
    assert not page.find_elements(By.CSS_SELECTOR, "body b, body i")
    text = page.find_element(By.TAG_NAME, "body").text
    for name in (
        *METHODS,
        SCRIPT,
        LONG,
        "方 & <b>",
        "<i>cells</i>",
        "<b>Nothing</b> was computed.",
    ):
        assert name in text


def test_what_to_know_is_said(html: str):
    for told in (
        "spread not calibrated here: too narrow, its 90 % intervals hold the truth in 70 % of the",
        '<span class="badge">spread not calibrated here: too narrow</span>',
        "<div>the spread is NOT calibrated: nobody tried</div>",
        "strength 0.001 was the best of the values tried and lies at their edge",
        "Seconds and memory are of 2 machines",
        "1 results are missing",
        "3 of 5 cases, evenly spaced by PSNR",
        "2 are not shown",
        "1f" * 32,
        "machine 1",
    ):
        assert told in html


def test_groups_never_share_a_table(html: str):
    parts = html.partition('id="provenance"')[0].split('<section id="group-')[1:]
    first, second = (part.partition("<h2")[2] for part in parts)
    assert "K=10, 20 levels" in second
    assert "K=10, 20 levels" not in first
    assert LONG in first
    assert LONG not in second


def test_the_best_the_middle_and_the_worst_case(store: Store):
    group, _ = store.suite.groups
    rows = [{"method": "a", "case": f"{k}", "psnr": 30.0 - k} for k in range(9)]
    told = [("0", "the best of 9"), ("4", "number 5 of 9"), ("8", "the worst of 9")]
    assert chosen(group, rows, 3) == told
    assert chosen(replace(group, metric="nmse"), rows, 2) == [("0", ""), ("1", "")]
    assert len(chosen(group, rows, 20)) == 9
    assert chosen(group, rows[:1], 3) == [("0", "")]


def test_command_line(store: Store, html: str, tmp_path: Path):
    out = tmp_path / "page.html"
    done = lmaps("benchmark", "report", store.folder, "--out", out)
    assert done.exit_code == 0, done.output
    assert out.read_text(encoding="utf-8") == html
    empty = Store.create(tmp_path / "empty", store.suite, {"cases": CASES})
    error = one_line_error(lmaps("benchmark", "report", empty.folder))
    assert "holds no results yet" in error


def test_a_run_writes_its_report(prior: Path, tmp_path: Path):
    suite = tmp_path / "tiny.yaml"
    methods = {"Tikhonov": METHODS_OF_TINY["Tikhonov"]}
    suite.write_text(yaml.safe_dump(tiny_content(prior, 1, methods=methods)))
    run = ("benchmark", "run", suite, "--out", tmp_path / "run")
    assert lmaps(*run, "--no-report").exit_code == 0
    assert not (tmp_path / "run" / "report.html").exists()
    assert lmaps(*run, "--resume").exit_code == 0
    assert "Tikhonov" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
