import shutil

import h5py
import numpy as np
import pytest
import torch

from lmaps_science.problems import InverseScattering
from lmaps_science.problems.scattering import data, objects


@pytest.fixture
def measurement(operator, tmp_path):
    """A file, its operator and data, truth."""
    x = 2 * torch.rand(1, *operator.image_shape, generator=torch.Generator().manual_seed(0)) - 1
    y = operator({"target": x.double()}, torch.Generator().manual_seed(1))
    truth = operator.unnormalize(x)
    path = tmp_path / "measurement.h5"
    data.write_measurement(path, operator, y, truth)
    return path, operator, y, truth


def test_round_trip(measurement):
    path, operator, y, truth = measurement
    found = data.read_measurement(path)
    assert torch.equal(found.y, y)
    assert torch.equal(found.truth, truth)
    assert found.operator.geometry.digest() == operator.geometry.digest()
    for name in ("convention", "sigma_noise", "unnorm_scale", "unnorm_shift"):
        assert getattr(found.operator, name) == getattr(operator, name)
    assert torch.equal(found.operator.forward(truth), operator.forward(truth))


def test_the_defaults_of_a_file(file):
    with h5py.File(file, "a") as content:
        del content.attrs["convention"], content.attrs["contrast_scale"]
        del content["permittivity_contrast"]
    found = data.read_measurement(file)
    assert found.operator.convention == "physical"
    assert float(found.operator.unnormalize(torch.tensor(1.0))) == 1
    assert found.truth is None


@pytest.fixture
def file(make_geometry, tmp_path):
    """A good file to spoil."""
    operator = InverseScattering.from_geometry(make_geometry("masked receivers"), 1e-4)
    y = operator.forward(torch.zeros(1, *operator.image_shape))
    path = tmp_path / "measurement.h5"
    data.write_measurement(path, operator, y, torch.zeros(operator.geometry.grid_shape))
    return path


def delete(name):
    def spoil(file):
        del (file if name in file else file.attrs)[name]

    return spoil


def replace(name, change):
    def spoil(file):
        if name in file:
            value = file[name][()]
            del file[name]
            file[name] = change(value)
        else:
            file.attrs[name] = change(file.attrs[name])

    return spoil


def nan_where_measured(field):
    field[0, :] = np.nan
    return field


BAD = {
    "no field": (delete("scattered_field"), "expected a dataset 'scattered_field' .complex"),
    "no transmitters": (delete("transmitter_positions"), "a dataset 'transmitter_positions'"),
    "no receivers": (delete("receiver_positions"), "a dataset 'receiver_positions'"),
    "no wavenumber": (delete("wavenumber"), "an attribute 'wavenumber' .one number in rad/m"),
    "no pixel size": (delete("pixel_size"), "an attribute 'pixel_size'"),
    "no grid": (delete("grid_shape"), "an attribute 'grid_shape'"),
    "no noise level": (delete("sigma_noise"), "an attribute 'sigma_noise'"),
    "real parts only": (replace("scattered_field", np.real), "expected complex .* got float32"),
    "real pairs": (
        replace("scattered_field", lambda y: np.stack([y.real, y.imag], -1)),
        r"expected complex .* of shape \(4, 30, 2\)",
    ),
    "transposed": (replace("scattered_field", np.transpose), r"= \(4, 30\).* got \(30, 4\)"),
    "several cases": (replace("scattered_field", lambda y: np.stack([y, y])), "one case per file"),
    "NaN": (replace("scattered_field", nan_where_measured), "NaN or infinite"),
    "text": (replace("transmitter_positions", lambda _: "north"), "expected real numbers"),
    "three coordinates": (
        replace("receiver_positions", lambda p: np.pad(p, ((0, 0), (0, 1)))),
        r"receiver_positions: expected shape \(R, 2\) or \(4, R, 2\).* got \(30, 3\)",
    ),
    "sensors in millimetre": (
        replace("receiver_positions", lambda p: p * 1e-3),
        "receiver_positions: expected all sensors outside the object",
    ),
    "many frequencies": (
        replace("wavenumber", lambda k: np.array([k, 2 * k])),
        r"expected shape \(frequencies, .*= \(2, 4, 30\).* got \(4, 30\)",
    ),
    "wavenumber in text": (replace("wavenumber", str), "wavenumber: expected one number in rad/m"),
    "negative noise": (replace("sigma_noise", lambda s: -s), "sigma_noise: expected"),
    "odd convention": (replace("convention", lambda _: "optical"), "convention: expected"),
    "one axis": (replace("grid_shape", lambda _: 21), "grid_shape: expected two integers"),
    "mask of another shape": (replace("receiver_mask", lambda m: m[:, :5]), "receiver_mask: exp"),
    "truth of another shape": (
        replace("permittivity_contrast", lambda f: f[:5]),
        r"permittivity_contrast: expected finite numbers of shape grid_shape = \(21, 50\)",
    ),
    "truth with NaN": (
        replace("permittivity_contrast", lambda f: f + np.nan),
        "permittivity_contrast: expected finite .* got NaN",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(file, name):
    spoil, message = BAD[name]
    with h5py.File(file, "a") as content:
        spoil(content)
    with pytest.raises(ValueError, match=message) as caught:
        data.read_measurement(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_unmeasured_data_may_be_anything(file):
    before = data.read_measurement(file)
    with h5py.File(file, "a") as content:
        field = content["scattered_field"][()]
        field[content["receiver_mask"][()] == 0] = np.nan
        content["scattered_field"][...] = field
    assert torch.equal(data.read_measurement(file).y, before.y)


def test_not_a_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        data.read_measurement(tmp_path / "nothing.h5")


@pytest.mark.parametrize("cut", [0, 5, 2000])
def test_not_hdf5(file, cut):
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"measurement\.h5: "):
        data.read_measurement(file)


def test_nothing_is_half_written(measurement, monkeypatch):
    path, operator, y, truth = measurement
    before = path.read_bytes()
    with pytest.raises(ValueError, match="permittivity_contrast"):
        data.write_measurement(path, operator, y, truth[..., :5])

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.File, "create_dataset", full)
    with pytest.raises(OSError, match="No space"):
        data.write_measurement(path, operator, y, truth)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.glob("*measurement*")] == [path.name]


