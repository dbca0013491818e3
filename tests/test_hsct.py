"""HSC-T: its networks, sampler, losses and step, against loops, closed forms and the paper's equations."""

import math
import os

import pytest
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

from datamodules import InputError
from tests import tiny
from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.contrastive import matching_loss, patch_contrast
from zoo.losses.regression import pixel_loss
from zoo.methods.hsct import HSCT
from zoo.networks.cnn_transformer import CNNTransformerEncoder, TransposedDecoder
from zoo.networks.gradient_reversal import reverse_gradient
from zoo.networks.image_discriminator import ImageDiscriminator
from zoo.networks.patch_sampler import SAMPLERS, Segments, sample_area, sample_box, sample_line


def count(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def a_batch(model: HSCT, size: int = 32, images: int = 4) -> dict:
    torch.manual_seed(1)
    labels = (torch.arange(size) // (size // 2))[:, None] * 2 + torch.arange(size) // (size // 2)
    return {
        "source": torch.rand(images, model.in_channels, size, size) * 2 - 1,
        "target": torch.rand(images, model.out_channels, size, size) * 2 - 1,
        "superpixels": labels.expand(images, -1, -1),
        "id": [str(number) for number in range(images)],
    }


# Networks


@pytest.mark.parametrize(("channels", "encoder", "decoder"), [(3, 14_756_992, 2_238_979), (1, 14_750_720, 2_232_705)])
def test_parameters_of_the_translator(channels, encoder, decoder):
    assert count(CNNTransformerEncoder(channels)) == encoder
    assert count(TransposedDecoder(384, channels, (256, 128, 64))) == decoder


def test_parameters_of_the_whole_method():
    model = HSCT(in_channels=1, out_channels=3)
    assert count(model.encoder) + count(model.decoder) == 16_995_971
    assert count(model.momentum_encoder) == 14_756_992
    assert count(model.generated_mlp) == count(model.real_mlp) == 1_639_040
    assert count(model.discriminator) == count(ImageDiscriminator(3)) == 2_758_849
    assert sum(w.numel() for w in model.parameters() if w.requires_grad) == 16_995_971 + 2 * 1_639_040 + 2_758_849


def test_the_encoder_gives_an_eighth_of_each_side_and_its_mean_is_not_zero():
    encoder = CNNTransformerEncoder(3, (8, 16, 32, 48), 1, 2, (4, 4))
    z, skips = encoder(torch.randn(2, 3, 40, 24))
    assert z.shape == (2, 48, 5, 3)
    assert [tuple(skip.shape[1:]) for skip in skips] == [(8, 40, 24), (16, 20, 12), (32, 10, 6)]
    pooled = z.mean((2, 3))
    assert pooled.std() > 0.05, "a query pooled from an instance norm would be zero"
    assert (pooled[0] - pooled[1]).abs().max() > 1e-3


def test_positions_are_used_as_they_are_or_resized():
    encoder = CNNTransformerEncoder(3, (8, 16, 32, 48), 1, 2, (4, 4))
    assert encoder._positions(torch.Size((4, 4))) is encoder.positions
    with torch.no_grad():
        encoder.positions.fill_(0.7)
    assert torch.allclose(encoder._positions(torch.Size((6, 3))), torch.full((1, 48, 6, 3), 0.7), atol=1e-5)


def test_skips_reach_the_decoder():
    torch.manual_seed(0)
    plain, skipping = (tiny.method("hsct", skips=skips) for skips in ("none", "concat"))
    assert count(skipping.decoder) > count(plain.decoder)
    image, _ = skipping._prepare(torch.rand(1, 1, 32, 32))
    z, skips = skipping.encoder(image)
    one = skipping.decoder(z, skips)
    other = skipping.decoder(z, [skip + 1 for skip in skips])
    assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize(("name", "stride"), [("test_resnet", 32), ("test_vit", 16)])
def test_a_timm_network_may_be_the_encoder(name, stride):
    model = tiny.method("hsct", encoder=name)
    assert model.encoder.stride == stride
    assert model(torch.rand(2, 1, 37, 45)).shape == (2, 3, 37, 45)
    losses = model.losses(a_batch(model))
    losses["total"].backward()
    assert sum(weight.grad.abs().sum() for weight in model.encoder.parameters() if weight.grad is not None) > 0


def test_the_encoders_that_the_paper_could_mean():
    assert tiny.method("hsct", encoder="resnet34").encoder.channels == 512
    assert tiny.method("hsct", encoder="vit_small_patch16_224").encoder.channels == 384


def test_weights_of_an_encoder_come_from_a_local_file(tmp_path):
    import timm

    torch.manual_seed(3)
    saved = timm.create_model("test_resnet")
    torch.save(saved.state_dict(), tmp_path / "weights.pth")
    model = tiny.method("hsct", encoder="test_resnet", encoder_weights=str(tmp_path / "weights.pth"))
    weights = model.encoder.network.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in saved.state_dict().items() if name in weights)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "resnet3400"}, "backbone 'resnet3400': timm has no such network"),
        ({"encoder": "test_resnet", "skips": "concat"}, "skips concat: only the encoder 'cnn_transformer' has them"),
        ({"encoder": "test_resnet", "encoder_weights": "/nowhere.pth"}, "weights '/nowhere.pth': no such file"),
        ({"encoder": "test_resnet", "encoder_weights": "imagenet"}, "name a local file of them, or null"),
    ],
)
def test_encoders_that_cannot_be_had(arguments, message):
    with pytest.raises(InputError, match=message):
        tiny.method("hsct", **arguments)


