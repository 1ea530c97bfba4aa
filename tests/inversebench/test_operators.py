"""Our operators under the names, shapes and methods of InverseBench's."""

import pytest
import torch

from lmaps_science.inversebench.algorithm import LMAPS
from lmaps_science.inversebench.host import HostProblem
from lmaps_science.inversebench.likelihood import HostOperator, examine
from lmaps_science.inversebench.operators import (
    BlackHoleImaging,
    HostForward,
    InverseScatter,
    MultiCoilMRI,
)
from lmaps_science.inversebench.recognition import recognised
from lmaps_science.problems.blackhole.reference import Reference
from tests.conftest import GOLDEN

SIZES = {"Nx": 24, "Ny": 24, "numTrans": 4, "numRec": 12, "sigma_noise": 1e-4}
OBSERVATION = GOLDEN / "blackhole"


@pytest.fixture
def ours():
    return InverseScatter(**SIZES)


@pytest.fixture
def image():
    return torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_scattering_measures_what_the_host_measures(host, ours, image):
    torch.manual_seed(0)
    y = ours({"target": image[:1]})
    torch.manual_seed(0)
    clean = host.forward(image[:1])
    expected = clean + 1e-4 * torch.randn_like(clean)
    torch.testing.assert_close(y, expected, rtol=1e-6, atol=1e-10)


def test_scattering_takes_the_hosts_repeated_observation(host, ours, image):
    """DPS and others repeat (1, transmitters, receivers) to (n, 1, transmitters, receivers)."""
    y = host.forward(image[:1])
    gradient, loss = ours.gradient(image, y.repeat(2, 1, 1, 1), return_loss=True)
    expected = [host.loss(one, y) for one in image.split(1)]
    assert (gradient.shape, loss.shape) == (image.shape, ())
    torch.testing.assert_close(loss.double(), torch.cat(expected).sum(), rtol=1e-4, atol=0)
    torch.testing.assert_close(ours.loss(image, y).sum(), loss)
    torch.testing.assert_close(
        ours.forward(ours.unnormalize(image), unnormalize=False), ours.forward(image)
    )


def test_the_singular_values_come_from_the_spectrum(ours, image):
    data = ours.operator.forward(image.double()) - ours.operator.offset()
    y, contrast = data / ours.unnorm_scale, ours.unnorm_scale * image.double()
    torch.testing.assert_close(ours.V(ours.Vt(image)), image, rtol=0, atol=1e-5)
    seen_by_data = ours.S > 1e-10
    expected = seen_by_data * ours.S * ours.Vt(image)
    torch.testing.assert_close(ours.Ut(y), expected, rtol=1e-3, atol=1e-6)
    real = torch.view_as_real(data).flatten(1)
    torch.testing.assert_close(contrast.flatten(1) @ ours.A.T, real, rtol=1e-5, atol=1e-8)
    assert (ours.U(ours.Ut(data)) - data).norm() < 1e-3 * data.norm()
    dense = torch.linalg.svdvals(ours.A)
    seen = ours.S[ours.M.bool()].sort(descending=True).values
    torch.testing.assert_close(seen, dense[: len(seen)], rtol=1e-4, atol=0)


def test_least_squares_explains_the_data(ours, image):
    y = ours.forward(image[:1])
    explained = ours.forward(ours.pseudo_inverse(y).float())
    assert (explained - y).norm() < 1e-3 * y.norm()


def test_data_have_a_loss_of_their_own(ours, image):
    y, other = ours.forward(image[:1]), ours.forward(image[1:])
    torch.testing.assert_close(ours.loss_m(y, other), ours.loss(image[:1], other))
    torch.testing.assert_close(ours.gradient_m(y, other), 2 * (y - other))


def test_lmaps_takes_our_operator_as_it_is(net, ours, image):
    y = ours({"target": image[:1]})
    operator, _ = HostProblem(ours, (1, 24, 24)).operator_for(y)
    assert operator is ours.operator
    assert LMAPS(net, ours, num_steps=3, verbose=False).inference(y).shape == (1, 1, 24, 24)


