"""The installed package: import cost, public names, mapped folders, the Hydra plugin."""

import ast
import configparser
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAPPED = {"problems", "configs", "checkpoints"}


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_import_is_quiet_and_light():
    result = run_python(
        "import sys\n"
        "import lmaps_science, lmaps_science.problems\n"
        "heavy = {'torch', 'ehtim', 'matplotlib', 'scipy', 'hydra'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_public_names_load_on_first_use():
    import lmaps_science

    assert {*lmaps_science.__all__, "__version__"} <= set(dir(lmaps_science))
    assert all(callable(getattr(lmaps_science, name)) for name in lmaps_science.__all__)
    assert lmaps_science.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'LMAP'"):
        _ = lmaps_science.LMAP


def test_public_names_are_not_hidden_by_modules():
    """Importing a submodule binds its name in the package: it must not be that of a function."""
    result = run_python(
        "import importlib, lmaps_science\n"
        "for module in set(lmaps_science._MODULES.values()): importlib.import_module(module)\n"
        "assert not any(type(getattr(lmaps_science, n)) is type(importlib)"
        " for n in lmaps_science.__all__)\n"
    )
    assert result.returncode == 0, result.stderr


def test_every_folder_of_modules_is_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {
        ".".join(module.parent.relative_to(ROOT).parts)
        for top in ("lmaps_science", "hydra_plugins", *MAPPED)
        for module in (ROOT / top).rglob("*.py")
    }
    installed = {
        f"lmaps_science.{name}" if name.split(".")[0] in MAPPED else name for name in found
    }
    assert listed == installed | {"hydra_plugins"}


def test_extras():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    assert set(extras) == {"eht", "mri", "fullwave", "report", "dask", "dev", "all"}
    assert "fullwave" not in extras["all"]


def test_plugin_imports_hydra_alone():
    """Every Hydra program on the machine imports this file."""
    tree = ast.parse((ROOT / "hydra_plugins/lmaps_science/__init__.py").read_text())
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert modules
    assert all(module.split(".")[0] == "hydra" for module in modules)
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))


def test_package_data_is_installed():
    algorithms = files("lmaps_science.configs.inversebench") / "algorithm"
    assert {"lmaps.yaml", "lmaps_paper.yaml", "lmaps_sample.yaml"} <= {
        entry.name for entry in algorithms.iterdir()
    }


def test_command_line_and_module_are_the_same():
    script = Path(sys.executable).with_name("lmaps")
    by_name, by_module = (
        subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)  # noqa: S603
        for command in ([script], [sys.executable, "-m", "lmaps_science"])
    )
    assert "reconstruct" in by_name.stdout
    assert (
        by_name.stdout.split("Usage:")[1].splitlines()[1:]
        == (by_module.stdout.split("Usage:")[1].splitlines()[1:])
    )
