"""The outer loop against closed forms, and its promises."""

import numpy as np
import pytest
import torch

from lmaps_science.covariance import LowRank, ScaledIdentity, gaussian, isotropic
from lmaps_science.local_map import ConjugateGradient, Solution
from lmaps_science.methods import daps, diffpir
from lmaps_science.settings import SETTINGS, Settings
from lmaps_science.solver import LMAPS, Level, renoise
from tests.twin import PIXELS, SHAPE, GaussianTwin


def exact_covariance(twin: GaussianTwin):
    e, U = torch.linalg.eigh(twin.prior_covariance)
    return gaussian(U.float(), e.float(), 1.0)


def test_samples_have_the_posterior_of_a_gaussian() -> None:
    twin, count = GaussianTwin(), 3000
    lmaps = LMAPS(
        twin.prior,
        twin.operator,
        num_steps=40,
        sigma_max=50,
        sigma_min=0.002,
        estimate="sample",
        covariance=exact_covariance(twin),
    )
    samples = lmaps(twin.y, num_samples=count).samples[0].flatten(1).double()
    whitener = torch.linalg.inv(torch.linalg.cholesky(twin.covariance))
    centred = (samples - twin.mean) @ whitener.T
    identity = torch.eye(PIXELS, dtype=torch.float64)
    torch.testing.assert_close(torch.cov(centred.T), identity, rtol=0, atol=0.12)
    assert centred.mean(0).abs().max() < 0.1
    inside = (samples - twin.mean).abs() < 1.6449 * twin.covariance.diag().sqrt()
    assert 0.88 < inside.double().mean() < 0.92


@pytest.mark.parametrize("solver", ["auto", "cg"])
def test_mode_ends_near_the_posterior_mean_of_a_gaussian(solver: str) -> None:
    twin = GaussianTwin()
    lmaps = LMAPS(
        twin.prior,
        twin.operator,
        num_steps=40,
        sigma_max=50,
        sigma_min=0.002,
        solver=solver,
        covariance=exact_covariance(twin),
    )
    mean = lmaps(twin.y, num_samples=200).mean.flatten().double()
    assert ((mean - twin.mean) / twin.covariance.diag().sqrt()).abs().max() < 0.2


@pytest.mark.parametrize("estimate", ["mode", "sample"])
@pytest.mark.parametrize("solver", ["spectral", "cg"])
def test_batch_and_order_change_nothing(solver: str, estimate: str) -> None:
    twin = GaussianTwin()
    lmaps = LMAPS(
        twin.prior,
        twin.operator,
        10,
        20.0,
        solver=solver,
        estimate=estimate,
        covariance="isotropic",
        seed=4,
    )
    ys = twin.y + torch.arange(3)[:, None]
    together = lmaps(ys, num_samples=2).samples
    reversed_ = lmaps(ys.flip(0), num_samples=2).samples.flip(0)
    torch.testing.assert_close(together, reversed_, rtol=1e-5, atol=1e-5)
    for case, y in enumerate(ys):
        torch.testing.assert_close(
            lmaps(y, num_samples=1).samples[0, 0], together[case, 0], rtol=1e-5, atol=1e-5
        )
    assert (together[:, 0] - together[:, 1]).abs().max() > 1e-3


def test_k1_and_k2_are_a_covariance() -> None:
    twin = GaussianTwin()
    k1, k2 = 0.7, 3.0
    weight = twin.operator.loss_weight
    paper = LMAPS(twin.prior, twin.operator, 5, 10.0, k1=k1, k2=k2)(twin.y).samples

    def same(sigma: float):
        from lmaps_science.covariance import ScaledIdentity

        return ScaledIdentity(sigma**2 * k2 / k1**2 / weight)

    ours = LMAPS(twin.prior, twin.operator, 5, 10.0, covariance=same)(twin.y).samples
    torch.testing.assert_close(paper, ours)


def test_k1_zero_drops_the_prior_term() -> None:
    twin = GaussianTwin()
    x = LMAPS(twin.prior, twin.operator, 5, 10.0, k1=0, k2=1)(twin.y).samples[0]
    assert twin.operator.loss(x, twin.y[None]) < 1e-6