# Patch sampler


def some_labels() -> torch.Tensor:
    """Patches of very different sizes, one empty, some pixels outside."""
    torch.manual_seed(0)
    labels = torch.randint(-1, 4, (3, 13, 11))
    labels[0][labels[0] == 3] = 0  # an image with fewer regions than asked
    labels[1, 0, 0] = 4  # a region of one pixel
    return labels


def pieces(image: torch.Tensor, labels: torch.Tensor, patches: int):
    """Every patch of every image as a line ``(C, pixels)``."""
    for b in range(len(image)):
        for p in range(patches):
            yield b, p, image[b][:, labels[b] == p]


def test_the_line_sampler_equals_a_loop():
    labels, image = some_labels(), torch.randn(3, 3, 13, 11, requires_grad=True)
    segments = Segments.of(labels, 6)
    sampled = sample_line(image, segments, 32)
    assert sampled.shape == (3, 6, 3 * 32)
    for b, p, line in pieces(image, labels, 6):
        assert segments.valid[b, p] == (line.shape[1] > 0)
        expected = torch.zeros(3, 32)
        if line.shape[1]:
            expected = F.interpolate(line[None], 32, mode="linear", align_corners=False)[0]
        assert (sampled[b, p].view(3, 32) - expected).abs().max() < 1e-5
    sampled.square().sum().backward()
    inside = (labels >= 0)[:, None].expand_as(image)
    assert (image.grad[~inside] == 0).all()
    assert (image.grad[inside] != 0).float().mean() > 0.9


def test_the_area_sampler_is_adaptive_average_pooling_and_every_pixel_has_a_gradient():
    labels, image = some_labels(), torch.randn(3, 3, 13, 11, requires_grad=True)
    sampled = sample_area(image, Segments.of(labels, 6), 5)
    for b, p, line in pieces(image, labels, 6):
        expected = F.adaptive_avg_pool1d(line[None], 5)[0] if line.shape[1] else torch.zeros(3, 5)
        assert (sampled[b, p].view(3, 5) - expected).abs().max() < 1e-5
    sampled.square().sum().backward()
    inside = (labels >= 0)[:, None].expand_as(image)
    assert (image.grad[inside] != 0).all()
    assert (image.grad[~inside] == 0).all()


