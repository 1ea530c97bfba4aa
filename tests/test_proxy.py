import numpy as np
import pytest
import scipy.sparse.linalg
import torch

from lmaps_science.operator import AffineOperator
from lmaps_science.proxy import ProxyGradient

MATRIX = torch.randn(5, 12, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))


def images(batch=3, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 1, 3, 4, dtype=dtype, generator=generator)


def linear(x):
    return x.flatten(1).to(MATRIX.dtype) @ MATRIX.T


def bent(x):
    """Nonlinear and complex."""
    x = x.flatten(1).double()
    return torch.polar(x.abs() + 1, x) @ MATRIX.T


def bent_complex(x):
    """Complex in and out, holomorphic nowhere."""
    return (x * x.conj() + x**2).flatten(1) @ MATRIX.T


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (linear, torch.float64),
        (bent, torch.float64),
        (lambda x: x.sin(), torch.float64),
        (linear, torch.complex128),
        (bent_complex, torch.complex128),
    ],
)
def test_gradcheck_with_itself_as_surrogate(function, dtype):
    x = images(dtype=dtype).requires_grad_(True)
    assert torch.autograd.gradcheck(ProxyGradient(function, function), (x,))


def test_complex_data_give_the_real_gradient_of_the_real_loss():
    x, y = images(), linear(images(seed=5)) + 0.1
    proxied = x.clone().requires_grad_(True)
    loss = (ProxyGradient(linear, bent)(proxied) - y).abs().square().sum()
    loss.backward()
    # 2 Re(J'^H (H(x) - y)) with J' by differences of the surrogate.
    expected = torch.zeros_like(x)
    residual = linear(x) - y
    for pixel in range(12):
        step = torch.zeros(12, dtype=x.dtype)
        step[pixel] = 1e-6
        step = step.reshape(1, 1, 3, 4)
        column = (bent(x + step) - bent(x - step)) / 2e-6
        expected += 1e6 * step * 2 * (column.conj() * residual).sum(1).real[:, None, None, None]
    torch.testing.assert_close(proxied.grad, expected, rtol=1e-7, atol=1e-7)


def test_forward_is_the_true_operator_and_backward_the_identity():
    x = images().requires_grad_(True)
    result = ProxyGradient(lambda x: (8 * x).round().to(torch.int16))(x)
    assert result.dtype == x.dtype
    torch.testing.assert_close(result, (8 * x).round().detach(), rtol=0, atol=0)
    result.square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * result.detach(), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
@pytest.mark.parametrize(
    "output", [np.float32, np.float64, np.int16, np.uint64, ">f8", np.complex64, np.complex128]
)
def test_numpy_forward_of_any_output_type_keeps_precision(dtype, output):
    x = images(dtype=dtype).requires_grad_(True)

    def simulate(array):
        assert isinstance(array, np.ndarray)
        return (array.real > 0).astype(output)[..., ::-1]

    result = ProxyGradient(simulate, lambda x: x.flip(3) * 2, numpy=True)(x)
    expected = dtype.to_complex() if np.dtype(output).kind == "c" else dtype.to_real()
    assert result.dtype == expected
    np.testing.assert_array_equal(result.detach().real.numpy(), simulate(x.detach().numpy()).real)
    result.abs().sum().backward()
    assert x.grad.dtype == dtype
    # d|r|/dr is 1 where r = 1 and 0 where r = 0.
    torch.testing.assert_close(x.grad.real, 2 * (x.detach().real > 0).to(x.real.dtype))


class ByMatrix(AffineOperator):
    complex_data = True

    def forward(self, x):
        return linear(x)

    def adjoint(self, y):
        return (y.to(MATRIX.dtype) @ MATRIX.conj()).real.reshape(-1, 1, 3, 4)


class DeepinvLike:
    def A(self, x):  # noqa: N802
        return linear(x)

    def A_adjoint(self, y):  # noqa: N802
        return (y.to(MATRIX.dtype) @ MATRIX.conj()).reshape(-1, 1, 3, 4)


class SigpyLike:
    """A Linop of one image: `H` is itself an operator, called with an array."""

    ishape, oshape = (1, 3, 4), (5,)

    def H(self, y):  # noqa: N802
        assert isinstance(y, np.ndarray)
        assert y.shape == self.oshape
        return (MATRIX.numpy().conj().T @ y).reshape(1, 3, 4)