def test_history_and_callback_tell_the_same() -> None:
    twin, levels = GaussianTwin(), []
    lmaps = LMAPS(twin.prior, twin.operator, 6, 10.0, covariance="isotropic")
    result = lmaps(twin.y, num_samples=2, callback=levels.append)
    assert all(isinstance(level, Level) for level in levels)
    assert [level.sigma for level in levels] == result.history["sigma"]
    assert result.history["sigma"][0] == pytest.approx(10.0)
    for level in levels:
        assert level.x.shape == level.m.shape == level.x0.shape == (2, *SHAPE)
        torch.testing.assert_close(level.m, twin.prior(level.x, level.sigma))
    torch.testing.assert_close(levels[-1].x0, result.samples[0])
    assert result.history["loss"][-1] == pytest.approx(
        float(twin.operator.loss(result.samples[0], twin.y).mean()), rel=1e-3
    )


def test_mean_and_std() -> None:
    twin = GaussianTwin()
    result = LMAPS(twin.prior, twin.operator, 3, 10.0, covariance="isotropic")(twin.y, 4)
    samples = result.samples.numpy()
    np.testing.assert_allclose(result.std, samples.std(1, ddof=1), rtol=1e-5)
    assert result.mean.shape == result.std.shape == (1, *SHAPE)
    single = LMAPS(twin.prior, twin.operator, 3, 10.0, covariance="isotropic")(twin.y)
    assert torch.equal(single.std, torch.zeros(1, *SHAPE))


def test_renoise() -> None:
    x0, x = torch.zeros(1, *SHAPE), torch.ones(1, *SHAPE)
    ddim = renoise(x0, x, sigma=2.0, sigma_next=1.0, eta=0.0, generators=[torch.Generator()])
    torch.testing.assert_close(ddim, 0.5 * torch.ones(1, *SHAPE))
    many = renoise(
        torch.zeros(500, *SHAPE),
        torch.ones(500, *SHAPE),
        2.0,
        1.0,
        1.0,
        [torch.Generator().manual_seed(i) for i in range(500)],
    )
    assert abs(float(many.mean())) < 0.05
    assert float(many.std()) == pytest.approx(1.0, abs=0.05)


def test_relatives_run_in_the_same_loop() -> None:
    twin = GaussianTwin()
    for method in (
        diffpir(twin.prior, twin.operator, num_steps=30),
        daps(twin.prior, twin.operator, num_steps=30),
    ):
        mean = method(twin.y, num_samples=50).mean
        before = twin.operator.loss(twin.prior_mean.view(1, *SHAPE), twin.y)
        assert twin.operator.loss(mean, twin.y) < 0.05 * before


def test_the_default_spread_is_as_wide_as_the_settings_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twin = GaussianTwin()
    narrow = LMAPS(twin.prior, twin.operator, 3, estimate="sample", covariance="isotropic")
    wide = Settings(sample_covariance="isotropic", sample_width=2.5)
    monkeypatch.setitem(SETTINGS, "generic", wide)
    default = LMAPS(twin.prior, twin.operator, 3, estimate="sample")
    assert default.covariance(0.7).variance == pytest.approx(2.5 * narrow.covariance(0.7).variance)


def test_low_rank_root() -> None:
    basis = torch.linalg.qr(torch.randn(PIXELS, 3)).Q
    covariance = LowRank(basis, torch.tensor([4.0, 1.0, 0.25]), 0.01)
    x = torch.randn(2, *SHAPE)
    twice = covariance.sqrt(covariance.sqrt(x)).flatten(1)
    dense = (basis * covariance.variances) @ basis.T + 0.01 * (torch.eye(PIXELS) - basis @ basis.T)
    torch.testing.assert_close(twice, x.flatten(1) @ dense, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "newton"}, "solver: expected one of"),
        ({"estimate": "mean"}, "estimate: expected one of"),
        ({"eta": 2.0}, "eta: expected"),
        ({"num_steps": 0}, "at least 1 noise level"),
        ({"sigma_max": 0.001}, "0 < sigma_min <= sigma_max"),
        ({"k1": 1.0}, "both k1 >= 0 and k2 > 0"),
        ({"k1": 1.0, "k2": 1.0, "covariance": "isotropic"}, "not both"),
        ({"k1": 0.0, "k2": 1.0, "estimate": "sample"}, "nothing to sample from"),
        ({"covariance": "wide"}, "covariance: expected one of"),
        ({"covariance": "calibrated"}, "needs prior.error_curve"),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    twin = GaussianTwin()
    with pytest.raises(ValueError, match=message):
        LMAPS(twin.prior, twin.operator, **options)


