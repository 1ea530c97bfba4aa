"""SENSE: the regularised least-squares image.

Pruessmann et al., Magn. Reson. Med. 42, 952 (1999). Where whole lines are sampled the solution
is a direct one, row by row; elsewhere conjugate gradients find it.
"""

import torch
from torch import Tensor

from lmaps_science.linear import conjugate_gradients
from lmaps_science.problems.mri.operator import MultiCoilMRI
from lmaps_science.problems.mri.sampling import LineSampling, modulation
from lmaps_science.problems.mri.spectrum import normal_matrices

_ITERATIONS = 60
_TOLERANCE = 1e-5


@torch.no_grad()
def sense(operator: MultiCoilMRI, y: Tensor, ridge: float = 1 / 300) -> Tensor:
    """Minimise loss(x, y) + ridge c |x|², with c the largest sensitivity, max W Σ_c |S_c|².

    Parameters
    ----------
    operator : MultiCoilMRI
        Forward operator.
    y : Tensor
        Data, (batch, coils, y, x, 2).
    ridge : float
        Regularisation, relative; conjugate gradients meet it down to about 1e-3.

    Returns
    -------
    Tensor
        Normalised images, (batch, 2, y, x).
    """
    sensitivity = operator.sensitivity_maps.abs().square().sum(0).max()
    weight = 1 if operator.weights is None else operator.weights.max()
    absolute = ridge * float(sensitivity * weight)
    right = operator.adjoint(y)
    if isinstance(operator.sampling, LineSampling):
        return _direct(operator, right, absolute)
    return conjugate_gradients(
        lambda x: operator.normal(x) + absolute * x, right, _TOLERANCE, _ITERATIONS
    )[0]


def _direct(operator: MultiCoilMRI, right: Tensor, ridge: float) -> Tensor:
    """(N + ridge)^-1 of images, row by row."""
    sampling = operator.sampling
    assert isinstance(sampling, LineSampling)  # noqa: S101 - `sense` looked
    image = torch.view_as_complex(right.double().movedim(1, -1).contiguous())
    maps = operator.sensitivity_maps.to(torch.complex128)
    maps = maps * modulation(maps.shape[1:]).to(maps)
    if sampling.swapped:
        image, maps = image.mT, maps.mT
    columns = image.permute(1, 2, 0)
    solution = torch.empty_like(columns)
    for rows, matrices in normal_matrices(maps, sampling):
        matrices.diagonal(dim1=-2, dim2=-1).add_(ridge)
        factors = torch.linalg.cholesky(matrices)
        solution[rows] = torch.cholesky_solve(columns[rows], factors)
    image = solution.permute(2, 0, 1)
    if sampling.swapped:
        image = image.mT
    return torch.view_as_real(image).movedim(-1, 1).to(right.dtype).contiguous()
