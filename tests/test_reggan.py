"""RegGAN: what a field does to an image, what it costs, and that registration takes the blame for a shift."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests import tiny
from zoo.losses.deformation import smoothness
from zoo.methods.reggan import RegGAN
from zoo.networks.registration import RegistrationUNet, warp

SHIFT = (1, 2)  # pixels down and to the right


def method(**kwargs):
    torch.manual_seed(0)
    return tiny.method("reggan", 1, 1, **kwargs)


def smooth_images(count: int, side: int) -> torch.Tensor:
    """Random, without detail, in [-1, 1]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 1, side // 6, side // 6, generator=generator) * 2 - 1
    return F.interpolate(coarse, (side, side), mode="bicubic").clamp(-1, 1)


def misregistered(side: int = 32) -> dict:
    """Targets that are their sources, moved: what lies at p in a target lies at p + SHIFT in its source."""
    whole = smooth_images(2, side + 8)
    down, right = SHIFT
    inside = slice(4, side + 4)
    return {
        "source": whole[..., inside, inside],
        "target": whole[..., 4 + down : side + 4 + down, 4 + right : side + 4 + right],
    }


def test_the_networks_are_those_of_the_published_code():
    with torch.device("meta"):
        model = RegGAN(in_channels=1, out_channels=1)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counts.pop("adversarial") == 0
    assert counts == {"generator": 11_365_633, "discriminator": 2_762_689, "registration": 2_058_018}


def test_generator_and_registration_take_one_turn_together_in_groups_of_their_own():
    model = method()
    assert list(model.sides()) == ["discriminator", "generator"]
    (judge, both), _ = model.configure_optimizers()
    owned = [{id(weight) for weight in group["params"]} for group in (*judge.param_groups, *both.param_groups)]
    networks = [model.discriminator, model.generator, model.registration]
    assert owned == [{id(weight) for weight in network.parameters()} for network in networks]
    assert {(g["initial_lr"], g["betas"]) for o in (judge, both) for g in o.param_groups} == {(1e-4, (0.5, 0.999))}
    matched = method(preset="matched")
    assert matched.gradient_clip_val == 1
    assert {g["initial_lr"] for o in matched.configure_optimizers()[0] for g in o.param_groups} == {3e-4}


def test_the_terms_add_up_and_each_side_has_gradients_of_its_own():
    model, given = method(), misregistered()
    made = model.generate(given)
    losses = model.generator_losses(given, made)
    expected = 20 * losses["correction"] + 10 * losses["smoothness"] + losses["adversarial"]
    assert float(losses["total"]) == pytest.approx(float(expected))
    gradients = torch.autograd.grad(losses["total"], [model.generator.head.weight, model.registration.head.weight])
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    losses = model.discriminator_losses(given, made)
    assert float(losses["total"]) == pytest.approx(0.5 * float(losses["adversarial"]))
    losses["total"].backward()
    touched = {name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None}
    assert touched == {"discriminator"}


def test_the_generator_learns_through_the_registration_too():
    torch.manual_seed(0)
    model = tiny.method("reggan", 1, 1)
    batch = {name: torch.rand(2, 1, 32, 32) * 2 - 1 for name in ("source", "target")}
    model.generator_losses(batch, model.generate(batch))["smoothness"].backward()
    assert float(model.generator.head.weight.grad.abs().sum()) > 0


def test_the_discriminator_sees_targets_and_translations_alone():
    model, given, seen = method(), misregistered(), []
    made = model.generate(given)
    model.discriminator.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    model.discriminator_losses(given, made)
    model.generator_losses(given, made)
    for image, wanted in zip(seen, (given["target"], made, made), strict=True):
        assert torch.equal(image, wanted)
    assert torch.equal(model(given["source"]), made), "nothing is registered outside training"


def test_a_field_of_zeros_is_the_identity_and_a_shift_is_a_shift():
    image = torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(warp(image, torch.zeros(2, 2, 20, 30)), image, atol=1e-5)
    field = torch.tensor([1.0, 2.0])[None, :, None, None].expand(2, 2, 20, 30)
    moved = warp(image, field)
    assert torch.allclose(moved[..., :-1, :-2], image[..., 1:, 2:], atol=1e-5)
    assert torch.allclose(moved[..., -1, :-2], image[..., -1, 2:], atol=1e-5), "outside, the edge"
    half = warp(image, torch.tensor([0.0, 0.5])[None, :, None, None].expand(2, 2, 20, 30))
    assert torch.allclose(half[..., :-1], (image[..., :-1] + image[..., 1:]) / 2, atol=1e-5), "bilinear"


def test_a_warp_keeps_parts_of_a_pixel_under_mixed_precision_and_outlives_a_field_that_is_no_number():
    image, field = smooth_images(1, 48), torch.full((1, 2, 48, 48), 0.3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(warp(image, field), warp(image.float(), field))
        assert RegistrationUNet(2, depth=2, width=4)(image, image).dtype == torch.float32
    field[0, 0, 5, 5] = torch.nan
    assert warp(image, field).shape == image.shape
    assert smoothness(field).isnan(), "which stops the run"


def test_smoothness_is_0_for_a_shift_and_grows_with_roughness():
    rows, columns = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    assert float(smoothness(torch.full((2, 2, 20, 30), 3.0))) == 0
    ramp = torch.stack([0.5 * rows, 2 * columns])[None]
    assert float(smoothness(ramp)) == pytest.approx(0.5**2 / 2 + 2**2 / 2), "means over both components"
    costs = [float(smoothness(torch.sin(columns * pace).expand(1, 2, 20, 30))) for pace in (0.1, 0.3, 0.9)]
    assert costs == sorted(costs)
    assert costs[2] > 10 * costs[0]


@pytest.mark.parametrize("size", [(33, 50), (16, 16), (8, 8)])
def test_a_registration_starts_near_the_identity_whatever_the_size(size):
    torch.manual_seed(0)
    moving, fixed = torch.rand(2, 2, 3, *size)
    field = RegistrationUNet(6, depth=3, width=8)(moving, fixed)
    assert field.shape == (2, 2, *size)
    assert field.abs().max() < 0.05
    assert field.std() > 0


def test_registration_alone_finds_a_known_shift_and_a_misregistered_pair_then_costs_less_than_l1():
    model, given = method(registration_width=8, registration_depth=3), misregistered()
    model.generator = nn.Identity()  # a perfect one: all that is wrong is the place
    optimizer = torch.optim.Adam(model.registration.parameters(), 3e-3)
    l1 = float((given["target"] - given["source"]).abs().mean())
    before = float(model.generator_losses(given, model.generate(given))["correction"])
    assert before == pytest.approx(l1, rel=0.02), "near the identity, eq. 1 is L1"
    for _ in range(40):
        optimizer.zero_grad()
        model.generator_losses(given, model.generate(given))["total"].backward()
        optimizer.step()
    field = model.registration(given["source"], given["target"])
    wanted = torch.tensor(SHIFT, dtype=torch.float)[None, :, None, None]
    error = (field - wanted)[..., 4:-4, 4:-4].norm(dim=1)
    assert float(error.mean()) < 0.5
    assert float(model.generator_losses(given, model.generate(given))["correction"]) < 0.3 * l1
