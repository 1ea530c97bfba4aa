import numpy as np
import pytest

from lmaps_science.problems.mri.formats import read_maps, read_scan
from lmaps_science.problems.mri.formats.cfl import read_cfl, to_bart, write_cfl
from tests.problems.mri.phantom import transform


def test_bytes_are_those_of_barts_format(tmp_path):
    write_cfl(tmp_path / "a", np.array([[1, 3 + 1j], [2, 4]]))
    header = "# Dimensions\n2 2 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
    assert (tmp_path / "a.hdr").read_text() == header
    raw = np.fromfile(tmp_path / "a.cfl", np.float32)
    assert raw.tolist() == [1, 0, 2, 0, 3, 1, 4, 0]


@pytest.mark.parametrize("name", ["a", "a.cfl", "a.hdr", "with.dot"])
def test_round_trip(tmp_path, name):
    array = np.random.default_rng(0).standard_normal((4, 3, 1, 2, 1, 5)).astype(np.complex64)
    write_cfl(tmp_path / name, array)
    read = read_cfl(tmp_path / name)
    assert read.shape == (4, 3, 1, 2, 1, 5, *[1] * 10)
    assert np.array_equal(read.squeeze(), array.squeeze())


def test_echoes_are_contrasts(tmp_path):
    kspace = np.random.default_rng(0).standard_normal((5, 2, 6, 8)) + 0j
    write_cfl(tmp_path / "a", np.stack([to_bart(k)[..., None] for k in kspace], -1))
    scan = read_scan(tmp_path / "a")
    assert len(scan.contrasts) == 5 and scan.num_slices == 1
    for contrast in range(5):
        np.testing.assert_allclose(scan.kspace(0, contrast), kspace[contrast], rtol=1e-6)


def test_a_volume_is_cut_along_its_read_out(tmp_path):
    # (x, y, z, coils): k-space along y and z, and along x of what is an image there.
    image = np.random.default_rng(0).standard_normal((6, 4, 5, 2)) + 0j
    kspace = np.fft.fftshift(
        np.fft.fftn(np.fft.ifftshift(image, (0, 1, 2)), axes=(0, 1, 2), norm="ortho"), (0, 1, 2)
    )
    write_cfl(tmp_path / "a", kspace)
    scan = read_scan(tmp_path / "a")
    assert scan.num_slices == 6
    np.testing.assert_allclose(scan.kspace(4), transform(image[4].transpose(2, 1, 0)), atol=1e-5)


def test_maps_of_a_volume_are_those_of_its_slices(tmp_path):
    maps = np.random.default_rng(0).standard_normal((6, 4, 5, 2)) + 0j
    write_cfl(tmp_path / "maps", maps)
    read = read_maps(tmp_path / "maps")
    assert read.shape == (6, 2, 5, 4)
    np.testing.assert_allclose(read[4], maps[4].transpose(2, 1, 0), rtol=1e-6)


def test_two_phase_encodes_without_a_read_out(tmp_path):
    kspace = np.random.default_rng(0).standard_normal((1, 4, 5, 2)) + 0j
    write_cfl(tmp_path / "a", kspace)
    np.testing.assert_allclose(
        read_scan(tmp_path / "a").kspace(0), kspace[0].transpose(2, 1, 0), rtol=1e-6
    )


def test_what_is_no_k_space(tmp_path):
    write_cfl(tmp_path / "maps", np.ones((4, 4, 1, 2, 2)))
    with pytest.raises(ValueError, match="expected k-space, got 2 sets of maps"):
        read_scan(tmp_path / "maps")
    (tmp_path / "maps.hdr").write_text("4 4\n")
    with pytest.raises(ValueError, match="expected a line of dimensions after"):
        read_cfl(tmp_path / "maps")
