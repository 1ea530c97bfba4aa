import pytest
import torch

from lmaps_science import cache
from lmaps_science.problems import InverseScattering
from lmaps_science.problems.scattering import spectrum as module


def dense_normal(operator):
    """J^T J column by column."""
    size = operator.geometry.grid_shape[0] * operator.geometry.grid_shape[1]
    columns = torch.eye(size, dtype=torch.float64).reshape(size, *operator.image_shape)
    return operator.normal(columns).flatten(1)


def test_is_that_of_the_normal_operator(operator):
    spectrum = operator.spectrum()
    values = torch.linalg.eigvalsh(dense_normal(operator))
    expected = values[values > 1e-7 * values[-1]]
    assert len(spectrum.values) == len(expected)
    torch.testing.assert_close(spectrum.values, expected, rtol=1e-5, atol=1e-9 * values[-1])

    x = torch.randn(2, *operator.image_shape, generator=torch.Generator().manual_seed(0))
    filtered = spectrum.synthesis(spectrum.values * spectrum.analysis(x))
    normal = operator.normal(x.double())
    assert (filtered - normal).norm() < 1e-5 * normal.norm()


def test_vectors_are_orthonormal(operator):
    spectrum = operator.spectrum()
    rank = len(spectrum.values)
    vectors = spectrum.synthesis(torch.eye(rank))
    assert vectors.shape == (rank, *operator.image_shape)
    torch.testing.assert_close(spectrum.analysis(vectors), torch.eye(rank), rtol=0, atol=1e-5)


def test_batch_is_a_loop(operator):
    spectrum = operator.spectrum()
    x = torch.randn(3, *operator.image_shape)
    torch.testing.assert_close(
        spectrum.analysis(x)[1:2], spectrum.analysis(x[1:2]), rtol=1e-4, atol=1e-5
    )


def test_computed_once_for_all_noise_levels_and_contrasts(monkeypatch):
    calls = []
    decompose = module.decompose
    monkeypatch.setattr(module, "decompose", lambda *a: calls.append(a) or decompose(*a))

    def spectrum(**options):
        return InverseScattering(16, num_transmitters=3, num_receivers=9, **options).spectrum()

    first = spectrum()
    second = spectrum(sigma_noise=1e-2, contrast_scale=3.0)
    assert len(calls) == 1
    torch.testing.assert_close(second.values, 9 * first.values)
    torch.testing.assert_close(second.core, first.core)
    assert spectrum(convention="physical").values[-1] != first.values[-1]
    assert len(calls) == 2
    assert cache.describe().num_files == 2


def test_a_mask_makes_another_geometry(make_geometry):
    operators = [
        InverseScattering.from_geometry(make_geometry(kind), 1e-4)
        for kind in ("shared receivers", "masked receivers")
    ]
    digests = {operator.geometry.digest() for operator in operators}
    assert len(digests) == 2
    assert float(operators[1].spectrum().values[-1]) < float(operators[0].spectrum().values[-1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_in_double_precision():
    operator = InverseScattering(32, num_transmitters=5, num_receivers=36, device="cuda")
    x = torch.randn(1, 1, 32, 32, device="cuda")
    spectrum = operator.spectrum()
    filtered = spectrum.synthesis(spectrum.values * spectrum.analysis(x))
    normal = operator.normal(x)
    assert (filtered - normal).norm() < 1e-5 * normal.norm()
