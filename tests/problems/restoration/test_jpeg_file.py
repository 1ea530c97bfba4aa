"""The integers of JPEG files, against what Pillow decodes and encodes."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from lmaps_science.problems.restoration.cosine import inverse_block_dct
from lmaps_science.problems.restoration.jpeg_file import read_jpeg


def picture(ny=37, nx=50):
    y, x = np.mgrid[:ny, :nx]
    noise = np.random.default_rng(0).standard_normal((ny, nx))
    return (120 + 90 * np.sin(x / 9) * np.cos(y / 7) + 40 * noise).clip(0, 255).astype(np.uint8)


def encoded(image, **options):
    file = BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def decoded(content):
    data = read_jpeg(content)
    tiles = [n // 8 for n in data.indices.shape]
    levels = inverse_block_dct(torch.from_numpy(data.indices * np.tile(data.table, tiles)).double())
    ny, nx = data.shape
    return (levels.numpy() + 128).clip(0, 255)[:ny, :nx]


@pytest.mark.parametrize("quality", [1, 10, 75, 95, 100])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"restart_marker_blocks": 3}])
def test_grey(quality, options):
    content = encoded(Image.fromarray(picture()), quality=quality, **options)
    shown = np.asarray(Image.open(BytesIO(content)))
    # The decoder rounds, and its cosine transform is one of integers.
    assert np.abs(decoded(content) - shown).max() < 0.7
    assert (
        read_jpeg(content).table.flatten().tolist() == Image.open(BytesIO(content)).quantization[0]
    )


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_luminance_of_colour(subsampling):
    red = picture()
    colour = Image.merge("RGB", [Image.fromarray(a) for a in (red, red[::-1].copy(), red)])
    content = encoded(colour, quality=30, subsampling=subsampling)
    file = Image.open(BytesIO(content))
    file.draft("YCbCr", file.size)
    assert np.abs(decoded(content) - np.asarray(file)[..., 0]).max() < 0.7
    assert read_jpeg(content).num_components == 3


def test_what_is_not_read_is_named():
    content = encoded(Image.fromarray(picture()), quality=50)
    with pytest.raises(ValueError, match="got a progressive one: save it as baseline"):
        read_jpeg(encoded(Image.fromarray(picture()), progressive=True))
    with pytest.raises(ValueError, match="begins with FF D8"):
        read_jpeg(b"PNG")
    for end in (30, 200, len(content) // 2, len(content) - 40):
        with pytest.raises(ValueError, match="JPEG: expected"):
            read_jpeg(content[:end])
