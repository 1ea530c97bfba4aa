import ismrmrd
import numpy as np
import pytest

from lmaps_science.problems.mri.formats import read_scan
from lmaps_science.problems.mri.preparation import prepare
from lmaps_science.problems.mri.volume import prepare_slice
from tests.problems.mri.formats.test_fastmri import header, oversampled
from tests.problems.mri.phantom import COILS, lines, transform

NY, NX = 40, 64


def line(samples, y, **options):
    """An acquisition of samples (coils, x) at line y."""
    samples = np.ascontiguousarray(samples, np.complex64)
    acquisition = ismrmrd.Acquisition.from_array(samples)
    acquisition.idx.kspace_encode_step_1 = y
    acquisition.center_sample = options.pop("centre", samples.shape[1] // 2)
    for flag in options.pop("flags", ()):
        acquisition.setFlag(flag)
    for name in ("slice", "contrast", "kspace_encode_step_2"):
        setattr(acquisition.idx, name, options.pop(name, 0))
    for name in ("position", "read_dir", "phase_dir", "slice_dir"):
        if name in options:
            getattr(acquisition, name)[:] = options.pop(name)
    for name, value in options.items():
        setattr(acquisition, name, value)
    return acquisition


def write(path, acquisitions, xml=None):
    dataset = ismrmrd.Dataset(path, "dataset", create_if_needed=True)
    dataset.write_xml_header((xml or header()).encode())
    for acquisition in acquisitions:
        dataset.append_acquisition(acquisition)
    dataset.close()
    return path


def full(seed=0):
    """Twofold oversampled k-space (coils, y, x), and what remains after cropping."""
    generator = np.random.default_rng(seed)
    image = np.zeros((3, NY, NX), complex)
    inner = generator.standard_normal((3, NY, NX // 2))
    image[..., NX // 4 : 3 * NX // 4] = inner
    return transform(image), transform(inner.astype(complex))


def test_lines_are_sorted_and_the_read_out_is_cropped(tmp_path):
    kspace, expected = full()
    order = np.random.default_rng(1).permutation(np.arange(0, NY, 2))
    path = write(tmp_path / "scan.h5", [line(kspace[:, y], y) for y in order])
    scan = read_scan(path)
    read = scan.kspace(0)
    assert (scan.format, scan.num_slices, scan.image_shape) == ("ISMRMRD", 1, (40, 32))
    assert not read[:, 1::2].any()
    np.testing.assert_allclose(read[:, ::2], expected[:, ::2], atol=1e-5)


def test_half_scan_and_asymmetric_echo_are_padded_to_their_centres(tmp_path):
    kspace, _ = full()
    lines = [line(kspace[:, y, 16:], y - 12, centre=16) for y in range(12, NY)]
    path = write(tmp_path / "scan.h5", lines, header(last=27, centre=8))
    read = read_scan(path).kspace(0)
    padded = kspace.copy()
    padded[:, :12] = padded[..., :16] = 0
    reference = write(tmp_path / "padded.h5", [line(padded[:, y], y) for y in range(NY)])
    np.testing.assert_allclose(read, read_scan(reference).kspace(0), atol=1e-5)


def test_reversed_discarded_and_averaged_samples(tmp_path):
    kspace, expected = full()
    lines = []
    for y in range(NY):
        lines.append(line(2 * kspace[:, y, ::-1], y, flags=[ismrmrd.ACQ_IS_REVERSE], centre=31))
        lines.append(line(0 * kspace[:, y], y))
    np.testing.assert_allclose(
        read_scan(write(tmp_path / "scan.h5", lines)).kspace(0), expected, atol=1e-5
    )
    marked = kspace.copy()
    marked[..., :2] = marked[..., -3:] = 1e6
    lines = [line(marked[:, y], y, discard_pre=2, discard_post=3) for y in range(NY)]
    blank = kspace.copy()
    blank[..., :2] = blank[..., -3:] = 0
    np.testing.assert_allclose(
        read_scan(write(tmp_path / "marked.h5", lines)).kspace(0),
        read_scan(write(tmp_path / "blank.h5", [line(blank[:, y], y) for y in range(NY)])).kspace(
            0
        ),
        atol=1e-5,
    )


def test_slices_contrasts_and_geometry(tmp_path):
    cases = {(s, c): full(10 * s + c) for s in range(2) for c in range(2)}
    directions = {"read_dir": (0, 1, 0), "phase_dir": (1, 0, 0), "slice_dir": (0, 0, -1)}
    acquisitions = [
        line(kspace[:, y], y, slice=s, contrast=c, position=(1, 2, 30 + 6 * s), **directions)
        for (s, c), (kspace, _) in cases.items()
        for y in range(NY)
    ]
    scan = read_scan(write(tmp_path / "scan.h5", acquisitions))
    assert scan.num_slices == 2 and scan.contrasts == ("contrast 0", "contrast 1")
    for (s, c), (_, expected) in cases.items():
        np.testing.assert_allclose(scan.kspace(s, c), expected, atol=1e-5)
    # Pixel (16, 20) is the centre of the slice; left, posterior turn to right, anterior.
    np.testing.assert_allclose(scan.affine @ [16, 20, 0, 1], [-1, -2, 30, 1])
    np.testing.assert_allclose(scan.affine @ [17, 20, 1, 1], [-1, -2 - 400 / 64, 36, 1])
    np.testing.assert_allclose(scan.affine @ [16, 21, 0, 1], [-1 - 200 / 40, -2, 30, 1])


def test_interleaved_slices_are_put_in_their_order(tmp_path):
    places = {0: 0.0, 1: 12.0, 2: 6.0, 3: 18.0}
    directions = {"read_dir": (1, 0, 0), "phase_dir": (0, 1, 0), "slice_dir": (0, 0, 1)}
    kspaces = {s: full(s) for s in places}
    acquisitions = [
        line(kspace[:, y], y, slice=s, position=(0, 0, places[s]), **directions)
        for s, (kspace, _) in kspaces.items()
        for y in range(NY)
    ]
    scan = read_scan(write(tmp_path / "scan.h5", acquisitions))
    for index, number in enumerate((0, 2, 1, 3)):
        np.testing.assert_allclose(scan.kspace(index), kspaces[number][1], atol=1e-5)
    np.testing.assert_allclose(scan.affine[:3, 2], [0, 0, 6])


def test_slices_at_uneven_distances_have_voxel_sizes_alone(tmp_path):
    directions = {"read_dir": (1, 0, 0), "phase_dir": (0, 1, 0), "slice_dir": (0, 0, 1)}
    kspace, _ = full()
    acquisitions = [
        line(kspace[:, y], y, slice=s, position=(0, 0, place), **directions)
        for s, place in enumerate((0.0, 6.0, 20.0))
        for y in range(NY)
    ]
    affine = read_scan(write(tmp_path / "scan.h5", acquisitions)).affine
    np.testing.assert_array_equal(affine, np.diag(np.diag(affine)))


def test_noise_scan_whitens_and_other_lines_are_left_out(tmp_path):
    kspace = oversampled().mT
    coil = np.arange(COILS)[:, None]
    noise = (coil + 1) * np.exp(2j * np.pi * coil * np.arange(500) / 500)
    other = [line(1e6 * noise[:, :64], 5, flags=[flag]) for flag in (23, 24, 27)]
    acquisitions = [line(noise, 0, flags=[ismrmrd.ACQ_IS_NOISE_MEASUREMENT])]
    acquisitions += [line(kspace[:, y], y) for y in range(NY)]
    scan = read_scan(write(tmp_path / "scan.h5", acquisitions + other))
    np.testing.assert_allclose(scan.noise, noise, rtol=1e-5)
    white, plain = (
        p.kspace.flatten(1).abs().square().sum(1).numpy()
        for p in (
            prepare_slice(scan, 0, mask=lines().T).prepared,
            prepare(scan.kspace(0), mask=lines().T),
        )
    )
    factors = white / plain * np.arange(1, COILS + 1) ** 2
    np.testing.assert_allclose(factors, factors.mean(), rtol=1e-3)


def test_separate_calibration_gives_the_maps(tmp_path):
    kspace = oversampled().mT
    calibration = [
        line(kspace[:, y], y, flags=[ismrmrd.ACQ_IS_PARALLEL_CALIBRATION]) for y in range(10, 30)
    ]
    images = [line(kspace[:, y], y) for y in range(0, NY, 2)]
    scan = read_scan(write(tmp_path / "scan.h5", calibration + images))
    assert scan.maps(0).shape == (COILS, NY, 32)
    assert not scan.kspace(0)[:, 1::2].any()
    prepared = prepare_slice(scan, 0).prepared
    assert prepared.operator.acceleration == 2 and prepared.calibration == (0, 0)


def test_three_dimensions_are_cut_along_the_read_out(tmp_path):
    generator = np.random.default_rng(0)
    inner = generator.standard_normal((2, 4, NY, 32)) + 0j
    image = np.zeros((2, 4, NY, NX), complex)
    image[..., 16:48] = inner
    kspace = np.fft.fftshift(
        np.fft.fftn(np.fft.ifftshift(image, (1, 2, 3)), axes=(1, 2, 3), norm="ortho"), (1, 2, 3)
    )
    acquisitions = [
        line(kspace[:, z, y], y, kspace_encode_step_2=z) for z in range(4) for y in range(NY)
    ]
    xml = header().replace("<z>1</z>", "<z>4</z>")
    scan = read_scan(write(tmp_path / "scan.h5", acquisitions, xml))
    assert scan.num_slices == 32
    np.testing.assert_allclose(scan.kspace(5), transform(inner[..., 5]), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trajectory": "radial"}, "expected a Cartesian trajectory, got radial"),
        ({"nx": 0}, "header: expected positive x, y and z in encodedSpace/matrixSize"),
        ({"nx": "many"}, "header: expected positive x"),
    ],
)
def test_headers_that_cannot_be_used(tmp_path, changes, message):
    path = write(tmp_path / "scan.h5", [line(np.ones((2, NX)), 0)], header(**changes))
    with pytest.raises(ValueError, match=message):
        read_scan(path)


def test_lines_that_cannot_be_placed(tmp_path):
    path = write(tmp_path / "scan.h5", [line(np.ones((2, NX)), 70)])
    with pytest.raises(ValueError, match=r"slice 0: expected lines within .* 40, got line 70"):
        read_scan(path).kspace(0)
    path = write(tmp_path / "noise.h5", [line(np.ones((2, NX)), 0, flags=[19])])
    with pytest.raises(ValueError, match="expected lines of images, got none in 1 acquisitions"):
        read_scan(path)