def test_bad_data() -> None:
    twin = GaussianTwin()
    lmaps = LMAPS(twin.prior, twin.operator, 3, covariance="isotropic")
    with pytest.raises(ValueError, match=r"expected \(10,\)"):
        lmaps(torch.zeros(7))
    with pytest.raises(ValueError, match="NaN"):
        lmaps(torch.full((10,), torch.nan))


def test_unknown_noise_level() -> None:
    twin = GaussianTwin(sigma_noise=0.1)
    twin.operator.sigma_noise = 0.0
    with pytest.raises(ValueError, match="sigma_noise = 0"):
        LMAPS(twin.prior, twin.operator)
    assert LMAPS(twin.prior, twin.operator, 3, k1=1.0, k2=1.0)(twin.y).samples.isfinite().all()


def test_tempering_trusts_the_data_less_where_there_is_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twin, seen = GaussianTwin(), []

    class Recording(ConjugateGradient):
        def mode(self, m: torch.Tensor, covariance: ScaledIdentity) -> Solution:
            seen.append(covariance.variance)
            return super().mode(m, covariance)

    monkeypatch.setitem(SETTINGS, "generic", Settings(tempering=0.5))
    options = {"num_steps": 3, "sigma_max": 1.0, "sigma_min": 1e-4, "solver": Recording}
    for covariance in ("isotropic", isotropic()):
        tempered = LMAPS(twin.prior, twin.operator, covariance=covariance, **options)
        seen.clear()
        tempered(twin.y)
        sigmas = tempered.sigmas.tolist()
        assert seen == pytest.approx([s**2 / (1 + (s / 0.5) ** 2) for s in sigmas], rel=1e-6)
    fixed = LMAPS(twin.prior, twin.operator, k1=1.0, k2=1.0, **options)
    seen.clear()
    fixed(twin.y)
    weight = twin.operator.loss_weight
    assert seen == pytest.approx([s**2 / weight for s in fixed.sigmas.tolist()], rel=1e-6)


def test_no_image_is_below_the_lower_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    twin, levels = GaussianTwin(), []
    options = {"num_steps": 4, "sigma_max": 10.0, "covariance": "isotropic"}
    free = LMAPS(twin.prior, twin.operator, **options)(twin.y, 3).samples
    monkeypatch.setitem(SETTINGS, "generic", Settings(lower_bound=-0.2))
    bounded = LMAPS(twin.prior, twin.operator, **options)(twin.y, 3, levels.append).samples
    assert free.min() < -0.5
    assert [float(level.x0.min()) for level in levels] == pytest.approx([-0.2] * 4)
    assert bounded.min() == pytest.approx(-0.2)


def test_images_start_at_the_priors_mean_plus_noise() -> None:
    twin, starts = GaussianTwin(), []

    class Prior:
        mean = -3.0

        def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return twin.prior(x, sigma)

    for prior in (twin.prior, Prior()):
        levels: list[Level] = []
        LMAPS(prior, twin.operator, 2, 10.0, covariance="isotropic")(twin.y, 2, levels.append)
        starts.append(levels[0].x)
    torch.testing.assert_close(starts[1], starts[0] - 3)


def test_the_operator_fixes_its_gauge_of_every_denoised_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twin, seen, levels = GaussianTwin(), [], []

    class Prior:
        def peak_curve(self, sigma: float) -> float:
            return 2 * sigma

        def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return twin.prior(x, sigma)

    def fix_gauge(x: torch.Tensor, peak: float | None) -> torch.Tensor:
        seen.append(peak)
        return x + 1

    monkeypatch.setattr(twin.operator, "fix_gauge", fix_gauge)
    LMAPS(Prior(), twin.operator, 3, 10.0, covariance="isotropic")(twin.y, 2, levels.append)
    assert seen == pytest.approx([2 * level.sigma for level in levels])
    for level in levels:
        torch.testing.assert_close(level.m, twin.prior(level.x, level.sigma) + 1)
    seen.clear()
    LMAPS(twin.prior, twin.operator, 3, 10.0, covariance="isotropic")(twin.y)
    assert seen == [None, None, None]
