from dataclasses import replace

import numpy as np
import pytest
import torch

from lmaps_science.datasets import get_data
from lmaps_science.problems.scattering import fresnel
from lmaps_science.problems.scattering.data import read_measurement
from lmaps_science.problems.scattering.geometry import Geometry, circle
from lmaps_science.problems.scattering.hdf5 import read_fields
from tests.problems.scattering.dense import cylinder_field


@pytest.fixture(scope="module")
def converted(mirror, tmp_path_factory):
    """The files that the data registry converts, by name."""
    folder = tmp_path_factory.mktemp("fresnel")
    return {name: get_data(f"fresnel-{name}", folder, mirror) for name in ("foam", "cylinder")}


def test_the_foam_is_calibrated_and_scatters_as_measured(converted):
    raw, path = converted["foam"]
    assert (raw.suffix, path.name) == (".mat", "fresnel-foam.h5")
    found = read_measurement(path, full_wave=True)
    operator = found.operator
    assert operator.data_shape == (1, 8, 241)
    assert float(found.truth.max()) == pytest.approx(2.3, abs=0.01)
    misfit = (operator.loss(operator.normalize(found.truth), found.y) / found.y.norm() ** 2).sqrt()
    assert 0.09 < float(misfit) < 0.11
    # Two millimetres from where the file has the object, it fits far better.
    moved = torch.roll(found.truth, (-1, -1), (2, 3))
    misfit = (operator.loss(operator.normalize(moved), found.y) / found.y.norm() ** 2).sqrt()
    assert float(misfit) < 0.075
    level = read_fields(path).sigma_noise[0] / np.sqrt(
        np.mean(np.abs(read_fields(path).field) ** 2)
    )
    assert level == pytest.approx(0.050, abs=0.002)


def test_the_cylinders_gain_is_unknown(converted):
    _, path = converted["cylinder"]
    content = read_fields(path)
    assert content.field.shape == (8, 36, 72)
    assert not content.calibrated
    assert [g.receiver_mask.sum() for g in content.geometries] == [36 * 49] * 8
    # A disc of permittivity 3 and radius 15 mm, as the database says, off the centre.
    centre = np.array([0.0013, 0.0262])
    for index, (geometry, field) in enumerate(zip(content.geometries, content.field, strict=True)):
        model = cylinder_field(
            geometry.wavenumber,
            0.015,
            3.0,
            geometry.transmitter_positions - centre,
            geometry.receiver_positions - centre,
        )[geometry.receiver_mask]
        measured = field[geometry.receiver_mask]
        gain = np.vdot(model, measured) / np.vdot(model, model)
        misfit = np.linalg.norm(measured - gain * model) / np.linalg.norm(measured)
        assert misfit < (0.3 if index in (0, 7) else 0.22)


def test_reciprocity_finds_the_noise():
    geometry = Geometry(circle(36, 0.5)[:-1], circle(36, 0.5)[:-1], 200.0, 0.003, (16, 16))
    field = cylinder_field(
        200.0, 0.01, 2.0, geometry.transmitter_positions, geometry.receiver_positions
    )
    assert fresnel.reciprocity_error(geometry, field) < 1e-9
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, *field.shape)) * np.sqrt(np.mean(np.abs(field) ** 2) / 2) * 0.1
    noisy = field + noise[0] + 1j * noise[1]
    assert fresnel.reciprocity_error(geometry, noisy) == pytest.approx(0.1, rel=0.1)
    far = replace(geometry, receiver_positions=np.array([[0.5, 0.02]]))
    with pytest.raises(ValueError, match="no transmitter and receiver change places"):
        fresnel.reciprocity_error(far, field[:, :1])
