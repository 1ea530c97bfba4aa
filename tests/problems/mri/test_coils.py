import numpy as np
import pytest
import torch

from lmaps_science.problems.mri.coils import (
    combine,
    compression,
    noise_covariance,
    root_sum_of_squares,
    whitening,
)
from tests.problems.mri.phantom import coils, head, measured, transform


def correlated(coils=3, count=20000, seed=0):
    """Mixing matrix, and noise that it mixed."""
    generator = np.random.default_rng(seed)
    mixing = generator.standard_normal((2, coils, coils))
    white = generator.standard_normal((2, coils, count)) / np.sqrt(2)
    mixing = np.eye(coils) + 0.4 * (mixing[0] + 1j * mixing[1])
    return torch.from_numpy(mixing), torch.from_numpy(mixing @ (white[0] + 1j * white[1]))


def test_covariance_is_that_of_the_noise():
    mixing, noise = correlated()
    covariance = noise_covariance(noise.view(3, 100, 200))
    assert float((covariance - mixing @ mixing.mH).abs().max()) < 0.05
    assert torch.equal(covariance, noise_covariance(noise))
    with pytest.raises(ValueError, match="at least 3 samples, as many as coils, got 2"):
        noise_covariance(noise[:, :2])


def test_whitened_noise_is_white_and_as_strong():
    _, noise = correlated()
    covariance = noise_covariance(noise)
    white = noise_covariance(combine(whitening(covariance), noise))
    level = float(torch.linalg.det(covariance).real) ** (1 / 3)
    torch.testing.assert_close(white, level * torch.eye(3, dtype=white.dtype))


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (torch.zeros(2, 3), r"expected \(coils, coils\), got \(2, 3\)"),
        (torch.ones(2, 2), "positive definite"),
        (torch.full((2, 2), torch.nan), "positive definite"),
    ],
)
def test_covariances_that_are_none(covariance, message):
    with pytest.raises(ValueError, match=message):
        whitening(covariance)


def test_compression_keeps_the_signal_in_fewer_coils():
    # Twice the same three coils: three virtual ones hold all of it, white noise stays white.
    kspace = torch.from_numpy(np.tile(measured(count=3), (2, 1, 1)))
    matrix = compression(kspace, 3)
    torch.testing.assert_close(matrix @ matrix.mH, torch.eye(3, dtype=matrix.dtype))
    compressed = combine(matrix, kspace)
    torch.testing.assert_close(root_sum_of_squares(compressed), root_sum_of_squares(kspace))
    energies = compressed.flatten(1).abs().square().sum(1)
    assert torch.equal(energies, energies.sort(descending=True).values)
    with pytest.raises(ValueError, match="1 to the 6 coils there are, got 7"):
        compression(kspace, 7)


def test_root_sum_of_squares_is_the_image_of_normalised_maps():
    kspace = torch.from_numpy(transform(coils() * head()))
    np.testing.assert_allclose(root_sum_of_squares(kspace).numpy(), np.abs(head()), atol=1e-12)
