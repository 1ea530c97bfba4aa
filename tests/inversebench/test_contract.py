"""What InverseBench calls on operators, networks and algorithms, recorded; ours answer alike.

``contract.json`` is what `record_contract` found in a checkout. Without a checkout these tests
hold our parts to the record; with one, the record is held to the checkout first.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

import lmaps_science.configs as configs
from tests.conftest import GOLDEN
from tests.inversebench.recorder import describe
from tests.inversebench.tiny import PROBLEMS, data, network, our_operator

CONTRACT = Path(__file__).with_name("contract.json")
ALGORITHMS = Path(configs.__file__).parent / "inversebench" / "algorithm"


OF_COEFFICIENTS = {"M", "S", "U", "Ut", "V", "Vt"}
"""How many singular values there are is each operator's own."""


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    return json.loads(CONTRACT.read_text())


def made(kind: Any) -> Any:
    """A value of a recorded kind."""
    if isinstance(kind, list):
        return [made(item) for item in kind]
    if isinstance(kind, dict) and kind.keys() == {"shape", "dtype"}:
        return torch.rand(kind["shape"]).to(getattr(torch, kind["dtype"]))
    if isinstance(kind, dict):
        return {key: made(item) for key, item in kind.items()}
    return {"int": 2, "float": 0.5}.get(kind, kind) if isinstance(kind, str) else kind


def in_single(kind: Any) -> Any:
    """A kind in single precision: ours compute in the image's, the host always in double."""
    if isinstance(kind, list):
        return [in_single(item) for item in kind]
    if isinstance(kind, dict) and "dtype" in kind:
        single = {"complex128": "complex64", "float64": "float32"}
        return {**kind, "dtype": single.get(kind["dtype"], kind["dtype"])}
    return kind


def one_for_each(kind: Any, batch: int) -> Any:
    """What is right where InverseBench's scattering answers for the first image of a batch."""
    first = isinstance(kind, dict) and kind.get("shape", [])[:1] == [1]
    return {**kind, "shape": [batch, *kind["shape"][1:]]} if first else kind


@pytest.mark.parametrize("problem", PROBLEMS)
def test_our_operator_answers_as_the_hosts(contract, problem):
    torch.manual_seed(0)
    ours, record = our_operator(problem, GOLDEN / "blackhole"), contract["algorithms"][problem]
    measured = data(problem)
    y = ours(measured)
    calls = record["operator"]["calls"]
    assert len(calls) > 10
    (measurement,) = (call for call in calls if call["name"] == "__call__")
    assert describe([measured]) == measurement["arguments"]
    assert describe(y) == measurement["returns"]
    for name, kind in record["operator"]["attributes"].items():
        assert hasattr(ours, name)
        if name not in OF_COEFFICIENTS:
            assert in_single(describe(getattr(ours, name))) == in_single(kind), name
    for call in calls:
        arguments, returns = made(call["arguments"]), call["returns"]
        if call["name"] == "V":
            arguments = [torch.rand(len(arguments[0]), len(ours.S)).to(arguments[0].dtype)]
        elif call["name"] in OF_COEFFICIENTS:
            returns = {**returns, "shape": [len(arguments[0]), len(ours.S)]}
        found = describe(getattr(ours, call["name"])(*arguments, **made(call["keywords"])))
        batch = len(arguments[0]) if isinstance(arguments[0], torch.Tensor) else 1
        expected = [in_single(kind) for kind in (returns, one_for_each(returns, batch))]
        assert in_single(found) in expected, (call["name"], found, returns)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_our_network_answers_as_the_hosts(contract, problem):
    net = network(problem)
    record = contract["algorithms"][problem]["network"]
    for name, kind in record["attributes"].items():
        assert describe(getattr(net, name)) == kind
    assert any(call["name"] == "__call__" for call in record["calls"])
    for call in record["calls"]:
        function = net if call["name"] == "__call__" else getattr(net, call["name"])
        result = function(*made(call["arguments"]), **made(call["keywords"]))
        assert ("itself" if result is net else describe(result)) == call["returns"]


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", ["lmaps", "lmaps_sample", "lmaps_paper"])
def test_our_algorithm_takes_what_main_gives_and_returns_what_it_takes(contract, problem, name):
    (call,) = contract["main"]["algorithm"]["calls"]
    assert (call["name"], call["keywords"]) == ("inference", {"num_samples": "int"})
    torch.manual_seed(0)
    operator = our_operator(problem, GOLDEN / "blackhole")
    y = operator(data(problem))
    smaller = {"seed": 0, "num_steps": 2, "num_inner_steps": 2, "sigma_noise": 0.01}
    method = OmegaConf.merge(OmegaConf.load(ALGORITHMS / f"{name}.yaml").method, smaller)
    algorithm = instantiate(method, forward_op=operator, net=network(problem))
    result = algorithm.inference(y, num_samples=2)
    expected, shape = call["returns"], list(data(problem)["target"].shape)
    assert describe(result) == {"dtype": expected["dtype"], "shape": [2, *shape[1:]]}
    assert result.isfinite().all()
    assert not result.requires_grad
    for call in contract["main"]["operator"]["calls"]:
        if call["name"] == "unnormalize":
            assert describe(operator.unnormalize(result)) == describe(result)


@pytest.mark.host
def test_the_record_is_that_of_the_checkout(contract, checkout, tmp_path):
    shutil.copytree(GOLDEN / "blackhole", tmp_path / "blackhole")
    script = str(Path(__file__).with_name("record_contract.py"))
    command = [sys.executable, script, str(checkout), str(tmp_path), str(tmp_path / "now.json")]
    done = subprocess.run(  # noqa: S603
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    now = json.loads((tmp_path / "now.json").read_text())
    assert now == contract, f"InverseBench calls otherwise now: record it again with {script}"
