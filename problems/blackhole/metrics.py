"""How close a reconstructed source is to the truth, wherever it lies in the field."""

import numpy as np
import torch
from torch import Tensor

from lmaps_science.problems.metrics import blur, psnr

_BLURS = (0, 10, 15, 20)
_HOST_COLUMNS = ("psnr", "blur_psnr (f=10)", "blur_psnr (f=15)", "blur_psnr (f=20)")


def aligned(image: Tensor, truth: Tensor) -> Tensor:
    """`image` shifted to the truth, to a fraction of a pixel; no shift is among the choices.

    Parameters
    ----------
    image, truth : Tensor
        (batch, 1, y, x) in [0, 1]; one truth serves a batch.

    Returns
    -------
    Tensor
        Shifted images, zero beyond their edges, interpolated linearly.
    """
    from scipy.ndimage import shift
    from scipy.optimize import minimize
    from scipy.signal import fftconvolve

    results = []
    for a, b in zip(*(_arrays(t) for t in torch.broadcast_tensors(image, truth)), strict=True):
        overlap = fftconvolve(b, a[::-1, ::-1])
        peak = np.unravel_index(overlap.argmax(), overlap.shape)
        whole = np.subtract(peak, np.subtract(a.shape, 1)).astype(float)

        def error(by: np.ndarray, a: np.ndarray = a, b: np.ndarray = b) -> float:
            return float(np.square(shift(a, by, order=1) - b).mean())

        refined = minimize(error, whole, method="Nelder-Mead").x
        best = min((np.zeros(2), whole, refined), key=error)
        results.append(shift(a, best, order=1))
    return torch.from_numpy(np.stack(results)[:, None]).to(image)


def aligned_psnr(
    image: Tensor, truth: Tensor, field_of_view_uas: float = 160.0
) -> dict[str, Tensor]:
    """PSNR after alignment, and after a blur of both by 10, 15 and 20 µas FWHM.

    Parameters
    ----------
    image, truth : Tensor
        (batch, 1, y, x) in [0, 1]; one truth serves a batch.
    field_of_view_uas : float
        Width of the images, microarcsecond.

    Returns
    -------
    dict of str to Tensor
        ``psnr``, ``blur_psnr_10uas``, ``blur_psnr_15uas``, ``blur_psnr_20uas``, each (batch,).
    """
    values = _blurred(aligned(image, truth), truth, field_of_view_uas)
    return dict(zip(("psnr", *(f"blur_psnr_{f}uas" for f in _BLURS[1:])), values, strict=True))


def inversebench_psnr(
    image: Tensor, truth: Tensor, field_of_view_uas: float = 160.0
) -> dict[str, Tensor]:
    """PSNR under InverseBench's names and with its peculiarities.

    Alignment tries 30×30 shifts of up to ±15.75 of 64 pixels, zero not among them, so that
    the truth itself scores less than infinity. The blurred columns are shifted by one:
    'f=10' is unblurred, 'f=15' is blurred by 10 µas and 'f=20' by 15 µas.

    Parameters
    ----------
    image, truth, field_of_view_uas
        As for `aligned_psnr`.

    Returns
    -------
    dict of str to Tensor
        Each (batch,).
    """
    image, truth = torch.broadcast_tensors(image.clamp(0, 1), truth.clamp(0, 1))
    shifts = torch.linspace(-0.5, 0.5, 30).to(image)
    theta = torch.eye(2, 3).to(image).repeat(len(shifts) ** 2, 1, 1)
    theta[:, :, 2] = torch.cartesian_prod(shifts, shifts)
    grid = torch.nn.functional.affine_grid(theta, [len(theta), *image.shape[1:]], True)
    moved = []
    for one, target in zip(image, truth, strict=True):
        candidates = torch.nn.functional.grid_sample(
            one.expand(len(grid), -1, -1, -1), grid, align_corners=True
        )
        moved.append(candidates[psnr(candidates, target[None]).argmax()])
    values = _blurred(torch.stack(moved), truth, field_of_view_uas)
    return dict(zip(_HOST_COLUMNS, [values[0], *values[:3]], strict=True))


def inversebench_chi_squared(chi_squared: Tensor) -> Tensor:
    """χ², or 1/χ² where it is below 1, as InverseBench reports it."""
    return torch.where(chi_squared < 1, 1 / chi_squared, chi_squared)


def _blurred(image: Tensor, truth: Tensor, field_of_view_uas: float) -> list[Tensor]:
    """PSNR at each of the blurs."""
    pixel = field_of_view_uas / image.shape[-1]
    clipped = image.clamp(0, 1), truth.clamp(0, 1)
    return [psnr(*(blur(a, fwhm / pixel) if fwhm else a for a in clipped)) for fwhm in _BLURS]


def _arrays(image: Tensor) -> np.ndarray:
    return image.detach().clamp(0, 1).cpu().double().numpy()[:, 0]
