"""Reading and writing priors."""

import ast
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lmaps_science.prior import preconditioning, registry
from lmaps_science.prior.card import PriorCard, read_header
from lmaps_science.prior.checkpoint import convert, load_prior, save_prior
from lmaps_science.prior.curves import ErrorCurve, PeakCurve
from lmaps_science.prior.image_covariance import ImageCovariance
from lmaps_science.prior.preconditioning import EDM, VP
from lmaps_science.prior.unet import ShuffleUNet

GOLDEN = Path(__file__).parents[1] / "golden"
NETWORKS = ("network_dhariwal_edm", "network_dhariwal_edm_2ch", "network_song_vp")
SMALLEST = GOLDEN / "network_dhariwal_edm_2ch.pt"


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm())


def config_of(golden, name):
    return ast.literal_eval(str(golden(f"{name}.npz")["kwargs"]))


def assert_golden(prior, golden, name):
    arrays = golden(f"{name}.npz")
    x = torch.tensor(arrays["x"])
    for sigma, expected in zip(arrays["sigmas"].tolist(), arrays["outputs"], strict=True):
        with torch.no_grad():
            output = prior(x * max(sigma, 0.5), sigma)
        assert output.dtype == torch.float32
        assert relative_error(output, torch.tensor(expected)) < 1e-4


# InverseBench's checkpoints


@pytest.mark.parametrize("with_config", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_inversebench_checkpoints_give_the_golden_outputs(golden, name, with_config):
    config = config_of(golden, name)
    prior = load_prior(GOLDEN / f"{name}.pt", config if with_config else None)
    assert_golden(prior, golden, name)
    size = config["img_resolution"]
    assert prior.image_shape == (config["img_channels"], size, size)
    assert prior.error_curve is None
    assert prior.image_covariance is None
    assert prior.name == name
    assert not prior.training
    assert not any(p.requires_grad for p in prior.parameters())


@pytest.mark.parametrize(("name", "sigma_max"), [(NETWORKS[0], 11.02), (NETWORKS[2], 152.3)])
def test_sigma_max_is_that_of_the_hosts_training(name, sigma_max):
    assert load_prior(GOLDEN / f"{name}.pt").sigma_max == pytest.approx(sigma_max, rel=1e-3)


@pytest.mark.parametrize("layout", ["net", "bare", "without prefix"])
def test_other_layouts_of_the_same_weights(golden, tmp_path, layout):
    state = torch.load(SMALLEST, weights_only=True)["ema"]
    content = {
        "net": {"net": state, "steps": 3},
        "bare": state,
        "without prefix": {key.removeprefix("model."): value for key, value in state.items()},
    }
    path = tmp_path / "weights.pt"
    torch.save(content[layout], path)
    assert_golden(load_prior(path), golden, SMALLEST.stem)


def test_config_sets_the_preconditioning(golden):
    config = {**config_of(golden, NETWORKS[1]), "sigma_data": 0.25, "use_fp16": False}
    prior = load_prior(SMALLEST, {"_target_": "models.precond.EDMPrecond", **config})
    assert prior.sigma_data == 0.25


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_chanels": 16}, "unknown model_chanels"),
        ({"beta_d": 19.9}, "unknown beta_d for a DhariwalUNet with EDM"),
        ({"model_type": "SongUNet"}, "model_type is 'SongUNet', but the weights are those"),
        ({"label_dim": 10}, "label_dim is 10"),
        ({"_target_": "models.precond.VPPrecond"}, "_target_ is VPPrecond"),
        ({"channel_mult": [1, 1, 2, 2]}, r"expected as \(32, 16, 3, 3\) and found as \(16, 16"),
        ({"num_blocks": 2}, "found as absent"),
    ],
)
def test_configs_that_do_not_fit_are_refused(golden, change, message):
    with pytest.raises(ValueError, match=message):
        load_prior(SMALLEST, {**config_of(golden, NETWORKS[1]), **change})


class _Exploit:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_checkpoint_is_refused_before_it_runs(tmp_path, how):
    marker, path = tmp_path / "ran", tmp_path / "weights.pt"
    if how == "torch":
        torch.save({"ema": _Exploit(marker)}, path)
    else:
        path.write_bytes(pickle.dumps({"ema": _Exploit(marker)}))
    with pytest.raises(ValueError, match=r"refused, because it holds .* would run code") as error:
        load_prior(path)
    assert "torch.save" in str(error.value)
    assert "\n" not in str(error.value)
    assert not marker.exists()
    pickle.loads(pickle.dumps(_Exploit(marker)))  # noqa: S301 - it would have run
    assert marker.exists()


@pytest.mark.parametrize("content", [b"", b"hello world" * 20, SMALLEST.read_bytes()[:5000]])
def test_broken_checkpoints_are_named(tmp_path, content):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights\.pt: not a readable PyTorch checkpoint"):
        load_prior(path)


