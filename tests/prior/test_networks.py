"""The networks of InverseBench's checkpoints, against the published sizes and closed forms."""

import math

import pytest
import torch
from torch.nn import functional

from lmaps_science.prior.adm import ADM, DDPM, Block, DhariwalUNet, SongUNet, rescale

PUBLISHED = {
    # InverseBench's inv-scatter and blackhole priors; parameters counted in its own networks.
    "inv-scatter": (DhariwalUNet, 128, [1, 1, 1, 2, 2], 26_790_785),
    "blackhole": (SongUNet, 64, [1, 2, 2], 20_041_217),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_have_their_number_of_parameters(name):
    network, size, channel_mult, count = PUBLISHED[name]
    with torch.device("meta"):
        net = network(1, size, 128, channel_mult, 1, [16])
    assert sum(p.numel() for p in net.parameters()) == count


def test_rescaling_is_the_box_filter_and_repetition():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert rescale(x, 0.5).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert torch.equal(rescale(rescale(x, 2.0), 0.5), x)
    assert rescale(x, 1.0) is x


@pytest.mark.parametrize(("style", "heads"), [(ADM, 2), (DDPM, 1)])
def test_attention_is_the_softmax_formula_head_by_head(style, heads):
    torch.manual_seed(0)
    block = Block(128, 128, 8, style, attention=True)
    torch.nn.init.normal_(block.proj.weight, std=0.1)
    h = torch.randn(2, 128, 3, 4)

    width = 128 // heads
    qkv = block.qkv(block.norm2(h)).reshape(2, heads, width, 3, 12)
    mixed = torch.empty(2, heads, width, 12)
    for head in range(heads):
        query, key, value = (qkv[:, head, :, i] for i in range(3))
        weights = (query.transpose(1, 2) @ key / math.sqrt(width)).softmax(-1)
        mixed[:, head] = value @ weights.transpose(1, 2)
    expected = functional.conv2d(
        mixed.reshape(2, 128, 3, 4), block.proj.weight, bias=block.proj.bias
    )

    assert block.num_heads == heads
    torch.testing.assert_close(block.attend(h), expected, rtol=1e-4, atol=1e-5)


def test_adm_has_no_attention_below_64_channels():
    assert Block(32, 32, 8, ADM, attention=True).num_heads == 0
    assert Block(32, 32, 8, DDPM, attention=True).num_heads == 1


@pytest.mark.parametrize("network", [DhariwalUNet, SongUNet])
def test_any_multiple_of_the_divisor_goes_in(network):
    net = network(2, 16, 16, [1, 2, 2], 1, [8])
    assert net.divisor == 4
    output = net(torch.randn(3, 2, 12, 20), torch.tensor([0.1, 1.0, 2.0]))
    assert output.shape == (3, 2, 12, 20)


@pytest.mark.parametrize("network", [DhariwalUNet, SongUNet])
def test_images_of_a_batch_do_not_mix(network):
    torch.manual_seed(1)
    net = network(1, 16, 32, [1, 2], 1, [8])
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, label = torch.randn(3, 1, 16, 16), torch.tensor([0.1, 1.0, 5.0])
    singly = torch.cat([net(x[i : i + 1], label[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(net(x, label), singly, rtol=1e-4, atol=1e-4)
