"""Simulated measurements, and the images to simulate them from."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lmaps_science.problems.scattering.operator import InverseScattering


def simulate(images: ArrayLike | Tensor, operator: InverseScattering, seed: int = 0) -> Tensor:
    """Noisy measurements of images, each with a noise of its own.

    Parameters
    ----------
    images : array or Tensor
        (count, y, x) or (count, 1, y, x) in [-1, 1]; -1 is the background.
    operator : InverseScattering
        Measures them.
    seed : int
        Of the noise; that of an image depends on the seed and its index only.

    Returns
    -------
    Tensor
        (count, transmitters, receivers), complex.
    """
    x = torch.as_tensor(images).to(operator.device)
    if x.ndim == 3:
        x = x[:, None]
    if not x.is_floating_point() or not bool((x.abs() <= 1).all()):
        raise ValueError(
            f"images: expected floats in [-1, 1], got {x.dtype} in "
            f"[{float(x.min()):.4g}, {float(x.max()):.4g}]: rescale them, -1 being the background"
        )
    return torch.cat(
        [operator({"target": x[i : i + 1]}, _noise_generator(seed, i)) for i in range(len(x))]
    )


def read_inversebench(
    folder: str | Path, num_pixels: int = 128, indices: Iterable[int] | None = None
) -> NDArray[np.float32]:
    """Images of InverseBench's scattering sets, normalised with its mean 0.5 and std 0.25.

    Parameters
    ----------
    folder : str or Path
        LMDB with keys "0", "1", ..., each the bytes of one float32 image.
    num_pixels : int
        Along each side of the stored images.
    indices : iterable of int, optional
        Which images; all of them by default.

    Returns
    -------
    ndarray
        (count, y, x), in [-1, 1].

    Raises
    ------
    FileNotFoundError
        If the folder holds no LMDB.
    ValueError
        If an image is missing or has another size.
    """
    import lmdb

    folder = Path(folder)
    if not (folder / "data.mdb").is_file():
        raise FileNotFoundError(f"{folder}: expected a folder with an LMDB (data.mdb)")
    images = []
    with lmdb.open(str(folder), readonly=True, lock=False) as base, base.begin() as transaction:
        for index in range(base.stat()["entries"]) if indices is None else indices:
            value = transaction.get(str(index).encode())
            if value is None or len(value) != 4 * num_pixels**2:
                came = "no such image" if value is None else f"{len(value)} bytes"
                raise ValueError(
                    f"{folder}: image {index}: expected {num_pixels}×{num_pixels} float32 "
                    f"({4 * num_pixels**2} bytes), got {came}"
                )
            images.append(np.frombuffer(value, np.float32).reshape(num_pixels, num_pixels))
    return (np.stack(images) - np.float32(0.5)) / np.float32(0.5)


@overload
def cells(
    path: str | Path, split: str = ..., return_index: Literal[False] = ...
) -> NDArray[np.float32]: ...
@overload
def cells(
    path: str | Path, split: str, return_index: Literal[True]
) -> tuple[NDArray[np.float32], NDArray[np.integer]]: ...
def cells(
    path: str | Path, split: str = "test", return_index: bool = False
) -> NDArray[np.float32] | tuple[NDArray[np.float32], NDArray[np.integer]]:
    """Fluorescence nuclei of the 2018 Data Science Bowl, from the data registry's tiles.

    Parameters
    ----------
    path : str or Path
        ``dsb2018_fluo_tiles128.npz``.
    split : str
        ``"train"``, or ``"test"`` for the tiles of every tenth image (index % 10 == 9).
    return_index : bool
        Also return which image each tile was cut from.

    Returns
    -------
    tiles : ndarray
        (count, 128, 128), in [-1, 1]: each image's first and 99.8th percentiles map to the
        ends.
    image_index : ndarray
        (count,), on request.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split: expected 'train' or 'test', got {split!r}")
    with np.load(path) as file:
        tiles, image, percentiles = (
            file[name] for name in ("tiles", "image_index", "image_p1_p998")
        )
    chosen = (image % 10 == 9) == (split == "test")
    low, high = percentiles[chosen].astype(np.float32).T[..., None, None]
    contrast = (tiles[chosen].astype(np.float32) - low) / np.maximum(high - low, 1)
    normalised = 2 * contrast.clip(0, 1) - 1
    return (normalised, image[chosen]) if return_index else normalised


def _noise_generator(seed: int, image: int) -> torch.Generator:
    # The 1 keeps this stream apart from a sampler's, which may be given the same seed.
    state = np.random.SeedSequence((seed, image, 1)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)
