"""Eigen-decomposition of the normal operator of linear inverse scattering."""

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpstrf
from torch import Tensor

from lmaps_science import cache
from lmaps_science.batching import padded

_VERSION = 1
_SMALLEST = 1e-7
_UNSEEN = 1e-10
_BATCH = 8


class ScatteringSpectrum:
    """J^T J = V diag(values) V^T with V = (rows ⊗ columns) core.

    What the data see of an image is band-limited at twice the wavenumber, so V factors into
    a basis along each image axis and a core that is smaller than V.

    Parameters
    ----------
    values : Tensor
        Eigenvalues, ascending, (rank,).
    rows, columns : Tensor
        Orthonormal bases along y, (y, p), and x, (x, q).
    core : Tensor
        Eigenvectors in the product of these bases, (p * q, rank).
    """

    def __init__(self, values: Tensor, rows: Tensor, columns: Tensor, core: Tensor) -> None:
        self.values = values
        self.rows = rows
        self.columns = columns
        self.core = core

    def analysis(self, x: Tensor) -> Tensor:
        """Coefficients V^T x, (batch, rank), of images (batch, 1, y, x)."""
        image = x[:, 0].to(self.core.dtype)
        seen = (self.rows.T @ image @ self.columns).flatten(1)
        return (padded(seen, _BATCH) @ self.core)[: len(x)]

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """Images V c, (batch, 1, y, x), of coefficients (batch, rank)."""
        seen = padded(coefficients.to(self.core.dtype), _BATCH)
        image = (seen @ self.core.T)[: len(coefficients)]
        image = image.unflatten(1, (self.rows.shape[1], self.columns.shape[1]))
        return (self.rows @ image @ self.columns.T)[:, None]


def cached_spectrum(
    digest: str, incident: Tensor, green: Tensor, weights: Tensor | None, device: torch.device
) -> ScatteringSpectrum:
    """Spectrum of a geometry, from the cache or computed and left there.

    Parameters
    ----------
    digest : str
        Of the geometry and the convention.
    incident : Tensor
        Incident fields, (transmitters, y, x), complex128.
    green : Tensor
        Green's functions in the receivers' common basis, (rank, y, x), complex128.
    weights : Tensor or None
        Factors (transmitters, rank, rank) that turn the fields of a transmitter in the
        common basis into independent data; None for the identity.
    device : torch.device
        Of the spectrum. Stored in single precision, computed with in double on a GPU, where
        single may silently mean TF32.

    Returns
    -------
    ScatteringSpectrum
    """
    arrays = cache.arrays(
        "scattering-spectrum",
        f"{digest} version {_VERSION}",
        lambda: decompose(
            incident.cpu().numpy(),
            green.cpu().numpy(),
            None if weights is None else weights.cpu().numpy(),
        ),
    )
    dtype = torch.float32 if device.type == "cpu" else torch.float64
    values = torch.from_numpy(arrays.pop("values")).to(device)
    factors = {name: torch.from_numpy(a).to(device, dtype) for name, a in arrays.items()}
    return ScatteringSpectrum(values, **factors)


def decompose(
    incident: NDArray[np.complex128],
    green: NDArray[np.complex128],
    weights: NDArray[np.complex128] | None = None,
) -> dict[str, NDArray]:
    """Eigenvalues above 1e-7 of the largest and their eigenvectors, for unit contrast.

    The normal operator is gathered in a separable basis of what the data see, reduced by a
    pivoted Cholesky factorisation to its numerical rank, N = L Lᵀ, and decomposed as
    LᵀL = W diag(values) Wᵀ, V = L W values^(-1/2): less than half the work of either Gram
    matrix's own eigen-decomposition.

    Parameters
    ----------
    incident, green, weights
        As for `cached_spectrum`.

    Returns
    -------
    dict
        ``values`` in float64, ``rows``, ``columns`` and ``core`` in float32.
    """
    rows = _axis_basis(incident.swapaxes(1, 2), green.swapaxes(1, 2))
    columns = _axis_basis(incident, green)
    normal = _normal_matrix(incident, green, weights, rows, columns)
    factor = _pivoted_cholesky(normal)
    values, vectors = scipy.linalg.eigh(
        factor.T @ factor, driver="evd", overwrite_a=True, check_finite=False
    )
    keep = values > _SMALLEST * values[-1]
    values = values[keep]
    core = factor @ (vectors[:, keep] / np.sqrt(values))
    single = {"rows": rows, "columns": columns, "core": core}
    return {"values": values} | {
        name: np.ascontiguousarray(array, dtype=np.float32) for name, array in single.items()
    }


def _axis_basis(
    incident: NDArray[np.complex128], green: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """Orthonormal basis, along the last axis, of all products of two fields."""
    gram = np.zeros((green.shape[2],) * 2)
    for u, g in zip(incident.swapaxes(0, 1), green.swapaxes(0, 1), strict=True):
        gram += ((u.T @ u.conj()) * (g.T @ g.conj())).real
    values, vectors = np.linalg.eigh(gram)
    return vectors[:, values > _UNSEEN * values[-1]]


def _normal_matrix(
    incident: NDArray[np.complex128],
    green: NDArray[np.complex128],
    weights: NDArray[np.complex128] | None,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Lower triangle of J^T J in the basis rows ⊗ columns."""
    size = rows.shape[1] * columns.shape[1]
    normal = np.zeros((size, size), order="F")
    for t, u in enumerate(incident):
        waves = green if weights is None else np.tensordot(weights[t].T, green, axes=1)
        waves = rows.T @ (u * waves) @ columns
        jacobian = waves.reshape(len(waves), size).view(np.float64).reshape(len(waves), size, 2)
        jacobian = jacobian.transpose(1, 0, 2).reshape(size, -1)
        normal = dsyrk(1.0, jacobian, beta=1.0, c=normal, lower=1, overwrite_c=1)
    return normal


def _pivoted_cholesky(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """L (n, rank) with L Lᵀ = the matrix given by its lower triangle, which is overwritten."""
    tolerance = _UNSEEN * normal.diagonal().max()
    factor, pivots, rank, _ = dpstrf(normal, tol=tolerance, lower=1, overwrite_a=1)
    unpivoted = np.empty((len(normal), rank), order="F")
    unpivoted[pivots - 1] = np.tril(factor[:, :rank])
    return unpivoted
