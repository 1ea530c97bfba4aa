"""A network that tells classes of images apart, and training it from a source of images."""

import pytest
import torch

from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.checkpoint import load_prior, save_prior
from lmaps_science.prior.curves import ErrorCurve
from lmaps_science.prior.preconditioning import EDM
from lmaps_science.prior.train import Trainer, TrainingConfig
from lmaps_science.prior.unet import ShuffleUNet

NETWORK = {"channels": (8,), "num_blocks": 1, "stem_channels": 8, "embedding_channels": 16}


def conditional(class_label=None):
    torch.manual_seed(0)
    prior = EDM(ShuffleUNet(**NETWORK, num_classes=3), class_label=class_label)
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return prior.eval().requires_grad_(False)


def test_a_network_without_classes_has_the_weights_it_had():
    torch.manual_seed(0)
    plain = ShuffleUNet(**NETWORK)
    torch.manual_seed(0)
    classes = ShuffleUNet(**NETWORK, num_classes=3)
    extra = set(classes.state_dict()) - set(plain.state_dict())
    assert extra == {"class_embedding.weight"}
    for name, value in plain.state_dict().items():
        assert torch.equal(classes.state_dict()[name], value), name


def test_each_image_is_denoised_as_of_its_own_class():
    prior, x = conditional(), torch.randn(3, 1, 8, 8)
    mixed = prior(x, 0.5, class_label=torch.tensor([2, 0, 1]))
    for image, denoised, label in zip(x, mixed, (2, 0, 1), strict=True):
        alone = prior.for_class(label)(image[None], 0.5)[0]
        torch.testing.assert_close(denoised, alone, rtol=1e-5, atol=1e-6)
    same = torch.cat([prior.for_class(label)(x[:1], 0.5) for label in range(3)])
    assert (same[0] - same[1]).abs().max() > 1e-3 < (same[1] - same[2]).abs().max()


def test_another_class_shares_the_weights_and_not_the_statistics():
    prior = conditional(class_label=1)
    prior.error_curve = ErrorCurve(torch.tensor([0.1, 1.0]), torch.tensor([0.003, 0.1]))
    other, own = prior.for_class(2), prior.for_class(1)
    assert other.network is prior.network
    assert (other.class_label, other.error_curve) == (2, None)
    assert own.error_curve is prior.error_curve is not None
    x = torch.randn(1, 1, 8, 8)
    assert prior.class_label == 1
    assert torch.equal(own(x, 0.5), prior(x, 0.5))
    assert not torch.equal(other(x, 0.5), prior(x, 0.5))


def test_the_card_says_which_class_a_loaded_prior_is_of(tmp_path):
    card = PriorCard(
        name="toy",
        network={"type": "ShuffleUNet", **NETWORK, "num_classes": 3},
        preconditioning={"type": "EDM", "class_label": 2},
        image_shape=(1, 8, 8),
        sigma_max=3.0,
    )
    prior = conditional(class_label=2)
    save_prior(prior, tmp_path / "toy.safetensors", card)
    loaded, x = load_prior(tmp_path / "toy.safetensors"), torch.randn(2, 1, 8, 8)
    assert loaded.class_label == 2
    torch.testing.assert_close(loaded(x, 0.5), prior(x, 0.5), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        loaded.for_class(0)(x, 0.5), prior.for_class(0)(x, 0.5), rtol=1e-5, atol=1e-6
    )


def test_wrong_classes_are_named():
    x = torch.randn(1, 1, 8, 8)
    plain = EDM(ShuffleUNet(**NETWORK))
    for label in (-1, 3):
        with pytest.raises(ValueError, match=f"class {label} of prior '': it has 3, from 0"):
            conditional().for_class(label)
    with pytest.raises(ValueError, match="it has 0"):
        plain.for_class(0)
    with pytest.raises(ValueError, match="3 classes of images: give the class of each"):
        conditional()(x, 0.5)
    with pytest.raises(ValueError, match="0 classes of images: give no class"):
        plain(x, 0.5, class_label=torch.tensor([0]))


class Flat:
    """Images of one brightness: 0.5 in class 0, -0.5 in class 1."""

    image_size = 16

    def __init__(self):
        self.sizes = set()

    def draw(self, count, size, generator):
        self.sizes.add((count, size))
        label = torch.randint(0, 2, (count,), generator=generator)
        return (0.5 - label.float()).view(-1, 1, 1, 1).expand(-1, 1, size, size), label


def test_training_from_a_source_learns_what_only_the_class_tells(tmp_path):
    torch.manual_seed(0)
    prior = EDM(ShuffleUNet(**NETWORK, num_classes=2))
    config = TrainingConfig(
        num_steps=200,
        batch_size=4,
        warmup_steps=20,
        learning_rate=5e-3,
        log_sigma_mean=1.0,
        ema_decay=0.9,
    )
    source = Flat()
    Trainer(prior, source, config, tmp_path / "state.pt").run()
    assert source.sizes == {(4, 16), (16, 8)}
    # At this noise level the image itself says nothing.
    noise = 30 * torch.randn(16, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        means = [float(prior.for_class(label)(noise, 30.0).mean()) for label in (0, 1)]
    assert means == pytest.approx([0.5, -0.5], abs=0.15)


def test_a_source_whose_crops_do_not_fit_is_refused(tmp_path):
    source = Flat()
    source.image_size = 18
    with pytest.raises(ValueError, match=r"multiple of \d+ pixels, got 18×18"):
        Trainer(EDM(ShuffleUNet(**NETWORK)), source, TrainingConfig(), tmp_path / "state.pt")
    with pytest.raises(ValueError, match="images of 16 x 24: expected square ones"):
        images = torch.zeros(2, 1, 16, 24)
        Trainer(EDM(ShuffleUNet(**NETWORK)), images, TrainingConfig(), tmp_path / "state.pt")
