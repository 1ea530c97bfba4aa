"""What all readers share: recognition, errors, slices of which one is broken."""

import re

import h5py
import numpy as np
import pytest

from lmaps_science.problems.mri.formats import Scan, read_maps, read_scan
from lmaps_science.problems.mri.formats.cfl import to_bart, write_cfl
from lmaps_science.problems.mri.formats.fastmri import write_fastmri
from lmaps_science.problems.mri.masks import calibration_shape, sampled
from lmaps_science.problems.mri.volume import prepare_slice
from tests.problems.mri.phantom import COILS, SHAPE, coils, lines, measured


def volume(slices=3):
    return np.stack([measured(seed=i) for i in range(slices)])


@pytest.mark.parametrize("name", ["scan.npy", "scan.npz", "scan.h5", "scan.cfl", "scan"])
def test_format_is_recognised(tmp_path, name):
    path, kspace = tmp_path / name, volume(2)
    if name == "scan.npy":
        np.save(path, kspace)
    elif name == "scan.npz":
        np.savez(path, ksp=kspace)
    elif name == "scan.h5":
        write_fastmri(path, kspace)
    else:
        array = np.stack([to_bart(one) for one in kspace], -1)
        write_cfl(path, array.reshape(*array.shape[:4], *[1] * 9, 2))
    scan = read_scan(path)
    assert (scan.num_slices, scan.contrasts) == (2, ("",))
    for index in range(2):
        read = scan.kspace(index)
        assert read.dtype == np.complex64 and np.array_equal(read, kspace[index])
    with pytest.raises(IndexError, match="no slice 2, it has 2"):
        scan.kspace(2)
    with pytest.raises(IndexError, match="no contrast 1, it has 1"):
        scan.kspace(0, 1)
    assert scan.maps(0) is None and scan.reference(0) is None


