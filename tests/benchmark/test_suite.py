"""Suites: those of the package, and what is wrong with a user's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lmaps_science.benchmark.names import file_name
from lmaps_science.benchmark.suite_file import list_suites, read_suite, suite_from_dict
from tests.benchmark.tiny import tiny_content


@pytest.mark.parametrize("name", list_suites())
def test_suites_of_the_package_are_sound(name: str):
    suite = read_suite(name)
    assert suite.description
    assert suite_from_dict(suite.to_dict(), name, name) == suite


def test_smoke_needs_nothing_but_the_package():
    for group in read_suite("smoke").groups:
        source = group.source()
        assert group.case_names(source)
        assert not source.provenance()


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(seed=[0]), "unknown key 'seed'.*did you mean 'seeds'"),
        (lambda c: c.update(seeds=["a"]), "seeds: expected a list of integers"),
        (lambda c: c.update(groups=[]), "groups: expected one or more, got none"),
        (lambda c: c.update(groups={}), "groups: expected a list, got dict"),
        (lambda c: c["groups"][0].update(methods=[]), "methods: expected a mapping, got list"),
        (lambda c: c["groups"][0].pop("prior"), "group small objects: prior missing"),
        (lambda c: c["groups"][0].update(problem="mrt"), "problem 'mrt': expected one of"),
        (lambda c: c["groups"][0].update(data="cats"), "data 'cats': expected one of nuclei"),
        (lambda c: c["groups"][0].update(options={"pixels": 3}), "pixels: not an option of data"),
        (lambda c: c["groups"][0].update(methods={"a": {"method": "lmap"}}), "you mean 'lmaps'"),
        (lambda c: c["groups"][0].update(methods={"a": {"method": "tv", "strength": 1}}),
         "unknown key 'strength'"),
        (lambda c: c["groups"][0].update(methods={"a": {"method": "tv", "options": {"k": 1}}}),
         "k: not an option of method 'tv', which has strength"),
        (lambda c: c["groups"][0].update(methods={"a": {"method": "tv"}, "A": {"method": "tv"}}),
         "'a' and 'A' would share a file"),
        (lambda c: c["groups"].append(c["groups"][0]), "would share a file"),
        (lambda c: c["groups"][0].update(methods={"a": {"method": "lmaps", "samples": 0}}),
         "samples: expected at least 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line(prior: Path, change: Change, message: str):
    content = tiny_content(prior)
    change(content)
    with pytest.raises(ValueError, match=message) as caught:
        suite_from_dict(content, "mine.yaml", "mine")
    assert str(caught.value).startswith("mine.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "mine.yaml: "), ("- 1", "expected a mapping with groups"), ("", "groups missing")],
)
def test_files_that_are_no_suite(tmp_path: Path, text: str, message: str):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_suite(path)


def test_unknown_suites_are_named():
    with pytest.raises(ValueError, match="did you mean 'smoke'"):
        read_suite("smok")
    with pytest.raises(FileNotFoundError):
        read_suite("nowhere.yaml")


def test_cases(prior: Path):
    def names(**changes: object) -> list[str]:
        group = suite_from_dict(tiny_content(prior, **changes), "", "").groups[0]
        return group.case_names(group.source())

    assert names(cases=2) == ["shapes-001", "shapes-002"]
    assert names(cases=["shapes-007"]) == ["shapes-007"]
    with pytest.raises(ValueError, match="at most 100 cases"):
        names(cases=101)
    with pytest.raises(
        ValueError, match=r"no case 'shapes-7' in data 'shapes': expected .*-008, …"
    ):
        names(cases=["shapes-7"])


def test_no_case_is_tuned_on_and_scored(prior: Path):
    group = suite_from_dict(tiny_content(prior, tuning=["shapes-001"]), "", "").groups[0]
    with pytest.raises(ValueError, match="shapes-001 would be tuned on and scored"):
        group.tuning_names(group.source())


def test_file_names():
    assert file_name("LMAPS, mean of 8") == "lmaps-mean-of-8"
    assert file_name("ℓ1 ×4 ../x") == "l1-4-..-x"
    assert file_name("../..") == "unnamed"