@pytest.mark.parametrize("content", [{"ema": {"conv.weight": torch.ones(1)}}, torch.ones(2), {}])
def test_other_checkpoints_are_named(tmp_path, content):
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(ValueError, match="expected the weights of a DhariwalUNet or SongUNet"):
        load_prior(path)


# Our own format

CARD = PriorCard(
    name="toy",
    network={"type": "ShuffleUNet", "image_channels": 1, "channels": [8, 16], "num_blocks": 1},
    preconditioning={"type": "EDM", "bfloat16": False, "sigma_data": 0.4},
    image_shape=(1, 8, 8),
    sigma_max=15.0,
    description="A toy.",
    data="noise",
    license="CC0-1.0",
    training={"steps": 0},
)


def toy(bfloat16=False):
    torch.manual_seed(0)
    prior = EDM(ShuffleUNet(1, (8, 16), 1), bfloat16, sigma_data=0.4)
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    sigmas = torch.tensor([0.1, 1.0, 10.0])
    prior.error_curve = ErrorCurve(sigmas, torch.tensor([0.003, 0.1, 0.3]))
    prior.peak_curve = PeakCurve(sigmas, torch.tensor([1.0, 0.8, 0.1]))
    basis = torch.linalg.qr(torch.randn(64, 5)).Q.T
    prior.image_covariance = ImageCovariance(basis, torch.rand(5), 0.001, (1, 8, 8))
    return prior.eval()


def test_what_is_saved_is_loaded(tmp_path):
    prior, path = toy(), tmp_path / "toy.safetensors"
    save_prior(prior, path, CARD)
    loaded = load_prior(str(path))

    x = torch.randn(2, 1, 16, 8)
    torch.testing.assert_close(loaded(x, 0.7), prior(x, 0.7), rtol=1e-5, atol=1e-6)
    for key, value in prior.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    assert loaded.card == CARD
    assert (loaded.name, loaded.image_shape, loaded.sigma_max) == ("toy", (1, 8, 8), 15.0)
    assert loaded.sha256 == registry.file_sha256(path)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())

    assert torch.equal(loaded.error_curve.sigmas, prior.error_curve.sigmas)
    assert torch.equal(loaded.error_curve.mse, prior.error_curve.mse)
    assert torch.equal(loaded.peak_curve.peak, prior.peak_curve.peak)
    ours, theirs = loaded.image_covariance, prior.image_covariance
    assert torch.equal(ours.basis, theirs.basis.half().float())
    assert torch.equal(ours.eigenvalues, theirs.eigenvalues)
    assert (ours.rest, ours.shape) == (theirs.rest, theirs.shape)


def test_a_prior_without_statistics(tmp_path):
    prior, path = toy(), tmp_path / "toy.safetensors"
    del prior.error_curve, prior.peak_curve, prior.image_covariance
    save_prior(prior, path, CARD)
    loaded = load_prior(path)
    assert loaded.error_curve is None
    assert loaded.image_covariance is None


def test_bfloat16_priors_are_stored_in_half_the_bytes_and_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(preconditioning, "computes_in_bfloat16", lambda _: True)
    card = replace(CARD, preconditioning={**CARD.preconditioning, "bfloat16": True})
    save_prior(toy(), tmp_path / "float.safetensors", CARD)
    save_prior(toy(bfloat16=True), tmp_path / "half.safetensors", card)
    # The header's length does not depend on the type of the weights.
    sizes = {p.stem: p.stat().st_size for p in tmp_path.iterdir()}
    assert sizes["half"] < 0.65 * sizes["float"]

    prior, loaded = toy(bfloat16=True), load_prior(tmp_path / "half.safetensors")
    assert loaded.use_bfloat16
    assert next(loaded.parameters()).dtype == torch.float32
    x = torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        stored = relative_error(loaded(x, 0.7), prior(x, 0.7))
        prior.use_bfloat16 = False
        computed = relative_error(loaded(x, 0.7), prior(x, 0.7))
    assert stored < computed < 0.05


def test_a_device_without_bfloat16_computes_in_float32(monkeypatch):
    x = torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        expected, prior = toy()(x, 0.7), toy(bfloat16=True)
        for supported in (True, False):
            monkeypatch.setattr(preconditioning, "computes_in_bfloat16", lambda _, s=supported: s)
            assert torch.equal(prior(x, 0.7), expected) == (not supported)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {**CARD.network, "num_blocks": 2}}, "do not fit a ShuffleUNet"),
        ({"network": {**CARD.network, "blocks": 2}}, "ShuffleUNet: wrong arguments"),
        ({"network": {"type": "Transformer"}}, "expected a type among ShuffleUNet, "),
        ({"preconditioning": {"type": "VP"}}, "not that of the prior, a EDM"),
        ({"preconditioning": {"type": "EDM", "sigma_data": 0.5}}, "not that of the prior"),
        ({"preconditioning": {**CARD.preconditioning, "bfloat16": True}}, "bfloat16=False"),
    ],
)
def test_a_card_of_another_prior_is_refused(tmp_path, change, message):
    path = tmp_path / "toy.safetensors"
    with pytest.raises(ValueError, match=message):
        save_prior(toy(), path, replace(CARD, **change))
    assert not path.exists()