def damaged(tmp_path, kind):
    """A file that is not what it should be."""
    path = tmp_path / "scan.h5"
    if kind == "truncated":
        write_fastmri(path, volume(1))
        path.write_bytes(path.read_bytes()[:-1000])
    elif kind == "dicom":
        path.write_bytes(bytes(128) + b"DICM" + bytes(1000))
    elif kind == "png":
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    elif kind == "nifti":
        path.write_bytes(bytes(344) + b"n+1\x00" + bytes(1000))
    elif kind == "text":
        path.write_text("k-space")
    elif kind == "other hdf5":
        with h5py.File(path, "w") as file:
            file["images"] = np.zeros(3)
    elif kind == "flat":
        with h5py.File(path, "w") as file:
            file["kspace"] = np.zeros((3, 4), complex)
    elif kind == "bad header":
        with h5py.File(path, "w") as file:
            file["kspace"] = volume(1)
            file["ismrmrd_header"] = "<nothing"
    elif kind == "npz":
        path = path.with_suffix(".npz")
        path.write_bytes(b"PK\x03\x04" + bytes(50))
    elif kind == "unnamed npz":
        path = path.with_suffix(".npz")
        np.savez(path, image=np.zeros(3))
    elif kind == "cfl":
        path = path.with_suffix(".cfl")
        write_cfl(path, to_bart(measured()))
        path.write_bytes(path.read_bytes()[:-8])
    elif kind == "folder":
        path = tmp_path / "folder"
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "a whole HDF5 file, got one that is cut short"),
        ("dicom", "expected raw k-space, got a DICOM file, which holds images"),
        ("png", "expected raw k-space, got a PNG image"),
        ("nifti", "expected raw k-space, got a NIfTI image"),
        ("text", "expected raw k-space as fastMRI .* got a file of another kind"),
        ("other hdf5", "the file holds images"),
        ("flat", r"kspace: expected \(slices, coils, y, x\), got \(3, 4\)"),
        ("bad header", "header: expected ISMRMRD XML"),
        ("npz", "got a damaged file"),
        ("unnamed npz", "expected an array named kspace or .* the file holds image"),
        ("cfl", "bytes for dimensions .* copy it again"),
        ("folder", "expected LMDB folders .* missing"),
    ],
)
def test_what_is_no_k_space_is_told_in_one_line(tmp_path, kind, message):
    path = damaged(tmp_path, kind)
    with pytest.raises(ValueError, match=re.escape(str(path)) + ".*" + message) as caught:
        read_scan(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    for read in (read_scan, read_maps):
        with pytest.raises(FileNotFoundError, match="no such file"):
            read(tmp_path / "nothing.h5")
    with pytest.raises(FileNotFoundError, match=r"scan.hdr: no such file; a BART array"):
        np.save(tmp_path / "scan.cfl.npy", np.zeros(3))
        (tmp_path / "scan.cfl.npy").rename(tmp_path / "scan.cfl")
        read_scan(tmp_path / "scan.cfl")


def test_integers_are_no_k_space(tmp_path):
    np.save(tmp_path / "scan.npy", np.zeros((COILS, *SHAPE), int))
    with pytest.raises(ValueError, match=r"scan.npy: expected complex numbers.*got int64"):
        read_scan(tmp_path / "scan.npy")


def test_pairs_of_floats_are_complex_numbers(tmp_path):
    kspace = measured()
    np.save(tmp_path / "scan.npy", kspace.view(np.float32).reshape(*kspace.shape, 2))
    assert np.array_equal(read_scan(tmp_path / "scan.npy").kspace(0), kspace)


def test_a_broken_slice_is_named_and_the_others_are_kept(tmp_path):
    kspace = volume()
    kspace[1, 0, 0, 0] = np.nan
    path = tmp_path / "scan.h5"
    write_fastmri(path, kspace, mask=lines()[0])
    scan = read_scan(path)
    results = [prepare_slice(scan, index) for index in range(3)]
    assert [result.prepared is None for result in results] == [False, True, False]
    assert results[1].reason == (
        f"{path}, slice 1: k-space: expected finite numbers, got 1 NaN or infinite of "
        f"{kspace[0].size}: set what was not measured to zero"
    )
    assert np.array_equal(results[2].prepared.operator.mask[0].numpy(), lines()[0])


def test_a_slice_whose_bytes_are_gone_is_named_and_the_others_are_kept(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        kspace = file.create_dataset(
            "kspace", data=volume(), chunks=(1, COILS, *SHAPE), compression="gzip"
        )
        chunk = kspace.id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 50 : chunk.byte_offset + 500] = bytes(450)
    path.write_bytes(content)
    results = [prepare_slice(read_scan(path), index, mask=lines()) for index in range(3)]
    assert [result.prepared is None for result in results] == [False, True, False]
    assert results[1].reason.startswith(f"{path}, slice 1: expected a whole HDF5 file")


def test_masks_of_file_and_user_are_joined(tmp_path):
    path = tmp_path / "scan.npz"
    np.savez(path, kspace=measured(), mask=lines())
    fewer = np.arange(SHAPE[1]) > 2
    prepared = prepare_slice(read_scan(path), 0, mask=fewer).prepared
    assert np.array_equal(prepared.operator.mask[0].numpy(), lines()[0] & fewer)
    np.savez(path, kspace=measured(), mask=np.ones(SHAPE))
    assert prepare_slice(read_scan(path), 0).prepared.operator.acceleration == 1


@pytest.mark.parametrize("name", ["maps.npy", "maps.npz", "maps.h5", "maps.cfl"])
def test_maps_of_a_file(tmp_path, name):
    path, maps = tmp_path / name, coils().astype(np.complex64)
    if name == "maps.npy":
        np.save(path, maps)
    elif name == "maps.npz":
        np.savez(path, s_maps=maps)
    elif name == "maps.h5":
        write_fastmri(path, measured()[None], maps=maps[None])
        maps = maps[None]
    else:
        write_cfl(path, to_bart(maps))
    assert np.array_equal(read_maps(path), maps)
    np.save(tmp_path / "scan.npy", measured())
    prepared = prepare_slice(
        read_scan(tmp_path / "scan.npy"), 0, mask=lines(), maps=read_maps(path)
    )
    assert prepared.prepared.calibration == (0, 0)
    wrong = prepare_slice(
        read_scan(tmp_path / "scan.npy"), 0, mask=lines(), maps=np.stack([coils()] * 2)
    )
    assert "expected 1 slices, got 2" in wrong.reason


def test_no_maps_in_a_file(tmp_path):
    write_fastmri(tmp_path / "scan.h5", volume(1))
    with pytest.raises(ValueError, match=r"scan.h5: expected sensitivity maps"):
        read_maps(tmp_path / "scan.h5")


def test_real_files_are_read(mirror):
    folder = mirror / "mri_kspace"
    full = read_scan(folder / "mchiew_sense_tutorial_16ch_ksp.npz")
    assert isinstance(full, Scan) and full.kspace(0).shape == (16, 96, 96)
    mask = sampled(read_scan(folder / "sigpy_tutorial_cartesian_ksp.npy").kspace(0))
    assert mask.shape == (230, 180) and 1 / mask.mean() == pytest.approx(8.04, abs=0.01)
    assert calibration_shape(mask) == (24, 24)
