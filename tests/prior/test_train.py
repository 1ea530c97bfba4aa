import dataclasses
import math

import pytest
import torch

from lmaps_science.prior.curves import measure_error_curve
from lmaps_science.prior.preconditioning import EDM
from lmaps_science.prior.train import Trainer, TrainingConfig, augment, edm_loss, random_crop
from lmaps_science.prior.unet import ShuffleUNet

CONFIG = TrainingConfig(num_steps=12, batch_size=2, warmup_steps=3)


def denoiser(seed=0):
    torch.manual_seed(seed)
    network = ShuffleUNet(channels=(8,), num_blocks=1, stem_channels=8, embedding_channels=16)
    return EDM(network)


def two_levels(count):
    """Flat images of one brightness or its negative: a network tells which, no filter can."""
    signs = torch.randint(0, 2, (count,), generator=torch.Generator().manual_seed(1)) * 2 - 1
    return (signs[:, None, None, None] * 0.5).expand(count, 1, 8, 8).contiguous()


class Killed(BaseException):
    """The end of a process in the middle of its work."""


def killed_after(steps):
    def callback(step, loss, progress):
        if step == steps:
            raise Killed

    return callback


@pytest.mark.parametrize("stop", [2, 5, 11])
def test_a_resumed_run_is_the_uninterrupted_one_bit_by_bit(tmp_path, stop):
    images = two_levels(10)
    whole, losses = denoiser(), {}
    Trainer(whole, images, CONFIG, tmp_path / "whole.pt").run(
        lambda step, loss, progress: losses.update({step: loss})
    )
    with pytest.raises(Killed):
        Trainer(denoiser(), images, CONFIG, tmp_path / "cut.pt").run(
            killed_after(stop), save_seconds=0
        )
    # Whatever the new process's network and random state are, the checkpoint's count.
    resumed, again = denoiser(seed=7), {}
    torch.rand(3)
    trainer = Trainer(resumed, images, CONFIG, tmp_path / "cut.pt")
    assert trainer.step == stop - 1
    trainer.run(lambda step, loss, progress: again.update({step: loss}))
    assert again == {step: loss for step, loss in losses.items() if step >= stop}
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_a_finished_run_is_not_trained_further(tmp_path):
    first = denoiser()
    Trainer(first, two_levels(10), CONFIG, tmp_path / "state.pt").run()
    again = denoiser(seed=7)
    trainer = Trainer(again, two_levels(10), CONFIG, tmp_path / "state.pt")
    trainer.run(lambda *_: pytest.fail("trained a step"))
    assert trainer.step == CONFIG.num_steps
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_the_seed_decides_the_run(tmp_path):
    results = []
    for name, seed in [("a", 0), ("b", 0), ("c", 1)]:
        config = dataclasses.replace(CONFIG, seed=seed)
        trained = Trainer(denoiser(), two_levels(10), config, tmp_path / f"{name}.pt").run()
        results.append(torch.cat([value.flatten() for value in trained.state_dict().values()]))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_the_result_is_the_moving_average_of_the_weights(tmp_path):
    config = dataclasses.replace(CONFIG, ema_decay=0.5)
    network = denoiser()
    average = {name: value.clone() for name, value in network.state_dict().items()}

    def follow(step, loss, progress):
        decay = min(0.5, step / (step + 9))
        for name, value in network.state_dict().items():
            average[name] = decay * average[name] + (1 - decay) * value

    trained = Trainer(network, two_levels(10), config, tmp_path / "state.pt").run(follow)
    assert not trained.training
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(value, average[name])


def test_learning_rate_warms_up_stays_and_falls(tmp_path):
    config = TrainingConfig(
        num_steps=100, batch_size=1, learning_rate=0.1, warmup_steps=10, final_fraction=0.5
    )
    trainer = Trainer(denoiser(), two_levels(2), config, tmp_path / "state.pt")
    rates = []
    for trainer.step in range(100):
        rates.append(trainer.learning_rate())
    assert rates[:10] == pytest.approx([0.01 * (i + 1) for i in range(10)])
    assert rates[10:51] == pytest.approx([0.1] * 41)
    assert rates[50:100] == pytest.approx([0.1 * (1 - i / 50) for i in range(50)])
    used = []
    trainer = Trainer(denoiser(), two_levels(2), CONFIG, tmp_path / "run.pt")
    trainer.run(lambda *_: used.append(trainer.optimizer.param_groups[0]["lr"]))
    assert used[:3] == pytest.approx([CONFIG.learning_rate * i / 3 for i in (1, 2, 3)])


