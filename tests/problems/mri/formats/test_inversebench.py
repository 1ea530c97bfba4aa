import h5py
import lmdb
import numpy as np
import pytest

from lmaps_science.problems.mri.formats import read_scan
from lmaps_science.problems.mri.formats.inversebench import (
    mvue,
    read_inversebench,
    read_inversebench_lmdb,
)
from tests.problems.mri.phantom import coils, head, transform


@pytest.fixture
def pair(tmp_path):
    """Path of the maps beside that of the k-space, maps and image, 64×44."""
    shape = (64, 44)
    maps = coils(3, shape).astype(np.complex64)
    image = np.zeros(shape, complex)
    image[16:48] = head((32, 44))
    folder, beside = tmp_path / "brain", tmp_path / "brain_sens_maps_espirit"
    for place, name, array in (
        (folder, "kspace", transform(maps * image)),
        (beside, "s_maps", maps),
    ):
        place.mkdir()
        with h5py.File(place / "file.h5", "w") as file:
            file[name] = array.astype(np.complex64)[None]
    return beside / "file.h5", maps, image


def cropped(kspace):
    """The middle 40 columns of k-space, and the middle 32 rows of its image along y."""
    hybrid = np.fft.ifft(np.fft.ifftshift(kspace[..., 2:42], 1), axis=1, norm="ortho")
    middle = np.fft.fftshift(hybrid, 1)[:, 16:48]
    return np.fft.fftshift(np.fft.fft(np.fft.ifftshift(middle, 1), axis=1, norm="ortho"), 1)


def test_maps_and_k_space_are_cropped_as_the_benchmark_does(pair):
    path, maps, image = pair
    scan = read_inversebench(path, (32, 40))
    np.testing.assert_allclose(scan.kspace(0), cropped(transform(maps * image)), atol=1e-5)
    np.testing.assert_allclose(transform(scan.maps(0)), cropped(transform(maps)), atol=1e-5)
    assert scan.reference(0).shape == (32, 40)


def test_whole_size_is_left_alone(pair):
    path, maps, image = pair
    scan = read_inversebench(path, (64, 44))
    np.testing.assert_allclose(scan.maps(0), maps, atol=1e-5)
    np.testing.assert_allclose(np.abs(scan.reference(0)), np.abs(image), atol=1e-5)


def test_k_space_that_is_missing(pair):
    path = pair[0]
    (path.parent.parent / "brain" / "file.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"brain/file.h5: no such file; expected the k-sp"):
        read_scan(path)


def test_maps_that_lie_elsewhere(tmp_path):
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["s_maps"] = np.zeros((1, 2, 4, 4), np.complex64)
    with pytest.raises(ValueError, match=r"maps.h5: expected maps in a folder whose name ends"):
        read_scan(tmp_path / "maps.h5")


def test_mvue_is_that_of_the_golden_file(golden):
    arrays = golden("mri_64.npz")
    masked = arrays["kspace"] * arrays["mask"].squeeze()
    maps = arrays["maps"]
    expected = arrays["estimated_mvue"].squeeze()
    np.testing.assert_allclose(mvue(masked, maps), expected, atol=1e-6)


@pytest.fixture
def lmdb_folder(tmp_path):
    """Folder, and arrays by the name of their part."""
    generator = np.random.default_rng(0)
    shapes = {"kspace": (12, 3, 8, 8), "s_maps": (12, 3, 8, 8), "mvue": (12, 8, 8)}
    arrays = {}
    for name, shape in shapes.items():
        parts = generator.standard_normal((2, *shape))
        arrays[name] = (parts[0] + 1j * parts[1]).astype(np.complex64)
        with (
            lmdb.open(str(tmp_path / name), map_size=2**20) as environment,
            environment.begin(write=True) as transaction,
        ):
            for i, array in enumerate(arrays[name]):
                transaction.put(str(i).encode(), array.tobytes())
    return tmp_path, arrays


def test_lmdb_is_read_by_number(lmdb_folder):
    folder, arrays = lmdb_folder
    scan = read_scan(folder)
    assert scan.num_slices == 12
    assert np.array_equal(scan.kspace(10), arrays["kspace"][10])
    assert np.array_equal(scan.maps(2), arrays["s_maps"][2])
    assert np.array_equal(scan.reference(11), arrays["mvue"][11])
    assert read_inversebench_lmdb(folder, (4, 16)).kspace(0).shape == (3, 4, 16)
    with pytest.raises(ValueError, match="expected slices of 5×5 pixels, got 64 in all"):
        read_inversebench_lmdb(folder, (5, 5))
