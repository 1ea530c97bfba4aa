import sys
from importlib.util import find_spec

import pytest
import torch

from lmaps_science.problems import BlackHoleImaging
from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.controls import correlation, simulate
from lmaps_science.problems.blackhole.observation import average_scans
from lmaps_science.problems.blackhole.rml import rml
from lmaps_science.problems.blackhole.uvfits import read_uvfits
from tests.problems.blackhole.synthetic import ARRAY, write_uvfits

FAST = {"data_weights": (1.0, 10.0), "repeats": 1, "max_iterations": 40}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A lopsided double source, 24 pixels, and its operator."""
    stations = {**ARRAY, "E": (1.5e6, 3e6, -1.5e6)}
    path = write_uvfits(tmp_path_factory.mktemp("rml") / "a.uvfits", stations)
    field = sources.Field(24)
    truth = field.image(sources.double(field, 60.0, 0.6, fwhm=30.0, flux_ratio=0.4))
    seen = simulate(average_scans(read_uvfits(path)), truth, gain_std=0.1)
    return truth, BlackHoleImaging.from_observations([seen], image_size=24)


def test_it_images_and_keeps_quiet(measured, capfd):
    if find_spec("ehtim") is None:
        pytest.skip("ehtim (extra eht) is missing")
    truth, operator = measured
    image, again = rml(operator, **FAST), rml(operator, **FAST)
    assert capfd.readouterr() == ("", "")
    assert torch.equal(image, again)
    assert image.shape == (1, 1, 24, 24)
    assert image.dtype == torch.float32
    assert float(image.max()) == 1
    assert float(image.min()) >= -1
    found = correlation(image, truth)
    assert found > 0.9
    assert found > correlation(image.flip(3), truth) + 0.05
    assert found > correlation(image.flip(2, 3), truth) + 0.05


def test_it_says_what_it_needs(measured, monkeypatch):
    _, operator = measured
    bare = BlackHoleImaging(operator.sampling, operator.likelihood, 24)
    with pytest.raises(ValueError, match="expected an operator made by from_uvfits"):
        rml(bare)
    monkeypatch.setitem(sys.modules, "ehtim", None)
    with pytest.raises(ImportError, match=r"pip install 'lmaps-science\[eht\]'"):
        rml(operator)
