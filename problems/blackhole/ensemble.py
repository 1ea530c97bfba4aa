"""Several images of one source: brought to one place, and sorted into modes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAME_MODE = 0.85
"""Mean correlation between two groups of images above which they are one mode."""


def correlations(images: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised cross-correlation of every two images at their best (circular) shift.

    Parameters
    ----------
    images : Tensor
        (count, 1, y, x).

    Returns
    -------
    correlation : Tensor
        (count, count), 1 on the diagonal.
    shift : Tensor
        By how many pixels down and to the right the second of a pair is rolled, (count,
        count, 2), integers.
    """
    centred = images[:, 0].double() - images[:, 0].double().mean((1, 2), keepdim=True)
    centred = centred / centred.flatten(1).norm(dim=1)[:, None, None]
    spectrum = torch.fft.rfft2(centred)
    size = images.shape[-2:]
    product = torch.fft.irfft2(spectrum[:, None] * spectrum[None].conj(), s=size)
    highest, place = product.flatten(2).max(2)
    shift = torch.stack([place // size[1], place % size[1]], -1)
    return highest, shift


def aligned(images: Tensor) -> Tensor:
    """Images rolled, by whole pixels, onto the one that is most like all of them."""
    correlation, shift = correlations(images)
    middle = int(correlation.sum(1).argmax())
    moved = [
        image.roll(tuple(by), (-2, -1))
        for image, by in zip(images, shift[middle].tolist(), strict=True)
    ]
    return torch.stack(moved)


def moved_onto(image: NDArray, others: NDArray) -> NDArray:
    """`others` (count, y, x), rolled together to where their mean is most like `image` (y, x)."""
    pair = torch.from_numpy(np.stack([image, others.mean(0)]))[:, None]
    shift = correlations(pair)[1][0, 1].tolist()
    return np.roll(others, shift, (-2, -1))


def modes(images: Tensor) -> list[NDArray[np.integer]]:
    """Indices of the images of each mode, the largest mode first.

    Images are joined, the most alike first, while the mean correlation between two groups
    is above `SAME_MODE`.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(images) == 1:
        return [np.zeros(1, dtype=int)]
    distance = (1 - correlations(images)[0].cpu().numpy()).clip(min=0)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    label = fcluster(tree, 1 - SAME_MODE, "distance")
    groups = [np.flatnonzero(label == k) for k in np.unique(label)]
    return sorted(groups, key=len, reverse=True)
