"""The network of DDPM: its size, what it sees, its attention and norms."""

import pytest
import torch
from torch import nn

from zoo.networks.diffusion_unet import Attention, DiffusionUNet, group_norm


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ((4, 3), 28_447_811),
        ((2, 1), 28_445_505),
        ((4, 3, 128), 113_674_371),
        ((3, 3, 128), 113_673_219),
        ((3, 3, 128, (1, 2, 2, 2), (1,)), 35_746_307),
    ],
)
def test_parameter_counts(arguments, count):
    with torch.device("meta"):
        assert sum(weight.numel() for weight in DiffusionUNet(*arguments).parameters()) == count


def test_a_new_network_guesses_that_there_is_no_noise_and_a_used_one_sees_all_that_it_is_given():
    torch.manual_seed(0)
    network, given, t = DiffusionUNet(2, 1, 8, (1, 2), (1,), 1), torch.rand(2, 2, 16, 16) * 2 - 1, torch.tensor([3, 7])
    assert not network(given, t).any()
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.1)
    guessed = network(given, t)
    assert not torch.allclose(network(given, t.flip(0)), guessed, atol=1e-3), "the time"
    for channel in range(2):
        other = given.clone()
        other[:, channel] *= -1
        assert not torch.allclose(network(other, t), guessed, atol=1e-3), "each channel"
    alone = torch.cat([network(given[n : n + 1], t[n : n + 1]) for n in range(2)])
    assert torch.allclose(alone, guessed, atol=1e-5)


def test_attention_is_where_it_is_asked_for_and_is_the_textbooks():
    network = DiffusionUNet(2, 1, 8, (1, 2, 2), (1,), 2)
    places = [name for name, module in network.named_modules() if isinstance(module, Attention)]
    levels = ["encoder.1.0", "encoder.1.1", "middle.0", "decoder.1.0", "decoder.1.1", "decoder.1.2"]
    assert places == [f"{level}.attention" for level in levels], "of three levels, decoder.1 is level 1, too"
    torch.manual_seed(0)
    attention, image = Attention(8), torch.randn(2, 8, 3, 5)
    query, key, value = attention.query_key_value(attention.norm(image)).flatten(2).chunk(3, dim=1)
    weights = torch.softmax(torch.einsum("bcq,bck->bqk", query, key) / 8**0.5, dim=2)
    attended = torch.einsum("bqk,bck->bcq", weights, value).reshape(image.shape)
    assert torch.allclose(attention(image), image + attention.last(attended), atol=1e-5)


def test_groups_of_norms():
    counts = {channels: group_norm(channels).num_groups for channels in (4, 8, 64, 128, 192, 144)}
    assert counts == {4: 1, 8: 2, 64: 16, 128: 32, 192: 32, 144: 24}
