"""Conjugate gradients against dense solutions."""

import pytest
import torch

from lmaps_science.linear import conjugate_gradients


def systems(count: int = 3, size: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    factor = torch.randn(count, size, size, generator=generator, dtype=torch.float64)
    matrices = factor @ factor.mT + torch.eye(size)
    return matrices, torch.randn(count, size, generator=generator, dtype=torch.float64)


def product(matrices: torch.Tensor):
    return lambda x: (matrices @ x[..., None])[..., 0]


def test_solution_is_the_dense_one() -> None:
    matrices, rhs = systems()
    x, iterations, residual = conjugate_gradients(product(matrices), rhs, 1e-12, 100)
    torch.testing.assert_close(x, torch.linalg.solve(matrices, rhs))
    assert residual <= 1e-12
    assert iterations < 30


def test_items_do_not_mix_and_zero_is_solved_by_zero() -> None:
    matrices, rhs = systems()
    rhs[1] = 0
    together, _, residual = conjugate_gradients(product(matrices), rhs, 1e-10, 100)
    assert residual <= 1e-10
    assert not together[1].any()
    for k in (0, 2):
        alone, _, _ = conjugate_gradients(product(matrices[k : k + 1]), rhs[k : k + 1], 1e-10, 100)
        torch.testing.assert_close(together[k], alone[0], rtol=1e-12, atol=1e-14)


def test_residual_says_that_the_iterations_did_not_suffice() -> None:
    matrices, rhs = systems()
    x, iterations, residual = conjugate_gradients(product(matrices), rhs, 1e-12, 2)
    assert iterations == 2
    left = (rhs - product(matrices)(x)).norm(dim=1) / rhs.norm(dim=1)
    assert residual == pytest.approx(float(left.max()))
    assert residual > 1e-12
