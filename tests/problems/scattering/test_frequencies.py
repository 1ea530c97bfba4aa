"""Files of several frequencies, and of fields whose gain is unknown."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from lmaps_science.problems.scattering.data import read_measurement
from lmaps_science.problems.scattering.distorted_born import DistortedBorn
from lmaps_science.problems.scattering.fullwave import FullWaveScattering
from lmaps_science.problems.scattering.geometry import Geometry, circle
from lmaps_science.problems.scattering.hdf5 import ScatteringData, read_fields
from lmaps_science.problems.scattering.operator import InverseScattering


def content(**changes) -> ScatteringData:
    """Two frequencies with masks of their own, noise of 1 % and 2 %, and the truth."""
    rng = np.random.default_rng(0)
    first = Geometry(circle(5, 0.4), circle(12, 0.5), 200.0, 0.003, (16, 16))
    geometries = tuple(
        replace(first, wavenumber=k, receiver_mask=rng.random((5, 12)) > 0.2)
        for k in (200.0, 260.0)
    )
    truth = rng.random((16, 16)).astype(np.float32)
    field = rng.standard_normal((2, 5, 12)) + 1j * rng.standard_normal((2, 5, 12))
    data = ScatteringData(geometries, field, (0.01, 0.02), 1.5, truth=truth)
    return replace(data, **changes)


@pytest.mark.parametrize("calibrated", [True, False])
def test_round_trip(tmp_path, calibrated):
    written = content(calibrated=calibrated)
    written.write(tmp_path / "fields.h5")
    found = read_fields(tmp_path / "fields.h5")
    for name in ("sigma_noise", "contrast_scale", "convention", "calibrated"):
        assert getattr(found, name) == getattr(written, name)
    np.testing.assert_array_equal(found.field, written.field)
    np.testing.assert_array_equal(found.truth, written.truth)
    assert [g.digest() for g in found.geometries] == [g.digest() for g in written.geometries]


def test_one_noise_level_and_one_mask_serve_all_frequencies(tmp_path):
    path = tmp_path / "fields.h5"
    content().write(path)
    with h5py.File(path, "a") as file:
        file.attrs["sigma_noise"] = 0.03
        mask = file["receiver_mask"][0]
        del file["receiver_mask"]
        file["receiver_mask"] = mask
    found = read_fields(path)
    assert found.sigma_noise == (0.03, 0.03)
    for geometry in found.geometries:
        np.testing.assert_array_equal(geometry.receiver_mask, mask)


def test_born_of_several_frequencies_is_that_of_each(tmp_path):
    written = content()
    written.write(tmp_path / "fields.h5")
    found = read_measurement(tmp_path / "fields.h5")
    assert isinstance(found.operator, DistortedBorn)
    x = 2 * torch.rand(2, 1, 16, 16, dtype=torch.float64) - 1
    for i, (geometry, sigma) in enumerate(zip(written.geometries, (0.01, 0.02), strict=True)):
        alone = InverseScattering.from_geometry(geometry, sigma, contrast_scale=1.5)
        expected = alone.forward(x) / sigma
        assert (
            found.operator.forward(x)[:, i] - expected
        ).abs().max() < 1e-4 * expected.abs().max()
        torch.testing.assert_close(found.y[:, i], alone.check_data(written.field[i]) / sigma)
    assert found.operator.num_data == sum(g.receiver_mask.sum() for g in written.geometries)
    assert torch.equal(found.truth[0, 0], torch.from_numpy(written.truth))


def test_full_wave_is_asked_for(tmp_path):
    content(calibrated=False).write(tmp_path / "fields.h5")
    found = read_measurement(tmp_path / "fields.h5", full_wave=True)
    assert isinstance(found.operator, FullWaveScattering)
    assert found.operator.free_gain
    with pytest.raises(ValueError, match=r"fields\.h5: the Born approximation cannot tell"):
        read_measurement(tmp_path / "fields.h5")
    single = content()
    single = replace(
        single, geometries=single.geometries[:1], field=single.field[:1], sigma_noise=(0.01,)
    )
    single.write(tmp_path / "one.h5")
    assert isinstance(read_measurement(tmp_path / "one.h5").operator, InverseScattering)
    operator = read_measurement(tmp_path / "one.h5", full_wave=True).operator
    assert operator.data_shape == (1, 5, 12)
    replace(single, convention="inversebench").write(tmp_path / "host.h5")
    with pytest.raises(ValueError, match="several frequencies and the full wave need 'physical'"):
        read_measurement(tmp_path / "host.h5", full_wave=True)


def spoil(name, value):
    def change(file):
        if name in file:
            del file[name]
            file[name] = value
        else:
            file.attrs[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("scattered_field", np.ones((3, 5, 12), complex)), r"= \(2, 5, 12\).*\(3, 5, 12\)"),
        (spoil("wavenumber", 200.0), "one for each of 1 wavenumbers, got 2"),
        (spoil("wavenumber", [260.0, 200.0]), "wavenumber: expected the lowest first"),
        (spoil("sigma_noise", [0.1, 0.1, 0.1]), "one for each of 2 wavenumbers, got 3"),
        (spoil("receiver_mask", np.ones((3, 5, 12))), "receiver_mask: expected one for each of 2"),
        (spoil("wavenumber", [[200.0, 260.0]]), "wavenumber: expected one number in rad/m"),
    ],
)
def test_bad_files(tmp_path, change, message):
    path = tmp_path / "fields.h5"
    content().write(path)
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(ValueError, match=message) as caught:
        read_measurement(path)
    assert str(caught.value).startswith(f"{path}: ")
