"""Tables: means, errors, differences, and what never shares one."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from lmaps_science.benchmark.formats import FORMATS
from lmaps_science.benchmark.statistics import difference, estimate
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.table import table_of, tables
from tests.benchmark.tiny import tiny_suite


def test_estimate():
    assert estimate([1.0, 2.0, 3.0]) == pytest.approx((2.0, 1 / np.sqrt(3), 3))
    assert estimate([1.0]).error is None


def test_differences_are_paired():
    generator = np.random.default_rng(0)
    reference = {f"{k}": 10 * generator.standard_normal() for k in range(30)}
    better = {k: v + 1 + 0.1 * generator.standard_normal() for k, v in reference.items()}
    found = difference(better, reference)
    assert found is not None
    assert found.mean == pytest.approx(1.0, abs=0.1)
    assert found.low is not None
    assert found.high is not None
    assert 0.8 < found.low < found.mean < found.high < 1.2
    assert found == difference(better, reference)


def test_differences_of_few_cases_have_no_interval():
    assert difference({"a": 1.0}, {"b": 1.0}) is None
    assert difference({"a": 3.0, "b": 9.0}, {"a": 1.0}) == (2.0, None, None, 1)


def test_the_interval_covers_as_often_as_it_says():
    generator = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        drawn = {f"{k}": float(v) for k, v in enumerate(generator.standard_normal(20))}
        found = difference(drawn, dict.fromkeys(drawn, 0.0))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0 <= found.high
    assert 170 <= inside <= 198


def test_means_are_over_cases_each_the_mean_over_seeds(prior: Path):
    (group,) = tiny_suite(prior).groups
    psnr = {("a", 0): 10.0, ("a", 1): 20.0, ("b", 0): 30.0}
    rows = [
        {"group": group.name, "case": case, "method": "LMAPS", "seed": seed, "psnr": value}
        for (case, seed), value in psnr.items()
    ]
    (line,) = table_of(group, rows).lines
    assert line.metrics["psnr"] == pytest.approx((22.5, 7.5, 2))


@pytest.mark.parametrize("style", FORMATS)
def test_every_format_tells_every_method(finished: Store, style: str):
    rows = list(finished.rows())
    text = FORMATS[style](tables(finished, rows), rows)
    assert all(label in text for label in ("LMAPS, spread", "TV", "Tikhonov"))
    assert "nan" not in text.lower()


def test_rows_of_csv_and_json(finished: Store):
    rows = list(finished.rows())
    found = json.loads(FORMATS["json"](tables(finished, rows), rows))
    assert [row["psnr"] for row in found["rows"]] == [row["psnr"] for row in rows]
    table = list(csv.DictReader(io.StringIO(FORMATS["csv"]([], rows))))
    assert [float(row["psnr"]) for row in table] == [row["psnr"] for row in rows]
    varying = {
        key
        for a, b in zip(rows, found["rows"], strict=True)
        for key in a
        if any(part in key for part in ("seconds", "memory", "host", "date")) and b[key] is not None
    }
    assert {"seconds", "cpu_seconds", "peak_memory_mib", "host", "date"} <= varying


def test_results_are_as_the_schema_says(finished: Store):
    from importlib import resources

    import jsonschema

    schema = json.loads(
        resources.files("lmaps_science.benchmark").joinpath("schema.json").read_text()
    )
    rows = list(finished.rows())
    found = json.loads(FORMATS["json"](tables(finished, rows), rows))
    jsonschema.validate(found, schema)
    found["rows"][0]["psnr"] = "high"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, schema)


def test_missing_results_are_told(finished: Store):
    rows = list(finished.rows())[1:]
    (table,) = tables(finished, rows)
    assert table.missing == 1
    assert "1 results are missing" in FORMATS["markdown"]([table], rows)