def test_time_is_a_budget_too(tmp_path, monkeypatch):
    clock = iter(range(0, 100_000, 5))
    monkeypatch.setattr("lmaps_science.prior.train.time.monotonic", lambda: float(next(clock)))
    config = dataclasses.replace(CONFIG, num_steps=10**6, minutes=1.0)
    trainer = Trainer(denoiser(), two_levels(4), config, tmp_path / "state.pt")
    progress = []
    trainer.run(lambda step, loss, share: progress.append(share))
    assert progress == sorted(progress)
    assert progress[-2] < 1 <= progress[-1]
    assert 60 <= trainer.elapsed < 80
    # The time already spent counts when the run goes on.
    again = Trainer(denoiser(), two_levels(4), config, tmp_path / "state.pt")
    again.run(lambda *_: pytest.fail("trained beyond the budget"))


def test_training_learns_what_no_linear_filter_can(tmp_path):
    config = TrainingConfig(
        num_steps=500, batch_size=8, crop_fraction=0.5, warmup_steps=20, learning_rate=5e-3
    )
    network, held_out, losses = denoiser(), two_levels(64), []
    sigmas = torch.tensor([0.5, 1.0])
    before = measure_error_curve(network, held_out, sigmas)
    Trainer(network, two_levels(32), config, tmp_path / "state.pt").run(
        lambda step, loss, progress: losses.append(loss)
    )
    after = measure_error_curve(network, held_out, sigmas)
    assert sum(losses[-50:]) < 0.5 * sum(losses[:50])
    assert (after.mse < 0.3 * before.mse).all()


def test_a_save_that_fails_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    with pytest.raises(Killed):
        Trainer(denoiser(), two_levels(4), CONFIG, path).run(killed_after(3), save_seconds=0)
    before = path.read_bytes()

    def full_disk(state, target):
        target.write_bytes(b"half a checkpoint")
        raise OSError(28, "No space left on device")

    trainer = Trainer(denoiser(), two_levels(4), CONFIG, path)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full_disk)
        with pytest.raises(OSError, match="No space left"):
            trainer.run()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
    assert Trainer(denoiser(), two_levels(4), CONFIG, path).step == 2


def test_augmentation_is_the_symmetry_group_of_the_square():
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    generator = torch.Generator().manual_seed(0)
    seen = {tuple(augment(image, generator).flatten().tolist()) for _ in range(200)}
    turned = [torch.rot90(image, k, (2, 3)) for k in range(4)]
    expected = {tuple(t.flatten().tolist()) for t in [*turned, *(t.mT for t in turned)]}
    assert seen == expected


def test_crops_are_parts_of_their_own_images_and_reach_every_corner():
    images = torch.arange(2 * 25.0).reshape(2, 1, 5, 5)
    generator = torch.Generator().manual_seed(0)
    corners = set()
    for _ in range(300):
        crops = random_crop(images, 3, generator)
        assert crops.shape == (2, 1, 3, 3)
        for i, crop in enumerate(crops):
            y, x = divmod(int(crop[0, 0, 0]) - 25 * i, 5)
            assert torch.equal(crop, images[i, :, y : y + 3, x : x + 3])
            corners.add((i, y, x))
    assert len(corners) == 2 * 9


def test_the_loss_weighs_every_level_alike_before_training():
    """An untrained EDM network is the Wiener filter; its weighted error is then exactly 1."""
    network = denoiser()
    generator = torch.Generator().manual_seed(0)
    images = 0.5 * torch.randn(64, 1, 16, 16, generator=generator)
    noise = torch.randn(64, 1, 16, 16, generator=generator)
    for sigma in (0.01, 0.5, 20.0):
        loss = edm_loss(network, images, torch.full((64,), sigma), noise)
        assert loss.item() == pytest.approx(1, rel=0.03)
    assert math.isfinite(loss.item())
