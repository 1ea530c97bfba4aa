"""Images of people to train on, from what people keep them in."""

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import torch
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from lmaps_science.prior.train import TrainingConfig
from lmaps_science.problems.mri.magnitudes import read_magnitudes
from lmaps_science.training import train_prior
from tests.small import small_kspace

DISC = (np.hypot(*np.mgrid[-1:1:40j, -1:1:30j]) < 0.8).astype(np.float32)


def volume(slices: int, brightest: float = 1000) -> np.ndarray:
    """Discs (slices, 40, 30) of falling brightness, the last one almost nothing."""
    scale = np.linspace(1, 0.4, slices)
    scale[-1] = 0.01
    return brightest * scale[:, None, None] * DISC


def write_dicom(path: Path, image: np.ndarray, series: str) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SeriesInstanceUID = series
    data.Rows, data.Columns = image.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = image.astype(np.uint16).tobytes()
    data.save_as(path, enforce_file_format=True)


def test_slices_are_square_scaled_and_not_empty(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", volume(5))
    (slices,) = read_magnitudes(tmp_path / "one.npy", 32)
    assert slices.shape == (4, 32, 32)
    assert slices.dtype == torch.float32
    torch.testing.assert_close(torch.quantile(slices.flatten(1), 0.995, dim=1), torch.ones(4))
    # 40 × 30 became square with zeros at the sides.
    assert (slices[:, :, :3] == 0).all()
    assert (slices[:, 15, 15] > 0.9).all()


def test_nifti_and_dicom_and_fastmri_of_one_folder(tmp_path: Path) -> None:
    nibabel.save(
        nibabel.Nifti1Image(volume(4).T.astype(np.float32), np.diag([1, 1, 3, 1])),
        tmp_path / "a.nii.gz",
    )
    series = [generate_uid(), generate_uid()]
    for index in range(5):
        write_dicom(tmp_path / f"slice{index}", volume(6)[index], series[index > 1])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["kspace"] = np.zeros((2, 3, 8, 8), np.complex64)
        file["reconstruction_rss"] = volume(3)
    (tmp_path / "notes.txt").write_text("nothing to see")
    people = read_magnitudes(tmp_path, 48)
    assert [len(slices) for slices in people] == [2, 3, 3, 2]
    assert {slices.shape[1:] for slices in people} == {(48, 48)}


def test_kspace_without_a_reconstruction_is_transformed(tmp_path: Path) -> None:
    kspace = np.load(small_kspace(tmp_path / "k.npy", 2))
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["kspace"] = kspace
    (slices,) = read_magnitudes(tmp_path / "scan.h5", 48)
    assert slices.shape == (2, 48, 48)
    torch.testing.assert_close(slices[0], slices[1], atol=0.05, rtol=0)


def test_people_of_whom_nothing_is_left_are_left_out(tmp_path: Path) -> None:
    subjects = np.repeat([0, 1], 3)
    np.savez(tmp_path / "a.npz", slices=np.r_[volume(4)[:3], 0 * volume(3)], subject=subjects)
    assert [len(slices) for slices in read_magnitudes(tmp_path / "a.npz", 32)] == [3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.txt", b"hello", "expected NIfTI, DICOM, fastMRI or NumPy images, found none"),
        ("bad.nii.gz", b"not a nifti", "bad.nii.gz: expected a readable NIfTI"),
        ("bad", b"\0" * 128 + b"DICM", "bad: expected a readable DICOM"),
        ("bad.h5", b"\x89HDF\r\n\x1a\n" + b"0" * 90, "expected a whole HDF5 file"),
    ],
)
def test_what_cannot_be_read_is_named(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_magnitudes(tmp_path)


def test_arrays_have_to_be_slices(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pictures=volume(3))
    with pytest.raises(ValueError, match=r"a\.npz: expected an array named slices.*pictures"):
        read_magnitudes(tmp_path / "a.npz")
    bad = volume(3)
    bad[0, 0, 0] = np.nan
    np.save(tmp_path / "b.npy", bad)
    with pytest.raises(ValueError, match=r"b\.npy: .*NaN"):
        read_magnitudes(tmp_path / "b.npy")


def test_people_are_held_out_whole(tmp_path: Path) -> None:
    subjects = np.repeat(np.arange(3), 4)
    np.savez(tmp_path / "some.npz", slices=np.tile(volume(6)[:4], (3, 1, 1)), subject=subjects)
    small = {
        "type": "ShuffleUNet",
        "num_blocks": 1,
        "stem_channels": 8,
        "embedding_channels": 16,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmaps_science.imaging.mri.EXAMPLE_IMAGES", 20)
        patch.setattr("lmaps_science.imaging.mri.HELD_OUT_IMAGES", 4)
        card = train_prior(
            "mri",
            tmp_path / "some.npz",
            tmp_path / "mine.safetensors",
            config=TrainingConfig(num_steps=2, batch_size=1),
            image_size=32,
            network=small,
        )
    assert card.image_shape == (2, 32, 32)
    assert "8 slices of 2 people or files, 1 held out" in card.description
    np.save(tmp_path / "one.npy", volume(5))
    with pytest.raises(ValueError, match="at least two people"):
        train_prior("mri", tmp_path / "one.npy", tmp_path / "x.safetensors", image_size=32)
