"""Eigen-decomposition of the normal operator where whole lines of k-space are sampled."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lmaps_science.batching import padded
from lmaps_science.problems.mri.sampling import LineSampling

_SMALLEST = 1e-10
_ROWS = 16
_BATCH = 8


class RowSpectrum:
    """J^T J = V diag(values) V^T, one Hermitian problem for each position along the read-out.

    The complex eigenvectors of a row make two real ones each; so do the coefficients, real and
    imaginary parts next to each other.

    Parameters
    ----------
    values : Tensor
        Eigenvalues of all rows, (read-out, phase-encode), float64.
    vectors : Tensor
        Eigenvectors of each row, (read-out, phase-encode, phase-encode), complex.
    swapped : bool
        Whether the read-out is along x.

    Attributes
    ----------
    values : Tensor
        Eigenvalues above 1e-10 of the largest, (2 * rank,).
    """

    def __init__(self, values: Tensor, vectors: Tensor, swapped: bool) -> None:
        flat = values.flatten()
        self._seen = (flat > _SMALLEST * flat.max()).nonzero()[:, 0]
        self.values = flat[self._seen].repeat_interleave(2)
        self.vectors = vectors
        self.swapped = swapped

    def analysis(self, x: Tensor) -> Tensor:
        """Coefficients V^T x, (batch, 2 * rank), of images (batch, 2, y, x)."""
        parts = x.movedim(1, -1).to(self.vectors.real.dtype).contiguous()
        image = torch.view_as_complex(parts)
        if self.swapped:
            image = image.mT
        # On conj(x), so that no large factor has to be conjugated.
        rows = padded(image, _BATCH).conj().permute(1, 2, 0)
        coefficients = (self.vectors.mT @ rows).conj().permute(2, 0, 1)[: len(x)]
        seen = coefficients.flatten(1).index_select(1, self._seen)
        return torch.view_as_real(seen.resolve_conj()).flatten(1)

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """Images V c, (batch, 2, y, x), of coefficients (batch, 2 * rank)."""
        pairs = coefficients.to(self.vectors.real.dtype).unflatten(1, (-1, 2)).contiguous()
        rows, lines, _ = self.vectors.shape
        full = torch.zeros(len(pairs), rows * lines, dtype=self.vectors.dtype, device=pairs.device)
        full[:, self._seen] = torch.view_as_complex(pairs)
        full = padded(full.unflatten(1, (rows, lines)), _BATCH).permute(1, 2, 0)
        image = (self.vectors @ full).permute(2, 0, 1)[: len(pairs)]
        if self.swapped:
            image = image.mT
        return torch.view_as_real(image).movedim(-1, 1).contiguous()


def decompose(
    maps: Tensor, sampling: LineSampling, dtype: torch.dtype = torch.complex64
) -> RowSpectrum:
    """Spectrum of S^H F^H W F S.

    Parameters
    ----------
    maps : Tensor
        Modulated sensitivity maps, (coils, read-out, phase-encode), complex128.
    sampling : LineSampling
        Of the lines.
    dtype : torch.dtype
        Of the eigenvectors kept; they are computed in complex128. In complex64 they limit the
        local MAP with λ = v w to a relative error of about 2e-8 λ max(values), as data
        in single precision do.

    Returns
    -------
    RowSpectrum
    """
    _, num_rows, num_lines = maps.shape
    values = torch.empty(num_rows, num_lines, dtype=torch.float64, device=maps.device)
    vectors = torch.empty(num_rows, num_lines, num_lines, dtype=dtype, device=maps.device)
    for rows, matrices in normal_matrices(maps, sampling):
        values[rows], own = torch.linalg.eigh(matrices)
        vectors[rows] = own.to(dtype)
    return RowSpectrum(values, vectors, sampling.swapped)


def normal_matrices(maps: Tensor, sampling: LineSampling) -> Iterator[tuple[slice, Tensor]]:
    """S^H F^H W F S of a few rows at a time.

    Parameters
    ----------
    maps : Tensor
        Modulated sensitivity maps, (coils, read-out, phase-encode).
    sampling : LineSampling
        Of the lines.

    Yields
    ------
    slice
        Positions along the read-out.
    Tensor
        Their matrices, (rows, phase-encode, phase-encode).
    """
    point_spread = _point_spread(sampling, maps.shape[2]).to(maps.dtype)
    for start in range(0, maps.shape[1], _ROWS):
        rows = slice(start, start + _ROWS)
        row_maps = maps[:, rows].movedim(1, 0)
        yield rows, point_spread * (row_maps.mH @ row_maps)


def _point_spread(sampling: LineSampling, num_lines: int) -> Tensor:
    """F^H W F along the phase-encode axis, (phase-encode, phase-encode)."""
    unit = torch.eye(num_lines, dtype=torch.complex128, device=sampling.lines.device)
    return sampling.decode(sampling.encode(unit)).mT
