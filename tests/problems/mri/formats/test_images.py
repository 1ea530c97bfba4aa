import numpy as np
import pytest
from PIL import Image

from lmaps_science.problems.mri.formats.images import middle, write_nifti, write_png


@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz", "image"])
@pytest.mark.parametrize("complex_valued", [False, True])
def test_nifti_keeps_axes_values_and_geometry(tmp_path, name, complex_valued):
    nibabel = pytest.importorskip("nibabel")
    image = np.random.default_rng(0).standard_normal((3, 4, 5))
    if complex_valued:
        image = image * np.exp(1j)
    affine = np.array([[0, -2.0, 0, 3], [1, 0, 0, 4], [0, 0, 5, 6], [0, 0, 0, 1]])
    write_nifti(tmp_path / name, image, affine)
    (path,) = tmp_path.iterdir()
    assert path.name == (name if "." in name else "image.nii")
    read = nibabel.load(path)
    np.testing.assert_allclose(read.affine, affine)
    np.testing.assert_allclose(np.asarray(read.dataobj).T, image, rtol=1e-6)
    np.testing.assert_allclose(read.header.get_zooms(), (1, 2, 5))


def test_nifti_of_contrasts_and_of_one_slice(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    write_nifti(tmp_path / "a.nii", np.zeros((2, 3, 4, 5)))
    assert nibabel.load(tmp_path / "a.nii").shape == (5, 4, 3, 2)
    write_nifti(tmp_path / "b.nii", np.zeros((4, 5)))
    assert nibabel.load(tmp_path / "b.nii").shape == (5, 4, 1)
    with pytest.raises(ValueError, match="up to two axes before, got"):
        write_nifti(tmp_path / "c.nii", np.zeros(4))


def test_png_shows_slices_in_a_square(tmp_path):
    image = np.zeros((3, 2, 4))
    image[0, 0, 0], image[1, 1, 3], image[2] = 2, -1, 0.5
    write_png(tmp_path / "a.png", image, brightest=1.0)
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert pixels.shape == (4, 8) and pixels.dtype == np.uint8
    assert pixels[0, 0] == 255 and pixels[1, 7] == 128
    assert (pixels[2:, :4] == 64).all() and not pixels[2:, 4:].any()
    write_png(tmp_path / "a.png", np.zeros((2, 2)))
    assert not np.asarray(Image.open(tmp_path / "a.png")).any()


def test_middle_of_an_image():
    image = np.arange(20).reshape(1, 4, 5)
    assert np.array_equal(middle(image, (2, 3)), image[:, 1:3, 1:4])
    assert np.array_equal(middle(image, None), image)
    assert np.array_equal(middle(image, (9, 3)), image[..., 1:4])