def test_the_box_sampler_equals_a_loop_over_cut_out_boxes():
    labels, image = some_labels(), torch.randn(3, 2, 13, 11, requires_grad=True)
    sampled = sample_box(image, Segments.of(labels, 6), 16)
    for b, p, line in pieces(image, labels, 6):
        expected = torch.zeros(2, 16)
        if line.shape[1]:
            rows, columns = torch.where(labels[b] == p)
            expected = _boxed(image[b] * (labels[b] == p), rows, columns)
        assert (sampled[b, p].view(2, 16) - expected).abs().max() < 1e-5
    sampled.sum().backward()
    assert image.grad.abs().sum() > 0


def _boxed(image: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Bilinear 4 x 4 samples of a box by grid_sample, which counts pixels in [-1, 1]."""
    axes = []
    for places, size in ((rows, image.shape[1]), (columns, image.shape[2])):
        first, length = int(places.min()), int(places.max() - places.min()) + 1
        axes.append((first + (torch.arange(4) + 0.5) / 4 * length) / size * 2 - 1)
    grid = torch.stack(torch.meshgrid(axes[1], axes[0], indexing="xy"), dim=-1)[None]
    return F.grid_sample(image[None], grid, align_corners=False, padding_mode="border")[0].flatten(1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_take_images_without_any_region(name):
    image = torch.randn(2, 1, 8, 8, requires_grad=True)
    segments = Segments.of(torch.full((2, 8, 8), -1), 4)
    sampled = SAMPLERS[name](image, segments, 16)
    assert not segments.valid.any()
    assert (sampled == 0).all()
    sampled.sum().backward()
    assert (image.grad == 0).all()


# Losses


def test_matching_of_one_hot_and_of_equal_keys_has_its_closed_form():
    one_hot = torch.eye(5)
    assert float(matching_loss(one_hot, one_hot, 1.0)) == pytest.approx(math.log(1 + 4 / math.e), rel=1e-5)
    equal = torch.ones(5, 3)
    assert float(matching_loss(torch.randn(5, 3), equal, 0.05)) == pytest.approx(math.log(5), rel=1e-5)
    assert float(matching_loss(one_hot, one_hot.roll(1, 0), 0.05)) == pytest.approx(20.0, rel=1e-4)


def test_matching_sends_gradients_to_queries_alone_and_may_skip_the_norm():
    queries, keys = (torch.randn(4, 8, requires_grad=True) for _ in range(2))
    matching_loss(queries, keys).backward()
    assert queries.grad.abs().sum() > 0
    assert keys.grad is None
    scaled = [float(matching_loss(factor * queries, keys, normalize=True)) for factor in (1, 7)]
    assert scaled[0] == pytest.approx(scaled[1], rel=1e-5)
    plain = [float(matching_loss(factor * queries, keys, normalize=False)) for factor in (1, 7)]
    assert plain[0] != pytest.approx(plain[1], rel=1e-2)


def test_matching_stays_in_float32_under_autocast():
    queries, keys = torch.randn(4, 8), torch.randn(4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert float(matching_loss(queries, keys)) == float(matching_loss(queries.clone(), keys))
        lowered = matching_loss(queries, keys)
    assert lowered.dtype == torch.float32
    assert float(lowered) == pytest.approx(float(matching_loss(queries, keys)), rel=1e-6)


def test_matching_refuses_a_single_pair():
    with pytest.raises(ValueError, match="needs at least two"):
        matching_loss(torch.randn(1, 8), torch.randn(1, 8))


def _rank(rank: int, port: int, queries, keys, results) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    own = queries[4 * rank : 4 * rank + 4].clone().requires_grad_()
    loss = matching_loss(own, keys[4 * rank : 4 * rank + 4])
    loss.backward()
    results.put((rank, float(loss), own.grad.tolist()))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_processes_of_four_equal_one_of_eight(free_port):
    torch.manual_seed(0)
    queries, keys = torch.randn(8, 6), torch.randn(8, 6)
    whole = queries.clone().requires_grad_()
    loss = matching_loss(whole, keys)
    loss.backward()
    context = mp.get_context("spawn")
    results = context.SimpleQueue()
    workers = [context.Process(target=_rank, args=(rank, free_port, queries, keys, results)) for rank in range(2)]
    for worker in workers:
        worker.start()
    parts = sorted(results.get() for _ in workers)
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sum(part[1] for part in parts) / 2 == pytest.approx(float(loss), rel=1e-5)
    gradient = torch.tensor([*parts[0][2], *parts[1][2]]) / 2  # as DistributedDataParallel averages
    assert torch.allclose(gradient, whole.grad, atol=1e-6)


def test_patch_contrast_equals_a_loop_over_valid_patches():
    torch.manual_seed(0)
    u, v = (F.normalize(torch.randn(3, 5, 8), dim=2).requires_grad_() for _ in range(2))
    valid = torch.tensor([[True] * 5, [True, False, True, True, False], [False, True, False, False, False]])
    loss = patch_contrast(u, v, valid, 0.05)
    terms = []
    for b in range(3):
        own = valid[b].nonzero()[:, 0]
        logits = u[b, own] @ v[b, own].T / 0.05
        terms += [F.cross_entropy(logits[i : i + 1], torch.tensor([i])) for i in range(len(own))]
    assert float(loss) == pytest.approx(float(torch.stack(terms).mean()), rel=1e-5)
    gradients = torch.autograd.grad(loss, (u, v))
    for gradient in gradients:
        assert gradient.isfinite().all()
        assert (gradient[~valid] == 0).all()
    assert gradients[0][valid].abs().sum() > 0


def test_patch_contrast_falls_as_patches_agree_and_is_zero_without_any():
    v = F.normalize(torch.randn(1, 4, 8), dim=2)
    valid = torch.ones(1, 4, dtype=torch.bool)
    right, wrong = patch_contrast(v, v, valid), patch_contrast(v.roll(1, 1), v, valid)
    assert right < math.log(4) < wrong
    assert float(patch_contrast(v, v, ~valid)) == 0.0
    equal = torch.ones_like(v)
    assert float(patch_contrast(v, equal, valid)) == pytest.approx(math.log(4), rel=1e-5)


def test_pixel_losses_on_constants():
    target = torch.zeros(2, 3, 4, 8)
    prediction = target + 0.5
    assert float(pixel_loss(prediction, target, "mse")) == pytest.approx(0.25)
    assert float(pixel_loss(prediction, target, "levels")) == pytest.approx((0.5 * 127.5) ** 2)
    assert float(pixel_loss(prediction, target, "rmse")) == pytest.approx(0.5)
    assert float(pixel_loss(prediction, target, "as_printed")) == pytest.approx(0.5 * math.sqrt(96) / 32)
    same = target.clone().requires_grad_()
    for kind in ("rmse", "as_printed"):
        pixel_loss(same, target, kind).backward()
        assert same.grad.isfinite().all()


def test_reversal_gives_the_generator_the_gradient_of_log_one_minus_d():
    torch.manual_seed(0)
    discriminator = ImageDiscriminator(1, 4)
    real = torch.rand(2, 1, 16, 16)
    fake = torch.rand(2, 1, 16, 16, requires_grad=True)
    loss = AdversarialLoss("vanilla").discriminator(discriminator(real), discriminator(reverse_gradient(fake)))
    (reversed_gradient,) = torch.autograd.grad(loss, fake, retain_graph=True)
    minimax = torch.log(1 - discriminator(fake).sigmoid()).mean()
    (expected,) = torch.autograd.grad(minimax, fake)
    assert torch.allclose(reversed_gradient, expected, atol=1e-7)
    assert expected.abs().sum() > 0
    weight = discriminator.layers[0].weight
    (own,) = torch.autograd.grad(loss, weight, retain_graph=True)
    plain = AdversarialLoss("vanilla").discriminator(discriminator(real), discriminator(fake.detach()))
    assert torch.allclose(own, torch.autograd.grad(plain, weight)[0], atol=1e-7), "D descends its own loss"


# The step


def test_terms_are_weighted_as_in_equation_7():
    model = tiny.method("hsct")
    losses = {name: float(value) for name, value in model.losses(a_batch(model)).items()}
    weighted = 0.4 * losses["sample"] + 0.8 * losses["patch"] + 0.4 * losses["pixel"]
    assert losses["total"] == pytest.approx(losses["adversarial"] + weighted, rel=1e-5)


def test_the_pixel_term_leads_in_grey_levels_and_drowns_in_any_other_scale():
    """Norms of the weighted terms' gradients on an untrained translation: why ``levels`` is the default."""
    torch.manual_seed(0)
    model = tiny.method("hsct", patch_length=256)
    batch = a_batch(model, 64)
    translation = model(batch["source"]).detach().requires_grad_()

    def norm(loss: torch.Tensor) -> float:
        return float(torch.autograd.grad(loss, translation)[0].norm())

    patch = norm(0.8 * model._contrast(batch, translation))
    pixel = {
        kind: norm(0.4 * pixel_loss(translation, batch["target"], kind))
        for kind in ("levels", "mse", "rmse", "as_printed")
    }
    assert patch > 100 * max(pixel["mse"], pixel["rmse"], pixel["as_printed"])
    assert pixel["levels"] > 10 * patch


@pytest.mark.parametrize(
    ("switches", "terms"),
    [
        ({"use_adv": False, "use_cmm": False, "use_apc": False}, {"pixel"}),
        ({"use_cmm": False, "use_apc": False}, {"pixel", "adversarial"}),
        ({"use_apc": False}, {"pixel", "adversarial", "sample"}),
        ({"use_cmm": False}, {"pixel", "adversarial", "patch"}),
        ({"use_adv": False}, {"pixel", "sample", "patch"}),
        ({}, {"pixel", "adversarial", "sample", "patch"}),
    ],
)
def test_the_rows_of_the_ablation(switches, terms):
    model = tiny.method("hsct", **switches)
    assert set(model.losses(a_batch(model))) == terms | {"total"}


def test_which_term_reaches_which_network():
    model = tiny.method("hsct")
    batch = a_batch(model)
    parts = ("encoder", "decoder", "generated_mlp", "real_mlp", "discriminator", "momentum_encoder")
    reached = {}
    for term in ("sample", "patch", "pixel", "adversarial"):
        model.zero_grad()
        model.losses(batch)[term].backward()
        reached[term] = {
            part
            for part in parts
            if any(w.grad is not None and w.grad.abs().sum() > 0 for w in getattr(model, part).parameters())
        }
    assert reached["sample"] == {"encoder"}
    assert reached["patch"] == {"encoder", "decoder", "generated_mlp", "real_mlp"}
    assert reached["pixel"] == {"encoder", "decoder"}
    assert reached["adversarial"] == {"encoder", "decoder", "discriminator"}


@pytest.mark.parametrize("mode", ["grl", "alternating"])
def test_the_momentum_encoder_follows_every_step_by_a_hundredth(mode, tmp_path):
    model = tiny.method("hsct", adv_mode=mode, proj_dim=8)
    pairs = [(model.momentum_encoder, model.encoder), (model.momentum_projection, model.projection)]
    slow = [weight.clone() for copy, _ in pairs for weight in copy.parameters()]
    fast = [weight.detach().clone() for _, own in pairs for weight in own.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(slow, fast, strict=True)), "they start alike"
    tiny.trainer(tmp_path, limit_train_batches=1).fit(model, tiny.data("elastography"))
    moved = [weight for copy, _ in pairs for weight in copy.parameters()]
    new = [weight for _, own in pairs for weight in own.parameters()]
    for before, after, own in zip(slow, moved, new, strict=True):
        assert torch.allclose(after, 0.99 * before + 0.01 * own, atol=1e-6)
    assert any(not torch.equal(a, b) for a, b in zip(slow, moved, strict=True))


def test_the_momentum_encoder_has_no_optimizer_and_is_in_the_checkpoint():
    model = tiny.method("hsct")
    (optimizer,), _ = model.configure_optimizers()
    owned = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert owned.isdisjoint(id(weight) for weight in model.momentum_encoder.parameters())
    assert any(name.startswith("momentum_encoder.") for name in model.state_dict())


def test_presets_are_the_papers_optimizer_and_a_stable_one():
    for preset, rate, momentum, clipping in (("paper", 1e-3, 0.95, None), ("stable", 1e-4, 0.9, 1.0)):
        model = tiny.method("hsct", preset=preset)
        (optimizer,), (schedule,) = model.configure_optimizers()
        group = optimizer.param_groups[0]
        assert isinstance(optimizer, torch.optim.RMSprop)
        assert (group["lr"], group["momentum"], group["weight_decay"], group["alpha"]) == (rate, momentum, 1e-5, 0.99)
        assert (schedule.T_max, schedule.eta_min, model.gradient_clip_val) == (4, 1e-6, clipping)
    assert tiny.method("hsct", preset="stable", gradient_clip_val=5.0).gradient_clip_val == 5.0


@pytest.mark.parametrize(
    "switches",
    [
        {"disc": "patch70"},
        {"disc_conditional": True},
        {"disc": "patch70", "disc_conditional": True, "adv_mode": "alternating"},
        {"proj_dim": 8},
        {"grl_schedule": "dann"},
        {"patch_sampling": "area"},
        {"patch_sampling": "bbox2d", "patch_length": 16},
        {"normalize": False},
        {"skips": "concat"},
        {"encoder": "test_resnet"},
        {"use_cmm": False, "use_apc": False, "use_adv": False},
    ],
)
def test_every_switch_trains(switches, tmp_path):
    model = tiny.method("hsct", **switches)
    before = {name: weight.clone() for name, weight in model.named_parameters() if weight.requires_grad}
    tiny.trainer(tmp_path, limit_train_batches=2).fit(model, tiny.data("elastography"))
    after = dict(model.named_parameters())
    still = [name for name, weight in before.items() if torch.equal(weight, after[name])]
    assert not still, "every trained weight has moved"


def test_the_reversal_may_grow_from_nothing_to_one(tmp_path):
    strengths = []

    class Watched(HSCT):
        def _reversal_strength(self):
            strengths.append(super()._reversal_strength())
            return strengths[-1]

    _, arguments = tiny.TINY["hsct"]
    model = Watched(out_channels=3, grl_schedule="dann", **arguments)
    tiny.trainer(tmp_path, max_epochs=4).fit(model, tiny.data("elastography"))
    assert strengths[0] == 0.0
    assert strengths == sorted(strengths)
    progress = (len(strengths) - 1) / len(strengths)
    assert strengths[-1] == pytest.approx(2 / (1 + math.exp(-10 * progress)) - 1)


def test_a_batch_of_one_says_that_matching_needs_two(tmp_path):
    model = tiny.method("hsct")
    with pytest.raises(InputError, match=r"a batch of one pair: cross-modal matching needs at least two"):
        tiny.trainer(tmp_path).fit(model, tiny.data("elastography", batch_size=1))
    tiny.trainer(tmp_path).fit(tiny.method("hsct", use_cmm=False), tiny.data("elastography", batch_size=1))


def test_a_batch_without_superpixels_is_refused():
    model = tiny.method("hsct")
    batch = a_batch(model)
    del batch["superpixels"]
    with pytest.raises(InputError, match="the batch has no superpixels"):
        model.losses(batch)


def test_colour_sources_and_grey_targets_share_an_encoder():
    model = tiny.method("hsct", 3, 1)
    losses = model.losses(a_batch(model))
    assert losses["total"].isfinite()
    assert model.channels == 3


def test_channels_that_one_encoder_cannot_take_are_refused():
    with pytest.raises(InputError, match="2 source and 3 target channels"):
        tiny.method("hsct", 2, 3)


def test_without_an_adversary_there_is_nothing_to_alternate(tmp_path):
    model = tiny.method("hsct", adv_mode="alternating", use_adv=False)
    assert len(model.configure_optimizers()[0]) == 1
    tiny.trainer(tmp_path, limit_train_batches=1).fit(model, tiny.data("elastography"))
