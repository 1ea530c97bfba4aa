"""What the adapter finds out about operators that it calls, and the noise it estimates."""

import functools
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lmaps_science.inversebench.acoustic import HostAcousticWave
from lmaps_science.inversebench.algorithm import LMAPS
from lmaps_science.inversebench.host import HostProblem
from lmaps_science.inversebench.likelihood import HostOperator, examine
from lmaps_science.inversebench.noise import noise_of_images, noise_of_kspace
from lmaps_science.problems import MultiCoilMRI as OurMRI

SHAPE = (3, 16, 16)


class Base:
    """The parts of the host's BaseOperator that the adapter calls."""

    sigma_noise, unnorm_shift, unnorm_scale, device = 0.05, 0.0, 1.0, "cpu"

    def loss(self, x, y):
        return (self.forward(x) - y).square().flatten(1).sum(1)

    def gradient(self, x, y, return_loss=False):
        x = x.detach().requires_grad_(True)
        loss = self.loss(x, y).sum()
        (gradient,) = torch.autograd.grad(loss, x)
        return (gradient, loss) if return_loss else gradient


class GaussialBlur(Base):
    def forward(self, x):
        return F.avg_pool2d(x, 3, 1, 1)


class PhaseRetrieval(Base):
    def forward(self, x):
        return torch.fft.fft2(x).abs()


class FirstOnly(Base):
    def forward(self, x):
        return 2 * x[:1]

    def loss(self, x, y):
        return super().loss(x, y) / 2


class NavierStokes(Base):
    @torch.no_grad()
    def forward(self, x):
        return x.sin()


class Quantiser(Base):
    """A forward outside torch, with a gradient of its own."""

    def forward(self, x):
        return torch.from_numpy(np.round(x.detach().numpy(), 2))

    def gradient(self, x, y, return_loss=False):
        gradient = 2 * (self.forward(x) - y)
        return (gradient, self.loss(x, y).sum()) if return_loss else gradient


class Logarithmic(Base):
    def loss(self, x, y):
        return (self.forward(x) - y).square().flatten(1).sum(1).log1p()

    def forward(self, x):
        return x


class MultiCoilMRI(Base):
    """The host's conventions: maps per measurement, pairs of reals."""

    sigma_noise = 0.0

    def __init__(self, lines):
        self.mask = torch.from_numpy(lines)[None, None, None]

    def forward(self, x):
        image = torch.view_as_complex(x.double().movedim(1, -1).contiguous())
        coils = torch.fft.ifftshift(self.maps * image[:, None], dim=(-2, -1))
        kspace = torch.fft.fftshift(torch.fft.fft2(coils, norm="ortho"), dim=(-2, -1))
        return torch.view_as_real(self.mask * kspace)


