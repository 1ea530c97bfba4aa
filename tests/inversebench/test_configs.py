"""What `pip install` adds to InverseBench's configuration, and that the class takes it."""

import inspect

import pytest
from hydra import compose, initialize
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

from lmaps_science.inversebench.network import pretrain_config
from lmaps_science.prior.card import read_header
from lmaps_science.prior.registry import find_prior, list_priors

ALGORITHMS = ("lmaps", "lmaps_paper", "lmaps_sample")
OF_PROBLEMS = ("lmaps_paper_blackhole", "lmaps_paper_mri")


def composed(*overrides: str) -> dict:
    with initialize(version_base="1.3", config_path=None):
        return OmegaConf.to_container(compose(overrides=["+seed=3", *overrides]), resolve=True)


@pytest.mark.parametrize("name", ALGORITHMS + OF_PROBLEMS)
def test_every_option_of_the_algorithm_is_in_its_file(name):
    method = composed(f"+algorithm={name}")["algorithm"]["method"]
    algorithm = get_class(method.pop("_target_"))
    assert method.pop("_convert_") == "all"
    assert method["seed"] == 3
    assert {"net", "forward_op", *method} == set(inspect.signature(algorithm).parameters)


def test_results_of_the_algorithms_go_to_folders_of_their_own():
    names = {composed(f"+algorithm={name}")["algorithm"]["name"] for name in ALGORITHMS}
    assert len(names) == len(ALGORITHMS)


@pytest.mark.parametrize("name", ["lmaps", "lmaps_paper"])
def test_a_sweep_runs_every_combination_without_wandb(name):
    overrides = [f"+algorithm={name}", f"+sweep={name}"]
    with initialize(version_base="1.3", config_path=None):
        config = compose(overrides=["+seed=3", *overrides], return_hydra_config=True)
    assert config.hydra.mode.name == "MULTIRUN"
    swept = config.hydra.sweeper.params
    assert all(OmegaConf.select(config, key, default=swept) is not swept for key in swept)
    assert all(f"${{{key}}}" in config._get_node("exp_name")._value() for key in swept)


def test_installed_priors_have_a_pretrain_that_builds_them():
    names = [record.name for record in list_priors()]
    assert "cells-128" in names
    for name in names:
        card, _ = read_header(find_prior(name)[1])
        pretrain = composed(f"+pretrain=lmaps-{name}")["pretrain"]
        assert pretrain == OmegaConf.to_container(OmegaConf.create(pretrain_config(card)))
        network = instantiate(pretrain["model"])
        assert (network.img_channels, network.img_resolution) == card.image_shape[:2]


@pytest.mark.parametrize("name", ["lmaps-inv-scatter", "lmaps-blackhole", "lmaps-mri"])
def test_every_key_of_a_problem_is_a_parameter_of_our_operator(name):
    problem = composed(f"+problem={name}")["problem"]
    assert {"name", "prior", "model", "data", "evaluator", "exp_dir"} == set(problem)
    operator = get_class(problem["model"].pop("_target_"))
    assert set(problem["model"]) <= set(inspect.signature(operator).parameters)
    assert problem["name"] == name == problem["exp_dir"].rpartition("/")[2]