@pytest.mark.parametrize(
    "surrogate",
    [
        ByMatrix((1, 3, 4)),
        DeepinvLike(),
        SigpyLike(),
        scipy.sparse.linalg.aslinearoperator(MATRIX.numpy()),
    ],
    ids=["ours", "deepinv", "sigpy", "scipy"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adjoint_of_a_linear_operator_as_surrogate(surrogate, dtype):
    y = linear(images(seed=5))
    x = images().to(dtype).requires_grad_(True)
    (ProxyGradient(bent, surrogate)(x) - y).abs().square().sum().backward()
    assert x.grad.dtype == dtype
    reference = images().requires_grad_(True)
    (ProxyGradient(bent, linear)(reference) - y).abs().square().sum().backward()
    torch.testing.assert_close(x.grad.double(), reference.grad, rtol=1e-5, atol=1e-5)


def test_batch_equals_loop():
    proxy = ProxyGradient(bent, linear)
    x = images(4).requires_grad_(True)
    values = proxy(x)
    (gradient,) = torch.autograd.grad(values.abs().square().sum(), x)
    for i in range(4):
        item = images(4)[i : i + 1].requires_grad_(True)
        value = proxy(item)
        torch.testing.assert_close(value[0], values[i])
        value.abs().square().sum().backward()
        torch.testing.assert_close(item.grad[0], gradient[i])


@pytest.mark.parametrize("numpy", [True, False])
def test_forward_cannot_change_its_input_nor_a_result_already_given(numpy):
    buffer = np.zeros((3, 1, 3, 4))

    def simulate(array):
        array *= 0
        buffer[:] = buffer + 1
        return buffer

    proxy = ProxyGradient(simulate, numpy=numpy)
    x = images().requires_grad_(True)
    first = proxy(x)
    proxy(x)
    assert torch.equal(x, images())
    assert torch.equal(first, torch.ones_like(first))


def test_forward_gets_a_detached_tensor():
    seen = []
    x = images().requires_grad_(True)
    ProxyGradient(lambda x: seen.append(x) or x)(x)
    assert not seen[0].requires_grad


@pytest.mark.parametrize("loss", [lambda y: y.square().sum(), lambda y: y.sum()])
def test_double_backward_is_refused(loss):
    x = images().requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(ProxyGradient(torch.sin)(x)), x, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives only"):
        gradient.sum().backward()


def fails(x):
    raise OSError("solver not found")


def nan(x):
    return np.where(x > x.max() - 1e-9, np.nan, x)


@pytest.mark.parametrize(
    ("forward", "error", "message"),
    [
        (fails, RuntimeError, r"fails failed on x of shape \(2, 1, 3, 4\): OSError: solver not"),
        (nan, ValueError, "nan returned NaN or infinity in 1 of 24"),
        (lambda x: None, ValueError, "expected a tensor or array, got NoneType"),
        (lambda x: "text", ValueError, "expected a tensor or array, got str"),
        (lambda x: x.sum(), ValueError, r"expected data of shape \(2, ...\).*got \(\)"),
        (lambda x: x[0, 0], ValueError, r"expected data of shape \(2, ...\).*got \(3, 4\)"),
    ],
)
def test_a_bad_simulator_is_one_clear_line(forward, error, message):
    with pytest.raises(error, match=message) as caught:
        ProxyGradient(forward, numpy=True)(images(2))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("forward", "surrogate", "message"),
    [
        (linear, None, r"no surrogate means the identity, but H maps \(3, 1, 3, 4\) to \(3, 5\)"),
        (linear, torch.sin, r"surrogate: expected data of shape \(3, 5\) as from H, got"),
        (torch.sin, lambda x: torch.zeros(3, 1, 3, 4), "that autograd can follow"),
        (torch.sin, lambda x: x.detach().numpy(), "that autograd can follow"),
        (linear, type("Wrong", (), {"adjoint": lambda self, y: y})(), "adjoint of the surrogate"),
    ],
)
def test_a_bad_surrogate_is_one_clear_line(forward, surrogate, message):
    x = images().requires_grad_(True)
    with pytest.raises(ValueError, match=message):
        ProxyGradient(forward, surrogate)(x).abs().sum().backward()


def test_wrong_arguments():
    with pytest.raises(TypeError, match="forward: expected a callable, got int"):
        ProxyGradient(3)
    with pytest.raises(TypeError, match=r"surrogate: expected a torch callable.*got str"):
        ProxyGradient(torch.sin, "identity")
    with pytest.raises(TypeError, match=r"floating-point tensor, got torch\.int64"):
        ProxyGradient(torch.sin)(torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(TypeError, match="floating-point tensor, got ndarray"):
        ProxyGradient(torch.sin)(np.ones(3))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_device_is_kept():
    x = images().cuda().requires_grad_(True)
    result = ProxyGradient(np.round, numpy=True)(x)
    assert result.device == x.device
    result.sum().backward()
    assert x.grad.device == x.device
