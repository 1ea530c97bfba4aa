"""The contract of InverseBench's main.py with an algorithm."""

import logging

import pytest
import torch

from lmaps_science import solver
from lmaps_science.inversebench.algorithm import LMAPS
from lmaps_science.problems import InverseScattering
from lmaps_science.settings import SETTINGS


@pytest.fixture
def observation(host):
    torch.manual_seed(1)
    image = torch.rand(1, 1, 24, 24) * 2 - 1
    y = host.forward(image)
    return y + 1e-4 * torch.randn_like(y)


@pytest.mark.parametrize("estimate", ["mode", "sample"])
@pytest.mark.parametrize("recognise", [True, False])
def test_inference_returns_what_the_host_expects(net, host, observation, recognise, estimate):
    algorithm = LMAPS(net, host, recognise=recognise, estimate=estimate, num_steps=4, verbose=False)
    samples = algorithm.inference(observation, num_samples=3)
    assert (samples.shape, samples.dtype) == ((3, 1, 24, 24), torch.float32)
    assert not samples.requires_grad
    operator, y = algorithm.problem.operator_for(observation)
    misfit = operator.loss(samples, y.expand(3, -1, -1))
    assert (misfit / (observation.numel() * 1e-8) < 4).all()


def test_the_options_reach_the_method(net, host, observation):
    operator = InverseScattering(24, 0.18, 6, 4, 12, 1.6)
    options = {"num_steps": 5, "sigma_max": 1.0, "eta": 0.5, "seed": 7, "covariance": "isotropic"}
    expected = solver.LMAPS(lambda x, sigma: net(x, torch.tensor(sigma)), operator, **options)
    got = LMAPS(net, host, verbose=False, **options).inference(observation)
    torch.testing.assert_close(got, expected(observation).samples[0], rtol=1e-4, atol=1e-4)


def test_both_operators_give_the_same_images(net, host, observation):
    options = {"num_steps": 5, "verbose": False}
    ours = LMAPS(net, host, **options).inference(observation)
    theirs = LMAPS(net, host, recognise=False, **options).inference(observation)
    assert (ours - theirs).norm() < 1e-2 * ours.norm()


def test_a_sample_depends_on_the_seed_and_its_index_alone(net, host, observation):
    algorithm = LMAPS(net, host, num_steps=4, verbose=False)
    many = algorithm.inference(observation, num_samples=3)
    torch.testing.assert_close(algorithm.inference(observation), many[:1], rtol=0, atol=1e-5)
    assert (many[0] - many[1]).abs().max() > 1e-3


def test_published_algorithm(net, host, observation):
    algorithm = LMAPS(
        net, host, solver="gradient", k1=1.0, k2=1e8, num_steps=10, learning_rate=0.1, verbose=False
    )
    exact = LMAPS(net, host, num_steps=10, verbose=False).inference(observation)
    assert (algorithm.inference(observation) - exact).norm() < 0.2 * exact.norm()


def covariance(algorithm, observation, sigma):
    operator, _ = algorithm.problem.operator_for(observation)
    return algorithm.method(operator).covariance(sigma).variance


def test_a_network_without_an_error_curve_gets_saturating(net, host, observation, caplog):
    with caplog.at_level(logging.INFO):
        variance = covariance(LMAPS(net, host, estimate="sample"), observation, 0.5)
    assert "the network carries no error curve: covariance is saturating" in caplog.text
    assert variance == 0.125


def test_saturating_by_name_needs_no_statistics(net, host, observation):
    assert covariance(LMAPS(net, host, covariance="saturating"), observation, 0.5) == 0.125


def test_a_network_with_an_error_curve_uses_it(net, host, observation):
    net.error_curve = lambda sigma: sigma**2 / 3
    variance = covariance(LMAPS(net, host, estimate="sample"), observation, 0.3)
    assert variance == pytest.approx(SETTINGS["scattering"].sample_width * 0.03)


def test_k1_alone_gives_the_data_their_weight(net, host, observation):
    algorithm = LMAPS(net, host, k1=2.0, solver="gradient")
    weight = algorithm.problem.operator_for(observation)[0].loss_weight
    assert covariance(algorithm, observation, 0.3) * weight == pytest.approx(0.09 * weight)


def test_the_average_of_the_samples(net, host, observation):
    options = {"num_steps": 4, "verbose": False}
    many = LMAPS(net, host, **options).inference(observation, num_samples=3)
    mean = LMAPS(net, host, average=True, **options).inference(observation, num_samples=3)
    torch.testing.assert_close(mean, many.mean(0, keepdim=True))


def test_progress_shows_the_data_misfit(net, host, observation, capsys):
    LMAPS(net, host, num_steps=3).inference(observation)
    assert "misfit=" in capsys.readouterr().err


def test_bad_input(make_net, make_host, host, observation):
    with pytest.raises(ValueError, match=r"one object, \(1, ...\), got shape \(2, 4, 12\)"):
        LMAPS(make_net(), host).inference(observation.expand(2, -1, -1))
    with pytest.raises(ValueError, match="expected \\(4, 12\\)"):
        LMAPS(make_net(), host).inference(observation[:, :3])
    with pytest.raises(
        ValueError, match=r"\(1, 32, 32\), the forward operator takes \(1, 24, 24\)"
    ):
        LMAPS(make_net(32), host)
    with pytest.raises(ValueError, match="sigma_noise = 0"):
        LMAPS(make_net(), make_host(sigma_noise=0.0)).inference(observation)
    with pytest.raises(ValueError, match="forward of InverseScatter is not under torch"):
        LMAPS(make_net(), host, through_no_grad=True)
    with pytest.raises(ValueError, match="Linear: expected a network of InverseBench"):
        LMAPS(torch.nn.Linear(1, 1), host)
