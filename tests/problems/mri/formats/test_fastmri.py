import h5py
import numpy as np
import pytest

from lmaps_science.problems.mri.formats import read_scan
from lmaps_science.problems.mri.formats.fastmri import write_fastmri
from tests.problems.mri.phantom import COILS, coils, head, transform

HEADER = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>{nx}</x><y>{ny}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>400</x><y>{fov_y}</y><z>5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>{rx}</x><y>{ry}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>200</x><y>200</y><z>5</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{last}</maximum>
<center>{centre}</center></kspace_encoding_step_1></encodingLimits>
<trajectory>{trajectory}</trajectory></encoding></ismrmrdHeader>"""


def header(**changes):
    values = {"nx": 64, "ny": 40, "fov_y": 200, "rx": 32, "ry": 40, "last": 39, "centre": 20}
    return HEADER.format(**{**values, "trajectory": "cartesian", **changes})


def oversampled(shape=(64, 40)):
    """K-space (coils, y, x) of a head within the middle half of the field of view along y."""
    image = np.zeros(shape, complex)
    image[shape[0] // 4 : 3 * shape[0] // 4] = head((shape[0] // 2, shape[1]))
    return transform(coils(COILS, shape) * image).astype(np.complex64)


def write(path, kspace, xml, **datasets):
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace[None]
        file["ismrmrd_header"] = xml
        for name, values in datasets.items():
            file[name] = values


def test_oversampled_read_out_is_cropped(tmp_path):
    write(tmp_path / "scan.h5", oversampled(), header())
    scan = read_scan(tmp_path / "scan.h5")
    kspace = scan.kspace(0)
    assert kspace.shape == (COILS, 32, 40)
    maps = coils(COILS, (64, 40))[:, 16:48]
    expected = transform(maps * head((32, 40)))
    np.testing.assert_allclose(kspace, expected, atol=1e-5)
    assert scan.image_shape == (32, 40)
    np.testing.assert_allclose(scan.affine, np.diag([200 / 40, 400 / 64, 5, 1]))


def test_half_scan_is_padded_to_its_centre(tmp_path):
    whole = oversampled()
    # 28 of 40 lines, the encoded centre at index 8 of them: the first 12 lines are left out.
    write(
        tmp_path / "scan.h5",
        whole[:, :, 12:],
        header(last=27, centre=8),
        mask=np.arange(28) % 2 == 0,
    )
    scan = read_scan(tmp_path / "scan.h5")
    kspace = scan.kspace(0)
    assert kspace.shape == (COILS, 32, 40)
    assert not kspace[:, :, :12].any()
    write(tmp_path / "whole.h5", whole, header())
    expected = read_scan(tmp_path / "whole.h5").kspace(0)
    np.testing.assert_allclose(kspace[:, :, 12:], expected[:, :, 12:], atol=1e-6)
    assert scan.mask.shape == (1, 40)
    assert np.array_equal(np.flatnonzero(scan.mask[0]), np.arange(12, 40, 2))


def test_phase_oversampling_is_left_for_the_image(tmp_path):
    write(tmp_path / "scan.h5", oversampled(), header(fov_y=250))
    scan = read_scan(tmp_path / "scan.h5")
    assert scan.kspace(0).shape == (COILS, 32, 40)
    assert scan.image_shape == (32, 32)


def test_what_is_written_is_read(tmp_path):
    generator = np.random.default_rng(0)
    kspace, maps = generator.standard_normal((2, 2, 3, 6, 8)).astype(np.complex64)
    mask = np.arange(8) % 2 == 0
    write_fastmri(
        tmp_path / "scan.h5",
        kspace,
        maps,
        mask,
        images={"reconstruction_rss": np.ones((2, 4, 5))},
        attributes={"acquisition": "AXT1"},
    )
    scan = read_scan(tmp_path / "scan.h5")
    assert scan.num_slices == 2 and scan.image_shape == (4, 5)
    for index in range(2):
        assert np.array_equal(scan.kspace(index), kspace[index])
        assert np.array_equal(scan.maps(index), maps[index])
    assert np.array_equal(scan.mask, mask[None])
    with h5py.File(tmp_path / "scan.h5") as file:
        assert file.attrs["acquisition"] == "AXT1"


def test_one_coil_without_an_axis(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["kspace"] = np.ones((2, 6, 8), np.complex64)
    assert read_scan(tmp_path / "scan.h5").kspace(1).shape == (1, 6, 8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"kspace": np.zeros((1, 2, 4, 4))}, "kspace: expected complex numbers"),
        (
            {"kspace": np.zeros((1, 2, 4, 4), complex), "maps": np.zeros((2, 4, 4), complex)},
            r"maps: expected shape \(1, 2, 4, 4\)",
        ),
    ],
)
def test_what_cannot_be_written(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        write_fastmri(tmp_path / "scan.h5", **arrays)
    assert not list(tmp_path.iterdir())


def test_mask_of_another_size(tmp_path):
    write(tmp_path / "scan.h5", oversampled(), header(), mask=np.ones(7))
    with pytest.raises(ValueError, match=r"scan.h5: mask: expected 40 lines as kspace, got"):
        read_scan(tmp_path / "scan.h5")
