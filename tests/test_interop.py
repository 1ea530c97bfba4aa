"""Operators of other libraries: the same Fourier sampling in each gives the same image."""

import numpy as np
import pytest
import scipy.sparse.linalg
import torch

from lmaps_science import LMAPS
from lmaps_science.interop import Function, Linear
from lmaps_science.prior.analytic import GaussianPrior
from tests.twin import SHAPE as TWIN_SHAPE
from tests.twin import GaussianTwin, MatrixOperator

SHAPE = (1, 12, 16)
SAMPLED = np.random.default_rng(0).random(SHAPE[1:]) < 0.4
SIGMA = 0.02


def fourier(image: np.ndarray) -> np.ndarray:
    return np.fft.fft2(image.reshape(SHAPE[1:]), norm="ortho")[SAMPLED]


def fourier_adjoint(data: np.ndarray) -> np.ndarray:
    grid = np.zeros(SHAPE[1:], complex)
    grid[SAMPLED] = data
    return np.fft.ifft2(grid, norm="ortho").ravel()


def of_scipy():
    shape = (int(SAMPLED.sum()), SAMPLED.size)
    return scipy.sparse.linalg.LinearOperator(
        shape, matvec=fourier, rmatvec=fourier_adjoint, dtype=np.complex128
    )


def of_sigpy():
    sigpy = pytest.importorskip("sigpy", reason="sigpy's operators not run: sigpy is missing")
    linop = sigpy.linop
    transform = linop.Multiply(SHAPE[1:], SAMPLED.astype(float)) * linop.FFT(
        SHAPE[1:], axes=(0, 1), center=False
    )
    return transform * linop.Reshape(SHAPE[1:], SHAPE)


class OfDeepinv:
    """deepinv's names on batches of tensors."""

    def A(self, x):  # noqa: N802
        return torch.fft.fft2(x, norm="ortho") * torch.from_numpy(SAMPLED)

    def A_adjoint(self, y):  # noqa: N802
        return torch.fft.ifft2(y * torch.from_numpy(SAMPLED), norm="ortho").real


@pytest.fixture
def truth() -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, 12), torch.linspace(-1, 1, 16), indexing="ij")
    return torch.exp(-4 * (x**2 + y**2))[None, None] - 0.5


def prior():
    return GaussianPrior(torch.zeros(SHAPE), torch.full(SHAPE, 0.25))


def reconstruction(theirs, truth: torch.Tensor, **options) -> torch.Tensor:
    operator = Linear(theirs, SHAPE, SIGMA, **options)
    y = operator.forward(operator.normalize(truth))
    lmaps = LMAPS(prior(), operator, num_steps=5, sigma_max=2.0)
    return operator.unnormalize(lmaps(y).samples[:, 0])


@pytest.mark.fullwave
def test_deepinvs_own_operator_gives_the_same_image(truth):
    from deepinv.physics import LinearPhysics

    names = OfDeepinv()
    expected = reconstruction(of_scipy(), truth)
    found = reconstruction(LinearPhysics(A=names.A, A_adjoint=names.A_adjoint), truth)
    assert (found - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("theirs", [of_sigpy, OfDeepinv])
def test_every_library_gives_the_same_image(theirs, scale, truth):
    options = {"unnorm_shift": 0.25, "unnorm_scale": scale}
    expected = reconstruction(of_scipy(), truth, **options)
    found = reconstruction(theirs(), truth, **options)
    assert (found - expected).norm() < 1e-4 * expected.norm()
    data = [torch.from_numpy(fourier(image.numpy())) for image in (expected, truth)]
    assert (data[0] - data[1]).norm() < 2 * SIGMA * SAMPLED.sum() ** 0.5


def test_it_is_as_good_as_an_operator_of_our_own():
    twin = GaussianTwin(spectral=False)
    theirs = scipy.sparse.linalg.aslinearoperator(twin.operator.A.numpy())
    ours = MatrixOperator(twin.operator.A, torch.zeros(10).double(), 0.1, spectral=True)
    expected, found = (
        LMAPS(twin.prior, operator, num_steps=6, sigma_max=2.0, covariance="isotropic")(twin.y).mean
        for operator in (ours, Linear(theirs, TWIN_SHAPE, 0.1))
    )
    assert (found - expected).norm() < 1e-4 * expected.norm()


def test_two_channels_are_a_complex_image():
    sigpy = pytest.importorskip("sigpy", reason="sigpy's operators not run: sigpy is missing")
    operator = Linear(sigpy.linop.FFT((12, 16)), (2, 12, 16), 0.1, complex_images=True)
    x = torch.randn(3, 2, 12, 16)
    expected = torch.fft.fftshift(
        torch.fft.fft2(
            torch.fft.ifftshift(torch.complex(x[:, 0], x[:, 1]), dim=(1, 2)), norm="ortho"
        ),
        dim=(1, 2),
    )
    torch.testing.assert_close(operator.forward(x), expected)
    torch.testing.assert_close(operator.adjoint(expected), x)


def test_a_function_is_solved_by_gradient_steps(truth):
    y = torch.sin(truth)
    operator = Function(torch.sin, SHAPE, SIGMA)
    options = {"num_steps": 5, "sigma_max": 1.0, "num_inner_steps": 50}
    found = LMAPS(prior(), operator, **options)(y).mean
    assert (found - truth).norm() < 0.2 * truth.norm()
    rounded = Function(lambda x: np.round(8 * x) / 8, SHAPE, SIGMA, surrogate=None, numpy=True)
    found = LMAPS(prior(), rounded, **options)(rounded.forward(truth)).mean
    assert (found - truth).norm() < 0.2 * truth.norm()


class Wrong(OfDeepinv):
    def A_adjoint(self, y):  # noqa: N802
        return 2 * super().A_adjoint(y)


def in_place(x: np.ndarray) -> np.ndarray:
    x[:] = 0
    return x


def test_bad_operators_are_told_in_one_line(truth):
    with pytest.raises(ValueError, match=r"Wrong: <A x, y> and <x, A\^H y> differ by"):
        Linear(Wrong(), SHAPE, SIGMA)
    with pytest.raises(TypeError, match=r"with its adjoint.*got function: for other functions"):
        Linear(in_place, SHAPE, SIGMA)
    with pytest.raises(ValueError, match=r"does not take images of shape \(1, 5, 5\)"):
        Linear(of_scipy(), (1, 5, 5), SIGMA)
    with pytest.raises(ValueError, match="complex_images: expected two channels"):
        Linear(of_scipy(), SHAPE, SIGMA, complex_images=True)
    with pytest.raises(ValueError, match="autograd does not see NumPy"):
        Function(np.sin, SHAPE, SIGMA, numpy=True)
    with pytest.raises(RuntimeError, match=r"failed on x of shape .*ZeroDivisionError"):
        Function(lambda x: 1 / 0, SHAPE, SIGMA, surrogate=None, numpy=True)
    with pytest.raises(ValueError, match="returned NaN or infinity"):
        Function(lambda x: x * np.nan, SHAPE, SIGMA, surrogate=None, numpy=True)
    with pytest.raises(ValueError, match=r"expected data of shape \(1, ...\)"):
        Function(lambda x: x[0, 0], SHAPE, SIGMA, surrogate=None, numpy=True)
    before = truth.clone()
    Function(in_place, SHAPE, SIGMA, surrogate=None, numpy=True).forward(truth)
    assert torch.equal(truth, before)
