import logging

import h5py
import lmdb
import numpy as np
import pytest
import torch
from PIL import Image

from lmaps_science.prior.images import load_images

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 6, 8), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
FLOATS = RNG.random((5, 6, 8), dtype=np.float32)


def scaled(array, highest=255):
    return torch.from_numpy(array.astype(np.float64) / highest * 2 - 1).float()


def write_lmdb(path, images, keys=None):
    with lmdb.open(str(path), map_size=2**20) as environment, environment.begin(write=True) as t:
        for key, image in zip(keys or range(len(images)), images, strict=True):
            t.put(str(key).encode(), image.astype(np.float32).tobytes())
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize("source", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_folder_of_pictures_in_the_order_of_their_names(tmp_path, suffix, source):
    (tmp_path / "later").mkdir()
    for i, image in enumerate(source):
        folder = tmp_path / "later" if i == 4 else tmp_path
        Image.fromarray(image).save(folder / f"{i}.{suffix}")
    (tmp_path / "notes.txt").write_text("not a picture")
    images = load_images(tmp_path)
    expected = scaled(source)
    expected = expected[:, None] if source.ndim == 3 else expected.permute(0, 3, 1, 2)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-6)


def test_sixteen_bits_palettes_transparency_and_stacks(tmp_path):
    deep = RNG.integers(0, 65536, (6, 8), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    torch.testing.assert_close(
        load_images(tmp_path / "deep.png")[0, 0], scaled(deep, 65535), rtol=0, atol=1e-6
    )
    Image.fromarray(COLOUR[0]).convert("RGBA").save(tmp_path / "alpha.png")
    torch.testing.assert_close(
        load_images(tmp_path / "alpha.png")[0].permute(1, 2, 0), scaled(COLOUR[0])
    )
    Image.fromarray(COLOUR[0]).quantize(256).save(tmp_path / "palette.png")
    assert load_images(tmp_path / "palette.png").shape == (1, 3, 6, 8)
    first, *rest = [Image.fromarray(image) for image in GREY]
    first.save(tmp_path / "stack.tif", save_all=True, append_images=rest)
    torch.testing.assert_close(load_images(tmp_path / "stack.tif")[:, 0], scaled(GREY))
    Image.fromarray(FLOATS[0]).save(tmp_path / "float.tif")
    torch.testing.assert_close(
        load_images(tmp_path / "float.tif")[0, 0], 2 * torch.from_numpy(FLOATS[0]) - 1
    )


def test_jpeg(tmp_path):
    Image.fromarray(np.full((6, 8), 255, np.uint8)).save(tmp_path / "white.jpg")
    torch.testing.assert_close(load_images(tmp_path), torch.ones(1, 1, 6, 8))


@pytest.mark.parametrize("kind", ["npy", "npz", "h5"])
@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, scaled(GREY)[:, None]),
        (GREY[:, None], scaled(GREY)[:, None]),
        (COLOUR, scaled(COLOUR).permute(0, 3, 1, 2)),
        (FLOATS, 2 * torch.from_numpy(FLOATS)[:, None] - 1),
        (FLOATS.astype(np.float64) * 2 - 1, 2 * torch.from_numpy(FLOATS)[:, None] - 1),
        (GREY.astype(">u2") * 257, scaled(GREY)[:, None]),
        (GREY > 100, scaled(GREY > 100, 1)[:, None]),
    ],
    ids=["grey", "channel", "colour", "unit floats", "signed floats", "big-endian", "bool"],
)
def test_arrays(tmp_path, kind, array, expected):
    path = tmp_path / f"images.{kind}"
    if kind == "npy":
        np.save(path, array)
    elif kind == "npz":
        np.savez(path, index=np.arange(5), images=array)
    else:
        with h5py.File(path, "w") as file:
            file["index"] = np.arange(5)
            file["group/images"] = array
    torch.testing.assert_close(load_images(path), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_a_named_dataset(tmp_path, kind):
    path = tmp_path / f"images.{kind}"
    if kind == "npz":
        np.savez(path, first=GREY, second=GREY[::-1])
    else:
        with h5py.File(path, "w") as file:
            file["first"], file["second"] = GREY, GREY[::-1]
    torch.testing.assert_close(load_images(path)[:, 0], scaled(GREY))
    torch.testing.assert_close(
        load_images(path, dataset="/second")[:, 0], scaled(GREY[::-1].copy())
    )
    with pytest.raises(ValueError, match="no dataset 'third', only first, second"):
        load_images(path, dataset="third")


@pytest.mark.parametrize("channels", [1, 2])
def test_inversebench_lmdb(tmp_path, channels):
    images = RNG.random((12, channels, 6, 6), dtype=np.float32)
    loaded = load_images(write_lmdb(tmp_path / "data", images))
    # Keys "10" and "11" sort before "2": the order is that of the numbers.
    torch.testing.assert_close(loaded, 2 * torch.from_numpy(images) - 1)


def test_image_size_scales_the_shorter_side_and_cuts_the_middle(tmp_path):
    ramp = np.broadcast_to(np.linspace(0, 1, 32, dtype=np.float32), (16, 32))
    np.save(tmp_path / "wide.npy", ramp[None])
    images = load_images(tmp_path / "wide.npy", image_size=8)
    assert images.shape == (1, 1, 8, 8)
    middle = 2 * torch.from_numpy(ramp[0].reshape(16, 2).mean(1)[4:12]) - 1
    torch.testing.assert_close(images[0, 0, 3], middle, rtol=0, atol=1e-5)
    assert load_images(tmp_path / "wide.npy", image_size=64).shape == (1, 1, 64, 64)


def test_the_log_says_how_floats_were_read(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    np.save(tmp_path / "unit.npy", FLOATS)
    load_images(tmp_path / "unit.npy")
    np.save(tmp_path / "signed.npy", FLOATS - 0.5)
    load_images(tmp_path / "signed.npy")
    assert "unit.npy: floats taken to be in [0, 1]" in caplog.messages[0]
    assert "signed.npy: floats taken to be in [-1, 1]" in caplog.messages[1]


def test_a_camera_that_fills_little_of_its_type_is_warned_about(tmp_path, caplog):
    np.save(tmp_path / "camera.npy", np.full((2, 4, 4), 4095, np.uint16))
    load_images(tmp_path / "camera.npy")
    assert "brightest pixel is at 6.2 % of the type's range" in caplog.text


def test_mixed_sizes_need_an_image_size(tmp_path):
    Image.fromarray(GREY[0]).save(tmp_path / "a.png")
    Image.fromarray(GREY[0, :, :4]).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"such as \(1, 6, 4\) and \(1, 6, 8\): give image_size"):
        load_images(tmp_path)
    assert load_images(tmp_path, image_size=4).shape == (2, 1, 4, 4)
    Image.fromarray(COLOUR[0]).save(tmp_path / "c.png")
    with pytest.raises(ValueError, match="keep grey and colour pictures apart"):
        load_images(tmp_path, image_size=4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.where(FLOATS > 0.99, np.nan, FLOATS),
            f"NaN or infinity in {(FLOATS > 0.99).sum()} pix",
        ),
        (FLOATS * 255, r"expected floats in \[0, 1\] or \[-1, 1\], these span \[.*, 25\d\.?\d*\]"),
        (GREY.astype(np.int32), "expected images of type uint8, uint16 or float, got int32"),
        (FLOATS.astype(np.complex64), "got complex64"),
        (GREY[0], r"expected an array of images with 3 or 4 axes, got array \(6, 8\)"),
        (np.zeros((2, 5, 6, 7), np.uint8), r"at most 4 channels, got \(2, 5, 6, 7\)"),
        (np.zeros((0, 6, 8), np.uint8), "no images in it"),
        (np.array([{"code": 1}]), "not a readable array of numbers .*allow_pickle"),
    ],
)
def test_bad_arrays_are_one_clear_line(tmp_path, array, message):
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(ValueError, match=message) as caught:
        load_images(tmp_path / "bad.npy")
    assert "bad.npy" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["bad.png", "bad.h5", "bad.npy", "bad.npz"])
