"""Data in InverseBench's layout, read back as it reads them."""

import lmdb
import numpy as np
import pytest

from lmaps_science.inversebench.prepare import write_blackhole, write_images, write_maps
from lmaps_science.problems.mri.formats import read_scan
from lmaps_science.problems.mri.formats.fastmri import write_fastmri
from tests.cli import lmaps, one_line_error
from tests.conftest import GOLDEN


@pytest.fixture
def scan(tmp_path):
    """A disc seen by four smooth coils, fully sampled; its file and its maps."""
    y, x = np.mgrid[:32, :32] / 16 - 1
    turns = np.arange(4) * np.pi / 2
    maps = np.exp(
        -((x - np.cos(turns)[:, None, None]) ** 2 + (y - np.sin(turns)[:, None, None]) ** 2) / 4
    )
    maps = maps / np.linalg.norm(maps, axis=0)
    image = np.hypot(x, y) < 0.7
    kspace = np.fft.fftshift(
        np.fft.fft2(np.fft.ifftshift(maps * image, axes=(1, 2)), norm="ortho"), axes=(1, 2)
    )
    path = tmp_path / "knee" / "file1.h5"
    path.parent.mkdir()
    write_fastmri(path, np.stack([kspace, 2 * kspace]).astype(np.complex64))
    return path, maps, image


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_are_raw_numbers_by_index(tmp_path, dtype):
    images = np.random.default_rng(0).random((2, 8, 8))
    write_images(images, tmp_path / "lmdb", dtype)
    with lmdb.open(str(tmp_path / "lmdb"), readonly=True) as store, store.begin() as transaction:
        assert transaction.stat()["entries"] == 2
        read = np.frombuffer(transaction.get(b"1"), dtype).reshape(8, 8)
    np.testing.assert_array_equal(read, images[1].astype(dtype))


def test_maps_lie_where_the_benchmark_looks_and_are_those_of_the_coils(scan):
    path, maps, image = scan
    target = write_maps(path, 16)
    assert target.parent.name == "knee_sens_maps_espirit"
    got = read_scan(target).maps(1)
    assert got.shape[0] == 4
    import h5py

    with h5py.File(target) as file:
        found = file["s_maps"][1]
    assert np.abs(np.abs(found) - maps)[:, image].max() < 0.05


def test_the_black_hole_folder_holds_both_files(tmp_path):
    folder = tmp_path / "measure"
    write_blackhole(GOLDEN / "blackhole/obs.uvfits", GOLDEN / "blackhole/gt.fits", folder)
    for name in ("obs.uvfits", "gt.fits"):
        assert (folder / name).read_bytes() == (GOLDEN / "blackhole" / name).read_bytes()


def test_bad_input(tmp_path, scan):
    with pytest.raises(ValueError, match=r"expected \(images, n, n\), got \(2, 8, 9\)"):
        write_images(np.zeros((2, 8, 9)), tmp_path / "lmdb")
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 2 to 2"):
        write_images(np.full((1, 8, 8), 2.0), tmp_path / "lmdb")
    with pytest.raises(ValueError, match="got nan"):
        write_images(np.full((1, 8, 8), np.nan), tmp_path / "lmdb")
    write_images(np.zeros((1, 8, 8)), tmp_path / "lmdb")
    with pytest.raises(ValueError, match="holds an LMDB already"):
        write_images(np.zeros((1, 8, 8)), tmp_path / "lmdb")
    with pytest.raises(FileNotFoundError, match="expected the FITS of a reference image"):
        write_blackhole(GOLDEN / "blackhole/obs.uvfits", tmp_path / "none.fits", tmp_path / "out")


def test_a_centre_with_holes_is_refused_and_nothing_is_left(tmp_path):
    path = tmp_path / "scans" / "file1.h5"
    path.parent.mkdir()
    kspace = np.ones((1, 2, 16, 16), np.complex64)
    kspace[..., 8] = 0
    write_fastmri(path, kspace)
    with pytest.raises(ValueError, match="slice 0: expected the 8×8 samples in the centre"):
        write_maps(path, 8)
    assert not list((tmp_path / "scans_sens_maps_espirit").iterdir())


def test_the_command_prints_the_override(tmp_path, scan):
    assert f"problem.data.root={scan[0].parent}_sens_maps_espirit" in lmaps(
        "inversebench", "prepare", "mri", scan[0], "--calibration", "16"
    ).output.replace("\n", "")


def test_pictures_become_an_lmdb_and_colour_is_refused(tmp_path):
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).random((2, 16, 16)).astype("f4"))
    command = ("inversebench", "prepare", "images")
    done = lmaps(*command, tmp_path / "grey.npy", "--out", tmp_path / "lmdb", "--pixels", 8)
    assert done.exit_code == 0, done.output
    with lmdb.open(str(tmp_path / "lmdb"), readonly=True) as store, store.begin() as transaction:
        assert len(np.frombuffer(transaction.get(b"1"), np.float32)) == 64
    np.save(tmp_path / "colour.npy", np.zeros((2, 3, 16, 16), np.float32))
    failed = lmaps(*command, tmp_path / "colour.npy", "--out", tmp_path / "other")
    assert "expected grey pictures, got 3 channels" in one_line_error(failed)