def test_mri_keeps_the_hosts_shapes():
    forward = MultiCoilMRI(total_lines=32, acceleration_ratio=2, sigma_noise=0.01)
    with pytest.raises(ValueError, match="run with inference=True"):
        forward.forward(torch.zeros(1, 2, 32, 32))
    maps = torch.randn(1, 3, 32, 32, dtype=torch.complex64)
    kspace = torch.randn(1, 3, 32, 32, dtype=torch.complex64)
    y = forward({"target": torch.zeros(1, 2, 32, 32), "maps": maps, "kspace": kspace})
    assert y.shape == forward.forward(torch.zeros(1, 2, 32, 32)).shape == (1, 3, 32, 32, 2)
    assert forward.mask.shape == (1, 1, 1, 32)
    x = torch.randn(2, 2, 32, 32)
    torch.testing.assert_close(forward.V(forward.Vt(x)), x, rtol=0, atol=1e-5)
    real = forward.forward(x).flatten(1)
    torch.testing.assert_close(x.flatten(1) @ forward.A.T, real, rtol=1e-4, atol=1e-4)


def test_black_hole_offers_what_the_evaluator_calls():
    forward = BlackHoleImaging(OBSERVATION)
    y, x = torch.meshgrid(*[torch.arange(64.0) - 31.5] * 2, indexing="ij")
    ring = torch.exp(-((torch.hypot(x, y) - 16) ** 2) / 18)[None, None]
    measured = forward({"target": 2 * ring - 1})
    assert (measured.dtype, measured.shape[:2], measured.shape[3]) == (torch.float32, (1, 1), 1)
    for chi_squared in forward.evaluate_chisq(ring, measured, normalize=False):
        assert 0.7 < chi_squared.item() < 1.4
    assert forward.evaluate_psnr(ring, ring).shape == (1, 4)
    clean = forward.forward(2 * ring - 1)
    expected = forward.loss(2 * ring - 1, measured)
    torch.testing.assert_close(forward.loss_m(clean, measured), expected, rtol=1e-4, atol=0)


class TestRecognisedBlackHole:
    """A stand-in with the attributes of InverseBench's class."""

    @staticmethod
    def host(**changes):
        ours = BlackHoleImaging(OBSERVATION, w1=0.3)
        reference = Reference.read(OBSERVATION, 64)
        table, likelihood = reference.closures(), ours.operator.likelihood
        attributes = {
            "ref_obs": reference.observation,
            "ref_im": reference.image,
            "cp_index": torch.as_tensor(table.phase_index),
            "cp_conjugate": torch.as_tensor(table.phase_conjugate),
            "camp_index": torch.as_tensor(table.amplitude_index),
            "sigma": likelihood.sigma,
            "H": 64,
            "W": 64,
            "weight_amp": 0.3 * likelihood.counts[0],
            "weight_cp": 1.0 * likelihood.counts[2],
            "weight_camp": 1.0 * likelihood.counts[4],
            "weight_flux": 0.5,
            "amp_dim": likelihood.counts[0],
            "cphase_dim": likelihood.counts[2],
            "logcamp_dim": likelihood.counts[4],
            "forward": ours.forward,
            "loss": ours.loss,
            "gradient": ours.gradient,
            "sigma_noise": 0.0,
            "unnorm_shift": 1.0,
            "unnorm_scale": 0.5,
            "device": "cpu",
        }
        kind = type("BlackHoleImaging", (), {})
        host = kind()
        vars(host).update(attributes | changes)
        return host

    def test_ours_stands_in(self):
        host = self.host()
        shape = (1, 64, 64)
        wrapped = HostOperator(host, shape, examine(host, shape))
        assert wrapped.loss_weight == 0.25
        native = recognised(wrapped)
        assert native.problem == "blackhole"
        assert native.likelihood.weights == pytest.approx((0.3, 1, 1, 0.5))

    def test_other_closures_are_kept(self, caplog):
        host = self.host(weight_cp=1.0)
        shape = (1, 64, 64)
        assert recognised(HostOperator(host, shape, examine(host, shape))) is None
        assert "keeping InverseBench's" in caplog.text


def test_clear_refusals():
    with pytest.raises(ValueError, match="expected a square object"):
        InverseScatter(Nx=24, Ny=32)
    with pytest.raises(ValueError, match="'vertical' or 'horizontal', got 'diagonal'"):
        MultiCoilMRI(orientation="diagonal")
    assert issubclass(MultiCoilMRI, HostForward)
