import os
import stat

import numpy as np
import pytest
import torch

from lmaps_science.problems.mri import baselines, metrics
from lmaps_science.problems.mri.preparation import prepare
from lmaps_science.problems.mri.sense import sense
from tests.problems.mri.phantom import SHAPE, lines, measured


@pytest.fixture(scope="module")
def case():
    """A slice, every third line of it."""
    return prepare(measured(), mask=lines())


def test_sense_is_that_of_the_closed_form(case):
    pytest.importorskip("sigpy")
    image = baselines.sense(case.operator, case.y, 0.01, num_steps=100)
    plain = prepare(measured(), mask=lines(), sigma_noise=1.0)
    expected = sense(plain.operator, plain.y, 0.01)
    assert float((image - expected).norm() / expected.norm()) < 1e-3


@pytest.mark.parametrize("method", [baselines.l1_wavelet, baselines.total_variation])
def test_images_are_normalised_and_better_than_zero_filled(case, method):
    pytest.importorskip("sigpy")
    zero_filled = case.operator.mvue(case.y)
    image = method(case.operator, torch.cat([case.y, 0.5 * case.y]), 0.002, num_steps=60)
    assert image.shape == (2, *case.operator.image_shape) and image.dtype == torch.float32
    gains = metrics.psnr(image[:1], case.truth) - metrics.psnr(zero_filled, case.truth)
    assert float(gains) > 3


def test_same_numbers_each_time_and_the_users_generator_is_left_alone(case):
    pytest.importorskip("sigpy")
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    first = baselines.l1_wavelet(case.operator, case.y, 0.01, num_steps=3)
    assert np.random.random() == expected  # noqa: NPY002
    assert torch.equal(first, baselines.l1_wavelet(case.operator, case.y, 0.01, num_steps=3))


def program(folder, script):
    """A program called bart that runs `script`, alone on the path beside the shell's tools."""
    path = folder / "bart"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_bart_gets_k_space_and_maps_and_gives_an_image(case, tmp_path, monkeypatch):
    # This stand-in answers with the first coil of the k-space.
    script = (
        f'echo "$@" > {tmp_path}/arguments\nset -- $(sed -n 2p kspace.hdr)\n'
        'printf "# Dimensions\\n$1 $2\\n" > image.hdr\n'
        "head -c $((8 * $1 * $2)) kspace.cfl > image.cfl\n"
    )
    monkeypatch.setenv("PATH", program(tmp_path, script))
    assert baselines.bart_is_installed()
    image = baselines.bart_pics(case.operator, case.y, 0.01, num_steps=7)
    expected = case.operator.kspace(case.y)[0, 0] / case.operator.unnorm_scale
    torch.testing.assert_close(metrics.magnitude(image)[0], expected.abs())
    predicted = case.operator.forward(image)
    turned = (torch.view_as_complex(predicted).conj() * torch.view_as_complex(case.y)).sum()
    assert abs(float(turned.angle())) < 1e-4
    arguments = (tmp_path / "arguments").read_text()
    assert arguments == "pics -S -w 1 -l1 -r 0.01 -i 7 -p pattern kspace maps image\n"


def test_bart_that_fails_or_is_missing(case, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", program(tmp_path, "echo out of memory >&2\nexit 3\n"))
    with pytest.raises(RuntimeError, match="bart: failed with 'out of memory'"):
        baselines.bart_pics(case.operator, case.y, 0.01)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert not baselines.bart_is_installed()
    with pytest.raises(FileNotFoundError, match="bart: not found on the path"):
        baselines.bart_pics(case.operator, case.y, 0.01)


@pytest.mark.parametrize("shape", [SHAPE, (34, 40)])
def test_bart_itself(shape):
    if not baselines.bart_is_installed():
        pytest.skip("BART is not installed")
    case = prepare(measured(shape=shape), mask=lines(shape))
    image = baselines.bart_pics(case.operator, case.y, 1e-4)
    expected = sense(case.operator, case.y, 1e-3)
    assert float((image - expected).norm() / expected.norm()) < 0.4