def test_simulated_noise_belongs_to_the_image(make_geometry):
    operator = InverseScattering.from_geometry(make_geometry("shared receivers"), 0.1)
    images = 2 * torch.rand(3, 21, 50, dtype=torch.float64) - 1
    y = objects.simulate(images, operator, seed=4)
    assert y.shape == (3, 4, 30)
    torch.testing.assert_close(y[:2], objects.simulate(images[:2].numpy(), operator, seed=4))
    noise = y - operator.forward(images[:, None])
    assert float(noise.abs().square().mean()) == pytest.approx(0.01, rel=0.2)
    assert abs(torch.corrcoef(torch.view_as_real(noise).flatten(1))[0, 1]) < 0.3
    assert not torch.equal(y, objects.simulate(images, operator, seed=5))


@pytest.mark.parametrize("images", [np.zeros((1, 21, 50), np.uint8), np.full((1, 21, 50), 1.5)])
def test_images_out_of_range(make_geometry, images):
    operator = InverseScattering.from_geometry(make_geometry("shared receivers"), 0.1)
    with pytest.raises(ValueError, match=r"expected floats in \[-1, 1\]"):
        objects.simulate(images, operator)


@pytest.fixture
def lmdb_folder(tmp_path):
    import lmdb

    images = np.random.default_rng(0).random((3, 8, 8), np.float32)
    with lmdb.open(str(tmp_path / "set"), map_size=1 << 20) as base, base.begin(write=True) as put:
        for index, image in enumerate(images):
            put.put(str(index).encode(), image.tobytes())
    return tmp_path / "set", images


def test_inversebench_images(lmdb_folder):
    folder, images = lmdb_folder
    np.testing.assert_array_equal(objects.read_inversebench(folder, 8), 2 * images - 1)
    np.testing.assert_array_equal(
        objects.read_inversebench(folder, 8, [2, 0]), 2 * images[[2, 0]] - 1
    )
    with pytest.raises(ValueError, match=r"image 7: expected 8×8 float32 .* got no such image"):
        objects.read_inversebench(folder, 8, [7])
    with pytest.raises(ValueError, match=r"image 0: expected 16×16 .* got 256 bytes"):
        objects.read_inversebench(folder, 16)
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match="expected a folder with an LMDB"):
        objects.read_inversebench(folder)


def test_cells_are_split_by_image(tmp_path):
    tiles = np.arange(4 * 2 * 2, dtype=np.uint8).reshape(4, 2, 2)
    percentiles = np.array([[0, 4], [4, 6], [0, 16], [12, 12]], np.float32)
    path = tmp_path / "tiles.npz"
    np.savez(path, tiles=tiles, image_index=[0, 9, 10, 19], image_p1_p998=percentiles)
    train, test = objects.cells(path, "train"), objects.cells(path, "test")
    np.testing.assert_allclose(train[0], [[-1, -0.5], [0, 0.5]])
    np.testing.assert_allclose(train[1], [[0, 0.125], [0.25, 0.375]])
    np.testing.assert_allclose(test, [[[-1, 0], [1, 1]], [[-1, 1], [1, 1]]])
    assert test.dtype == np.float32
    np.testing.assert_array_equal(objects.cells(path, "test", return_index=True)[1], [9, 19])
    with pytest.raises(ValueError, match="split: expected"):
        objects.cells(path, "all")


def test_real_cells(mirror):
    path = mirror / "microscopy" / "dsb2018_fluo_tiles128.npz"
    train, test = objects.cells(path, "train"), objects.cells(path, "test")
    assert len(train) + len(test) == 2861
    assert train.shape[1:] == test.shape[1:] == (128, 128)
    assert -1 <= test.min() < -0.9
    assert 0.9 < test.max() <= 1
