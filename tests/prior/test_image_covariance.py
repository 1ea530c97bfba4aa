import dataclasses
import math

import pytest
import torch

from lmaps_science.prior.curves import measure_error_curve
from lmaps_science.prior.image_covariance import ImageCovariance, measure_image_covariance


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def smooth_images(count=40, size=8, channels=1, width=None):
    """Images with a decaying spectrum."""
    y = torch.linspace(0, 1, size, dtype=torch.float64)
    x = torch.linspace(0, 1, width or size, dtype=torch.float64)
    frequencies = torch.arange(size)
    rows = torch.cos(math.pi * frequencies[:, None] * y)
    columns = torch.cos(math.pi * frequencies[:, None] * x + 0.4)
    decay = 1 / (1 + frequencies[:, None] + frequencies) ** 2
    coefficients = randn(count, channels, size, size) * decay
    return torch.einsum("ncij,iy,jx->ncyx", coefficients, rows, columns) + 0.3 * x


def dense_covariance(images, symmetric):
    if symmetric:
        turned = [torch.rot90(images, k, (2, 3)) for k in range(4)]
        images = torch.cat([*turned, *(t.transpose(2, 3) for t in turned)])
    return images.flatten(1).T.cov(correction=0)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("channels", [1, 2])
def test_full_image_covariance_is_that_of_the_transformed_images(symmetric, channels):
    images = smooth_images(40, 6, channels)
    measured = measure_image_covariance(images, 36 * channels, symmetric)
    expected = dense_covariance(images, symmetric)
    # What the images do not span is floored at 1e-6 of the mean variance.
    floor = 2e-6 * float(expected.trace()) / len(expected)
    torch.testing.assert_close(measured.matrix(), expected, rtol=0, atol=floor)


def test_a_rectangle_has_four_symmetries():
    images = smooth_images(40, 5, width=7)
    measured = measure_image_covariance(images, 35)
    turned = torch.cat([images, images.flip(2), images.flip(3), images.flip(2, 3)])
    expected = turned.flatten(1).T.cov(correction=0)
    torch.testing.assert_close(measured.matrix(), expected, rtol=0, atol=1e-6)


def test_low_rank_image_covariance_has_the_leading_eigenpairs_and_all_the_variance():
    images = smooth_images(200, 12)
    measured = measure_image_covariance(images, 10)
    expected = dense_covariance(images, symmetric=True)
    values, _ = torch.linalg.eigh(expected)
    torch.testing.assert_close(measured.eigenvalues, values.flip(0)[:10], rtol=1e-4, atol=0)
    basis = measured.basis
    torch.testing.assert_close(basis @ basis.T, torch.eye(10, dtype=basis.dtype))
    # They are invariant under the covariance.
    left = expected @ basis.T - basis.T * measured.eigenvalues
    assert left.norm() < 1e-3 * measured.eigenvalues[-1]
    assert measured.mean_variance == pytest.approx(float(expected.trace()) / 144, rel=1e-9)
    assert measured.rest == pytest.approx(float(values[:-10].sum()) / 134, rel=1e-3)


def test_few_images_span_few_components():
    images = smooth_images(3, 8)
    measured = measure_image_covariance(images, 64, symmetric=False)
    assert len(measured.eigenvalues) == 3
    assert measured.rest > 0
    assert (measured.eigenvalues > 0).all()


def test_default_size_is_the_bytes_that_a_checkpoint_spares():
    images = randn(800, 1, 64, 64, dtype=torch.float32)
    measured = measure_image_covariance(images, num_iterations=1)
    assert measured.basis.shape == (610, 4096)
    assert measured.basis.half().numel() * 2 <= 5_000_000


def test_float16_serves():
    measured = measure_image_covariance(smooth_images(200, 12), 30)
    half = dataclasses.replace(measured, basis=measured.basis.half())
    x = randn(4, 1, 12, 12)
    exact = measured.apply(lambda e: e * 0.25 / (e + 0.25), x)
    rounded = half.apply(lambda e: e * 0.25 / (e + 0.25), x)
    assert (rounded - exact).norm() < 1e-3 * exact.norm()


def test_functions_of_a_covariance():
    covariance = measure_image_covariance(smooth_images(200, 6), 8)
    matrix = covariance.matrix()
    x = randn(3, 1, 6, 6)
    root = covariance.apply(torch.sqrt, covariance.apply(torch.sqrt, x))
    torch.testing.assert_close(root.flatten(1), x.flatten(1) @ matrix)
    scales = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    scaled = covariance.apply(lambda e: scales * e, x)
    torch.testing.assert_close(scaled.flatten(1), scales * (x.flatten(1) @ matrix))
    log_determinant = covariance.trace(lambda e: (scales * e).log())
    expected = torch.stack([(s * matrix).logdet() for s in scales])
    torch.testing.assert_close(log_determinant, expected)


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"expected a basis of shape \(2, 12\).*got \(2, 11\)"):
        ImageCovariance(torch.zeros(2, 11), torch.ones(2), 0.1, (1, 3, 4))
    with pytest.raises(ValueError, match="variances that are not negative"):
        ImageCovariance(torch.zeros(1, 12), torch.ones(1), -0.1, (1, 3, 4))
    with pytest.raises(ValueError, match=r"at least 2 of shape .*got \(1, 1, 3, 4\)"):
        measure_image_covariance(torch.zeros(1, 1, 3, 4))
    with pytest.raises(ValueError, match="they are all the same"):
        measure_image_covariance(torch.zeros(5, 1, 3, 4))
    with pytest.raises(ValueError, match=r"expected shape \(count, .*got \(3, 4\)"):
        measure_error_curve(lambda x, sigma: x, torch.zeros(3, 4))