@pytest.fixture
def mri():
    """An operator with eight coils at twofold acceleration, and its maps."""
    lines = np.zeros(32, dtype=bool)
    lines[::2] = lines[12:20] = True
    host = MultiCoilMRI(lines)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(8, 2, 4, 4, generator=generator)
    smooth = F.interpolate(coarse, (32, 32), mode="bicubic").movedim(1, -1)
    host.maps = torch.view_as_complex(smooth.contiguous())[None]
    return host


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (GaussialBlur(), {"batched": True, "quadratic": True, "loss_scale": 1.0}),
        (PhaseRetrieval(), {"batched": True, "quadratic": False, "loss_scale": 1.0}),
        (FirstOnly(), {"batched": False, "quadratic": True, "loss_scale": 0.5}),
        (Quantiser(), {"differentiable": False, "loss_scale": 1.0}),
        (Logarithmic(), {"quadratic": False, "loss_scale": None}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_an_operator_computes(host, expected):
    traits = examine(host, SHAPE)
    assert traits.data_shape == SHAPE
    assert expected.items() <= vars(traits).items() | {"loss_scale": _close(traits)}.items()


def _close(traits):
    return traits.loss_scale and round(traits.loss_scale, 5)


@pytest.mark.parametrize("host", [GaussialBlur(), FirstOnly(), Quantiser()])
def test_loss_and_gradient_are_the_hosts(host):
    wrapped = HostOperator(host, SHAPE, examine(host, SHAPE))
    x, y = torch.rand(3, *SHAPE), torch.rand(3, *SHAPE)
    loss, gradient = wrapped.loss_and_gradient(x, y)
    for i in range(3):
        expected, expected_loss = host.gradient(x[i : i + 1], y[i : i + 1], return_loss=True)
        torch.testing.assert_close(gradient[i : i + 1], expected)
        torch.testing.assert_close(loss[i], expected_loss)


def test_the_weight_follows_the_scale_of_the_loss():
    half = HostOperator(FirstOnly(), SHAPE, examine(FirstOnly(), SHAPE))
    assert half.loss_weight == pytest.approx(1 / 0.05**2, rel=1e-4)
    other = HostOperator(Logarithmic(), SHAPE, examine(Logarithmic(), SHAPE))
    with pytest.raises(ValueError, match="Logarithmic: its loss is not a multiple"):
        _ = other.loss_weight


@pytest.mark.parametrize("host", [GaussialBlur(), PhaseRetrieval()])
def test_images_are_restored(host, make_net):
    net = make_net(16)
    net.img_channels = 3
    truth = torch.rand(1, *SHAPE)
    y = host.forward(truth)
    algorithm = LMAPS(net, host, num_steps=4, num_inner_steps=20, verbose=False)
    samples = algorithm.inference(y, num_samples=2)
    assert (samples.shape, samples.dtype) == ((2, *SHAPE), torch.float32)
    assert (host.loss(samples, y) < 0.2 * host.loss(torch.zeros_like(samples), y)).all()


def test_no_grad_is_passed_through_on_request():
    host = NavierStokes()
    y = host.forward(torch.rand(1, *SHAPE))
    with pytest.raises(ValueError, match=r"add algorithm\.method\.through_no_grad=true"):
        HostProblem(host, SHAPE).operator_for(y)
    operator, _ = HostProblem(host, SHAPE, through_no_grad=True).operator_for(y)
    x = torch.rand(2, *SHAPE)
    expected = 2 * (x.sin() - y) * x.cos()
    torch.testing.assert_close(operator.loss_and_gradient(x, y)[1], expected)
    assert not host.forward(x.requires_grad_()).requires_grad


def test_images_of_another_size_are_refused_in_one_line():
    class Fixed(GaussialBlur):
        def forward(self, x):
            return x * torch.ones(1, 1, 8, 8)

    with pytest.raises(ValueError, match="does not take images of the network's shape"):
        examine(Fixed(), SHAPE)


def test_noise_of_images():
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    noisy = ramp + 0.03 * torch.randn(ramp.shape, generator=generator)
    assert noise_of_images(noisy) == pytest.approx(0.03, rel=0.05)
    assert noise_of_images(ramp) == pytest.approx(1e-3 * ramp.square().mean().sqrt().item())


def test_noise_of_kspace(mri):
    generator = torch.Generator().manual_seed(1)
    image = F.interpolate(torch.randn(1, 2, 8, 8, generator=generator), (32, 32), mode="bicubic")
    ours = OurMRI(mri.maps[0], mri.mask[0, 0], sigma_noise=0.05)
    y = ours({"target": image}, generator)
    assert noise_of_kspace(ours, y) == pytest.approx(0.05, rel=0.05)
    assert noise_of_kspace(ours, ours.forward(image)) < 5e-3


def test_mri_is_recognised_for_every_measurement(mri, caplog):
    generator = torch.Generator().manual_seed(2)
    problem = HostProblem(mri, (2, 32, 32))
    for _ in range(2):
        mri.maps = mri.maps.roll(1, dims=1)
        y = mri.forward(torch.randn(1, 2, 32, 32, generator=generator))
        y += 0.02 / 2**0.5 * torch.randn(y.shape, generator=generator) * mri.mask[..., None]
        with caplog.at_level(logging.INFO):
            operator, _ = problem.operator_for(y)
        assert isinstance(operator, OurMRI)
        assert torch.equal(operator.sensitivity_maps, mri.maps[0])
        assert operator.sigma_noise == pytest.approx(0.02, rel=0.1)
    assert "estimated" in caplog.text
    wrapped, _ = HostProblem(mri, (2, 32, 32), recognise=False, sigma_noise=0.02).operator_for(y)
    assert isinstance(wrapped, HostOperator)
    assert wrapped.loss_weight == pytest.approx(1 / 0.02**2, rel=1e-6)


def test_mri_without_a_measurement_says_so(mri):
    del mri.maps
    with pytest.raises(ValueError, match="run with inference=True"):
        HostProblem(mri, (2, 32, 32)).operator_for(torch.zeros(1, 8, 32, 32, 2))


class AcousticWave(Base):
    """Full-waveform inversion: a list of receivers; half the sum of squares."""

    sigma_noise = 0.0

    def forward(self, x):
        return x.detach().square().flatten(2)[:, :, None].reshape(len(x), 2, 4, 8)

    def gradient(self, x, receivers, return_loss=False):
        y = torch.stack([torch.from_numpy(r.data) for r in receivers])[None]
        residual = self.forward(x) - y
        gradient = (2 * x.detach().flatten(1) * residual.flatten(1)).view_as(x)
        return (gradient, residual.square().sum() / 2) if return_loss else gradient


def test_full_waveform_takes_receivers_and_leaves_them(make_net):
    host = AcousticWave()
    traces = host.forward(torch.full((1, 1, 8, 8), 0.5))[0].numpy()
    receivers = [SimpleNamespace(data=trace.copy()) for trace in traces]
    operator = HostAcousticWave(host, (1, 8, 8), receivers)
    x = torch.rand(2, 1, 8, 8)
    y = torch.cat([operator.y, 2 * operator.y])
    loss, gradient = operator.loss_and_gradient(x, y)
    torch.testing.assert_close(loss, operator.loss(x, y))
    leaf = x.clone().requires_grad_()
    (0.5 * (leaf.square().flatten(1) - y.flatten(1)).square().sum()).backward()
    torch.testing.assert_close(gradient, leaf.grad)
    assert all(np.array_equal(r.data, t) for r, t in zip(receivers, traces, strict=True))
    algorithm = functools.partial(LMAPS, make_net(8), host, num_steps=3, verbose=False)
    assert algorithm(sigma_noise=0.01).inference(receivers).shape == (1, 1, 8, 8)
    with pytest.raises(ValueError, match="list of receivers"):
        algorithm().inference(torch.zeros(1, 2))
