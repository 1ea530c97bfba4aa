"""Write down what an InverseBench checkout reads and calls on operators, networks and algorithms.

    python record_contract.py CHECKOUT FOLDER OUT.json

FOLDER holds ``blackhole``, the folder of the reference observation. The record is what the
tests without a checkout hold our stand-ins to.
"""

import json
import logging
import runpy
import sys
from pathlib import Path
from typing import Any

import hydra.utils
import numpy as np
import torch
from recorder import Record, Recorder
from tiny import (
    GENTLE,
    PROBLEMS,
    SCATTERING,
    data,
    host_operator,
    methods,
    network,
    seed_host,
)

from lmaps_science.inversebench.network import pretrain_config
from lmaps_science.inversebench.prepare import write_images

PARTS = {
    "inverse_problems": "operator",
    "lmaps_science": "network",
    "algo": "algorithm",
    "eval": "evaluator",
}
"""What main.py makes, by the package of its class."""


def of_algorithms(checkout: Path, blackhole: Path, problem: str) -> dict[str, Record]:
    """What all algorithms together do to the operator and the network of a problem."""
    operator, net = {}, {}
    torch.manual_seed(1)
    host = host_operator(problem, blackhole)
    y = Recorder(host, operator)(data(problem))
    ran = []
    for name, method in methods(checkout, GENTLE if problem == "blackhole" else {}):
        seed_host(0)
        mine: tuple[Record, Record] = ({}, {})
        try:
            algorithm = hydra.utils.instantiate(
                method,
                forward_op=Recorder(host, mine[0]),
                net=Recorder(network(problem), mine[1]),
            )
            algorithm.inference(y.clone(), num_samples=1)
        except Exception as error:
            print(f"{problem}, {name}: {type(error).__name__}: {error}")  # noqa: T201
            continue
        ran.append(name)
        for whole, part in zip((operator, net), mine, strict=True):
            whole.setdefault("attributes", {}).update(part["attributes"])
            calls = whole.setdefault("calls", [])
            calls += [call for call in part["calls"] if call not in calls]
    return {"algorithms": ran, "operator": operator, "network": net}


def of_main(checkout: Path, folder: Path) -> dict[str, Record]:
    """What main.py does to the operator, the network, the algorithm and the evaluator."""
    write_images(np.random.default_rng(0).random((2, 16, 16)), folder / "objects")
    net = network("scattering")
    (folder / "pretrain").mkdir()
    (folder / "pretrain" / "tiny.yaml").write_text(pretrain_config(net.card))
    torch.save({"ema": net.state_dict()}, folder / "tiny.pt")
    records: dict[str, Record] = {}
    instantiate = hydra.utils.instantiate

    def recorded(config: Any, *arguments: Any, **keywords: Any) -> Any:
        made = instantiate(config, *arguments, **keywords)
        name = PARTS.get(config._target_.split(".")[0])
        return made if name is None else Recorder(made, records.setdefault(name, {}))

    options = {key: value for key, value in SCATTERING.items() if key != "sigma_noise"}
    arguments = [
        f"--config-dir={folder}",
        "problem=inv-scatter",
        "+problem.model.svd=False",
        *(f"problem.model.{key}={value}" for key, value in options.items()),
        "problem.data.resolution=16",
        "+problem.data.raw_resolution=16",
        "problem.data.id_list=0-1",
        f"problem.data.root={folder / 'objects'}",
        "algorithm=uncond",
        "algorithm.method.diffusion_scheduler_config.num_steps=2",
        "pretrain=tiny",
        f"problem.prior={folder / 'tiny.pt'}",
        "num_samples=2",
        f"problem.exp_dir={folder / 'exps'}",
        f"hydra.run.dir={folder / 'hydra'}",
    ]
    hydra.utils.instantiate, sys.argv = recorded, ["main.py", *arguments]
    try:
        runpy.run_path(str(checkout / "main.py"), run_name="__main__")
    finally:
        hydra.utils.instantiate = instantiate
    return records


def main() -> None:
    """Record both."""
    checkout, folder, out = (Path(argument).absolute() for argument in sys.argv[1:])
    sys.path.insert(0, str(checkout))
    logging.disable(logging.INFO)
    record = {
        "main": of_main(checkout, folder),
        "algorithms": {
            problem: of_algorithms(checkout, folder / "blackhole", problem) for problem in PROBLEMS
        },
    }
    out.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


main()