def test_vp_priors_are_saved_too(tmp_path):
    card = replace(CARD, preconditioning={"type": "VP", "beta_d": 10.0})
    prior = VP(toy().network, beta_d=10.0)
    save_prior(prior, tmp_path / "toy.safetensors", card)
    x = torch.randn(1, 1, 8, 8)
    loaded = load_prior(tmp_path / "toy.safetensors")
    torch.testing.assert_close(loaded(x, 0.7), prior(x, 0.7), rtol=1e-5, atol=1e-6)


def test_safetensors_that_are_no_prior(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.ones(3)}, path)
    with pytest.raises(ValueError, match="without a model card"):
        load_prior(path)
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        load_prior(path)


def test_the_suffix_and_the_config_of_safetensors(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        save_prior(toy(), tmp_path / "toy.pt", CARD)
    save_prior(toy(), tmp_path / "toy.safetensors", CARD)
    with pytest.raises(ValueError, match="leave out config"):
        load_prior(tmp_path / "toy.safetensors", {"img_channels": 1})


def test_cards_of_a_newer_version_or_in_pieces():
    values = json.loads(CARD.to_json())
    assert PriorCard.from_mapping(values) == CARD
    with pytest.raises(ValueError, match=r"unknown colour.*newer lmaps-science"):
        PriorCard.from_mapping({**values, "colour": 1})
    with pytest.raises(ValueError, match="lacks network, sigma_max"):
        PriorCard.from_mapping(
            {k: v for k, v in values.items() if k not in ("network", "sigma_max")}
        )
    with pytest.raises(ValueError, match="image_shape: expected"):
        replace(CARD, image_shape=(8, 8))


@pytest.mark.parametrize("name", NETWORKS[1:])
def test_convert_keeps_the_golden_outputs(golden, tmp_path, name):
    target = tmp_path / "converted.safetensors"
    card = convert(GOLDEN / f"{name}.pt", target)
    assert_golden(load_prior(target), golden, name)
    assert card.name == "converted"
    assert read_header(target)[0] == card
    assert card.network["type"] in target.with_suffix(".md").read_text(encoding="utf-8")


# Installed priors


@pytest.fixture
def folder(tmp_path, monkeypatch):
    save_prior(toy(), tmp_path / "toy-8.safetensors", CARD)
    monkeypatch.setattr(registry, "checkpoint_folder", lambda: tmp_path)
    registry.write_manifest(tmp_path)
    return tmp_path


def test_the_manifest_lists_the_priors(folder):
    (record,) = registry.list_priors()
    path = folder / "toy-8.safetensors"
    assert record == registry.PriorRecord(
        name="toy",
        file=path.name,
        bytes=path.stat().st_size,
        sha256=registry.file_sha256(path),
        image_shape=(1, 8, 8),
        license="CC0-1.0",
        description="A toy.",
    )
    assert load_prior("toy").sha256 == record.sha256
    assert load_prior("toy").card == CARD


def test_a_changed_file_is_refused(folder):
    path = folder / "toy-8.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not the file of the manifest"):
        load_prior("toy")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="reinstall"):
        load_prior("toy")


@pytest.mark.usefixtures("folder")
def test_unknown_names_and_missing_files(tmp_path):
    with pytest.raises(ValueError, match=r"prior 'tox': .* \(toy\)"):
        load_prior("tox")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_prior(tmp_path / "missing.pt")


def test_model_cards(folder):
    made = registry.model_card("toy")
    assert made.startswith("# toy\n\nA toy.\n")
    for line in ("| Images | 1 × 8 × 8,", "σ = 15", "| Training data | noise |", "| Steps | 0 |"):
        assert line in made
    (folder / "toy-8.md").write_text("# by hand\n", encoding="utf-8")
    assert registry.model_card("toy") == "# by hand\n"


def test_what_is_too_large_to_ship(folder, monkeypatch):
    monkeypatch.setattr(registry, "MAX_BYTES", 2**14)
    with pytest.raises(ValueError, match="at most 0 MiB are shipped"):
        registry.write_manifest(folder)


def test_two_priors_of_one_name(folder):
    save_prior(toy(), folder / "again.safetensors", CARD)
    with pytest.raises(ValueError, match="same name"):
        registry.write_manifest(folder)


def test_installed_priors_are_what_the_manifest_says():
    for record in registry.list_priors():
        path = registry.verified_path(record.name)
        assert registry.manifest_entry(path) == record
        assert load_prior(record.name).image_shape == record.image_shape
