"""The networks of SynDiff: sizes, the filter, what follows what, and a batch's spread."""

import pytest
import torch

from zoo.networks.diffusion_discriminator import DiffusionDiscriminator, with_spread
from zoo.networks.ncsnpp import NCSNpp
from zoo.networks.resampling import FIR


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (lambda: NCSNpp(2), 39_725_250),
        (lambda: NCSNpp(4), 39_728_708),
        (lambda: NCSNpp(6), 39_732_166),
        (lambda: DiffusionDiscriminator(1), 27_736_705),
        (lambda: DiffusionDiscriminator(3), 27_737_217),
    ],
)
def test_parameter_counts(network, count):
    with torch.device("meta"):
        assert sum(weight.numel() for weight in network().parameters()) == count


def test_the_filter_keeps_a_constant_and_is_the_printed_one():
    constant = torch.full((1, 2, 8, 8), 3.0)
    for mode, size in (("down", 4), ("up", 16), ("blur", 9)):
        filtered = FIR(mode)(constant)
        assert filtered.shape == (1, 2, size, size)
        assert torch.allclose(filtered[..., 2:-2, 2:-2], torch.tensor(3.0)), "away from the zeros outside"
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    point = torch.zeros(1, 2, 8, 8)
    point[0, 1, 4, 4] = 1
    blurred = FIR("blur")(point)
    assert torch.allclose(blurred[0, 1, 3:7, 3:7], torch.outer(taps, taps))
    assert not blurred[0, 0].any(), "every channel by itself"
    assert torch.allclose(FIR("up")(point)[0, 1, 7:11, 7:11], 4 * torch.outer(taps, taps))
    assert torch.allclose(FIR("down")(point)[0, 1, 1:3, 1:3].diagonal(), torch.tensor([1.0, 9.0]) / 64)
    assert not FIR("up").state_dict()


def test_the_spread_of_a_batch_is_taken_in_groups_of_four():
    def spread(*values: float) -> list[float]:
        features = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
        seen = with_spread(features)
        assert seen.shape == (len(values), 4, 2, 2)
        assert torch.equal(seen[:, :3], features)
        return seen[:, 3, 1, 1].tolist()

    assert spread(5) == pytest.approx([1e-4]), "the root of 1e-8"
    assert spread(0, 2) == pytest.approx([1, 1])
    assert spread(0, 0, 4, 4, 1, 1, 1, 3) == pytest.approx(4 * [2] + 4 * [0.75**0.5])
    assert spread(0, 0, 3, 7, 9) == pytest.approx(3 * [2**0.5] + 2 * [1]), "what the published form refuses"
    assert spread(0, 2, 4, 1, 1, 1) == pytest.approx(3 * [(8 / 3) ** 0.5] + 3 * [1e-4])


def test_discriminators_and_generators_take_images_of_any_size():
    torch.manual_seed(0)
    noisy, t = torch.rand(2, 2, 21, 70), torch.tensor([0, 3])
    assert DiffusionDiscriminator(1, 4, 6)(noisy[:, :1], noisy[:, 1:], t).shape == (2, 1), "smaller than its halvings"
    assert NCSNpp(2, 4, (1, 1, 1))(noisy, t, torch.randn(2, 100)).shape == noisy.shape


def test_a_generator_begins_as_nothing_and_then_follows_image_time_and_latent():
    torch.manual_seed(0)
    network = NCSNpp(2, 8, (1, 1, 2), blocks=1).eval()
    image, t, z = torch.randn(2, 2, 16, 16), torch.tensor([0, 3]), torch.randn(2, 100)
    assert network(image, t, z).abs().max() < 1e-3
    with torch.no_grad():
        network.head.weight.normal_(std=0.1)
        for block in network.modules():
            if hasattr(block, "last"):
                block.last.weight.normal_(std=0.1)
    made = network(image, t, z)
    for other in ((-image, t, z), (image, t.flip(0), z), (image, t, -z)):
        assert (network(*other) - made).abs().mean() > 1e-3
    assert torch.allclose(network(image, t, 3 * z), made, atol=1e-5), "of a latent vector only its direction counts"