def test_files_that_are_not_what_they_say(tmp_path, name):
    (tmp_path / name).write_bytes(b"hello, world")
    with pytest.raises(ValueError, match=f"{name}: not a readable"):
        load_images(tmp_path / name)


def test_a_cut_picture(tmp_path):
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"cut\.png: not a readable picture"):
        load_images(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder of images"):
        load_images(tmp_path / "missing")
    with pytest.raises(ValueError, match="no images in it"):
        load_images(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(
        ValueError, match="expected a folder of pictures, an LMDB folder, or a file"
    ):
        load_images(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="image_size: expected a positive number of pixels, got 0"):
        load_images(tmp_path, image_size=0)


def test_bad_lmdb(tmp_path):
    images = RNG.random((3, 1, 6, 6))
    path = write_lmdb(tmp_path / "keys", images, keys=["0", "1", "name"])
    with pytest.raises(ValueError, match=r"expected the keys 0, 1, \.\.\. of images, 2 is missing"):
        load_images(path)
    path = write_lmdb(tmp_path / "rectangle", RNG.random((2, 1, 5, 7)))
    with pytest.raises(ValueError, match="image 0: expected a square float32 image, got 140 bytes"):
        load_images(path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "data.mdb").write_bytes(b"hello, world")
    with pytest.raises(ValueError, match="not a readable LMDB"):
        load_images(tmp_path / "broken")


def test_real_microscopy(mirror):
    images = load_images(mirror / "microscopy" / "dsb2018_fluo_tiles128.npz")
    assert images.shape == (2861, 1, 128, 128)
    assert float(images.min()) == -1
    assert float(images.max()) == 1
