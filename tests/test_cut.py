"""CUT: where places are compared, what networks are shown, what each term moves, and choosing without a way back."""

import math

import pandas as pd
import pytest
import torch
from torch import nn

from datamodules import InputError
from tests import tiny
from zoo import METHODS
from zoo.cli import main
from zoo.methods.cut import CUT, Made


def batch(size: int = 32, pairs: int = 2) -> dict:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(pairs, 1, size, size, generator=generator) * 2 - 1 for _ in range(2))
    return {"source": x, "target": y, "id": [str(n) for n in range(pairs)]}


def method(**kwargs):
    torch.manual_seed(0)
    return tiny.method("cut", 1, 1, **kwargs)


def count(*networks: nn.Module) -> int:
    return sum(weight.numel() for network in networks for weight in network.parameters())


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    vectors = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(vectors, dim=-1)


def generated(model: CUT, given: dict, flipped: bool) -> Made:
    """What a step makes whose images are mirrored, or not."""
    while (made := model.generate(given)).flipped != flipped:
        pass
    return made


def test_it_trains_about_half_of_a_cyclegan():
    with torch.device("meta"):
        model = CUT()
        cyclegan = METHODS["cyclegan"](**tiny.config("cyclegan")["model"]["init_args"])
    counts = [count(network) for network in (model.generator, model.discriminator, model.embedding)]
    assert counts == [11_365_633, 2_762_689, 559_872]
    assert count(model) == sum(counts)
    assert count(cyclegan) == 2 * (11_365_633 + 2_762_689)
    assert count(model) / count(cyclegan) == pytest.approx(0.52, abs=0.005)


def test_the_layers_are_the_published_ones():
    """Pixels, both strided convolutions before their norm, blocks 1 and 5."""
    assert [method(n_blocks=blocks).blocks for blocks in (9, 5, 3, 1)] == [(1, 5), (1, 5), (1, 3), (1,)]
    model, image = method(n_blocks=6), batch(size=30)["source"]
    generator = model.generator
    pixels, half, quarter, first, fifth = maps = generator.encode(image, model.blocks)
    assert [layer.shape[1] for layer in maps] == generator.encoded_channels(model.blocks) == [1, 8, 16, 16, 16]
    assert [layer.shape[-1] for layer in maps] == [32, 16, 8, 8, 8]
    assert torch.equal(pixels[..., :30, :30], image)
    assert torch.equal(half, generator.down1[0](generator.stem(pixels)))
    assert torch.equal(quarter, generator.down2[0](generator.down1(generator.stem(pixels))))
    assert torch.equal(first, generator.blocks[0](generator.down2[1:](quarter)))
    assert torch.equal(fifth, generator.blocks[1:5](first))
    made, same_maps = generator(image, model.blocks)
    assert torch.equal(made, generator(image))
    assert all(torch.equal(one, other) for one, other in zip(maps, same_maps, strict=True))


def test_the_loss_of_unrelated_features_is_that_of_a_guess_and_of_equal_ones_nothing():
    model, keys = method(), unit(2, 256, 256)
    same = torch.ones(2, 256, 1)
    assert float(model.patch_nce([same], [same])) == pytest.approx(math.log(256), abs=1e-4)
    unrelated = float(model.patch_nce([unit(2, 256, 256, seed=1)], [keys]))
    assert unrelated == pytest.approx(math.log(256) + 0.5 / (256 * 0.07**2), abs=0.1)  # of logits N(0, 1 / (256 tau^2))
    assert float(model.patch_nce([keys], [keys])) < 1e-3
    assert float(model.patch_nce([keys.roll(1, 1)], [keys])) > 2 * math.log(256)
    both = model.patch_nce([same, keys], [same, keys])
    assert float(both) == pytest.approx(math.log(256) / 2, abs=1e-3), "the mean of the layers"


def test_negatives_are_of_the_same_image():
    model, queries, keys = method(), unit(2, 8, 16, seed=1), unit(2, 8, 16)
    alone = [float(model.patch_nce([queries[[n]]], [keys[[n]]])) for n in range(2)]
    assert float(model.patch_nce([queries], [keys])) == pytest.approx(sum(alone) / 2)
    logits = queries[0] @ keys[0].T / 0.07
    assert alone[0] == pytest.approx(float((logits.logsumexp(1) - logits.diag()).mean()), rel=1e-5)


@pytest.mark.parametrize("flipped", [False, True])
def test_a_place_of_the_translation_is_compared_with_the_same_place_of_its_source(flipped):
    """Every place has a marker of its own, and the embedding leaves it alone."""
    model = method(patches=20)
    model.embedding.layers = nn.ModuleList(nn.Identity() for _ in model.embedding.layers)
    maps = [torch.eye(n * n).view(1, n * n, n, n).expand(2, -1, -1, -1) for n in (8, 4, 4, 4)]
    seen = [layer.flip(3) for layer in maps] if flipped else maps
    images = batch()["source"]
    model.generator.encode = lambda given, blocks: seen if given is images else None
    queries, keys = model.embedded(Made(images, maps, flipped))
    assert [query.shape for query in queries] == [(2, 20, 64), (2, 16, 16), (2, 16, 16), (2, 16, 16)]
    for query, key in zip(queries, keys, strict=True):
        assert torch.equal(query @ key.transpose(1, 2), torch.eye(query.shape[1]).expand(2, -1, -1))
    others, _ = model.embedded(Made(images, maps, flipped))
    assert not torch.equal(queries[0], others[0]), "other places in every step"
    assert float(model.patch_nce(queries, keys)) < 1e-3
    moved = model.patch_nce([query.roll(1, 1) for query in queries], keys)
    assert float(moved) > 10


def test_embeddings_have_unit_length():
    model = method()
    queries, keys = model.embedded(model.generate(batch()))
    for layer in (*queries, *keys):
        assert layer.shape[2] == 16
        assert torch.allclose(layer.norm(dim=2), torch.ones(layer.shape[:2]), atol=1e-5)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("variant", "flipped"), [("cut", False), ("fastcut", False), ("fastcut", True)])
def test_gradients_go_through_translation_and_encoder_and_not_through_the_keys(precision, variant, flipped):
    model, given = method(variant=variant), batch()
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        made = generated(model, given, flipped)
        queries, keys = model.embedded(made)
        terms = model.terms(given, made)
    assert not any(layer.requires_grad for layer in (*made.keys, *keys))
    assert all(query.requires_grad for query in queries)
    decoder = [model.generator.head.weight, model.generator.up1.layers[0].weight]
    encoder = [model.generator.stem[0].weight, model.generator.blocks[0].layers[0].weight]
    hidden = [layer[0].weight for layer in model.embedding.layers]
    for name, term in terms.items():
        through = [*decoder, *encoder] if name == "adversarial" else [*decoder, *encoder, *hidden]
        assert all(grad.abs().sum() > 0 for grad in torch.autograd.grad(term, through, retain_graph=True)), name
    if variant == "cut":
        own, of_targets = torch.autograd.grad(terms["patch_nce"], made.images, retain_graph=True)[0].split(2)
        assert own.abs().sum() > 0
        assert not of_targets.any()


def test_a_translation_that_is_its_source_has_a_smaller_loss_than_another_patients():
    model, x = method(), batch()["source"]
    keys = model.generator.encode(x, model.blocks)
    own, others = (model.embedded(Made(images, keys, False)) for images in (x, x.roll(1, 0)))
    assert float(model.patch_nce(*own)) < float(model.patch_nce(*others)) - 0.5


@pytest.mark.parametrize(
    ("settings", "flipped", "encoded", "decoded"),
    [
        ({}, False, [4, 4], [4]),
        ({"lambda_y": 0.0}, False, [2, 2], [2]),
        ({"variant": "fastcut"}, False, [2, 2], [2]),
        ({"variant": "fastcut"}, True, [2, 2, 2], [2]),
        ({"flip": True}, True, [4, 4, 4], [4]),
    ],
)
def test_no_image_passes_a_network_more_often_than_the_equations_ask(settings, flipped, encoded, decoded):
    model, given = method(**settings), batch()
    made = generated(model, given, flipped)
    seen: dict[str, list[int]] = {}
    parts = {"E": model.generator.stem, "G": model.generator.head, "H": model.embedding, "D": model.discriminator}
    for name, part in parts.items():
        part.register_forward_hook(lambda _, given, made, name=name: seen.setdefault(name, []).append(len(given[0])))
    made = generated(model, given, flipped)
    while len(seen["G"]) > 1:  # until it fell right at once
        seen.clear()
        made = generated(model, given, flipped)
    losses = model.discriminator_losses(given, made), model.generator_losses(given, made)
    layers = len(made.keys)
    assert seen == {"E": encoded, "G": decoded, "H": [layers, layers], "D": [4, 2]}
    assert ("identity" in losses[1]) == (len(made.images) == 4)


def test_half_of_fastcuts_steps_see_mirror_images_and_are_compared_with_what_was_not():
    model, given = method(variant="fastcut"), batch()
    x = given["source"]
    made = generated(model, given, True)
    assert torch.equal(made.images, model.generator(x.flip(3)))
    for layer, expected in zip(made.keys, model.generator.encode(x, model.blocks), strict=True):
        assert torch.equal(layer, expected)
    (watched,) = model.translations(given, made).values()
    assert torch.equal(watched[1], made.images.flip(3))
    assert 10 < sum(model.generate(given).flipped for _ in range(40)) < 30
    plain = method()
    assert not any(plain.generate(given).flipped for _ in range(20))


def test_the_terms_add_up_with_the_variants_weights():
    given = batch()
    for variant, weights in (("cut", {"patch_nce": 1, "identity": 1}), ("fastcut", {"patch_nce": 10})):
        losses = {name: float(value) for name, value in method(variant=variant).losses(given).items()}
        assert set(losses) == {"adversarial", "total", *weights}
        expected = losses["adversarial"] + sum(weight * losses[name] for name, weight in weights.items())
        assert losses["total"] == pytest.approx(expected, rel=1e-5)
    losses = {name: float(value) for name, value in method(lambda_x=3.0, lambda_y=0.5).losses(given).items()}
    expected = losses["adversarial"] + 3 * losses["patch_nce"] + 0.5 * losses["identity"]
    assert losses["total"] == pytest.approx(expected, rel=1e-5)


def test_the_discriminator_is_halved_and_moves_nothing_else():
    model, given = method(), batch()
    made = model.generate(given)
    losses = model.discriminator_losses(given, made)
    real, fake = model.discriminator(given["target"]), model.discriminator(made.images[:2])
    assert float(losses["adversarial"]) == pytest.approx(float((real - 1).square().mean() + fake.square().mean()))
    assert float(losses["total"]) == pytest.approx(float(losses["adversarial"]) / 2)
    losses["total"].backward()
    assert all(weight.grad.abs().sum() > 0 for weight in model.discriminator.parameters() if weight.ndim == 4)
    assert all(weight.grad is None for weight in model.sides()["generator"])


def test_optimizers_and_schedules_are_the_papers():
    for variant, epochs, last in (("cut", (200, 200), 398), ("fastcut", (150, 50), 198)):
        model = METHODS["cut"](variant=variant, width=4, n_blocks=1)
        assert (model.constant_epochs, model.decay_epochs) == epochs
        assert list(model.sides()) == ["discriminator", "generator"]
        optimizers, schedules = model.configure_optimizers()
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            assert optimizer.param_groups[0]["initial_lr"] == 2e-4
            assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)
            (factor,) = schedule.lr_lambdas
            assert [factor(epoch) for epoch in (0, epochs[0] - 1, last + 2)] == [1, 1, 0]
            assert factor(last + 1) == pytest.approx(1 / (epochs[1] + 1))


def test_mirror_images_resume_exactly(tmp_path):
    more = ["--model.variant=fastcut"]
    main(tiny.command("cut", tmp_path / "whole", "--trainer.max_epochs=4", *more))
    main(tiny.command("cut", tmp_path / "parts", "--trainer.max_epochs=2", *more))
    last = "lightning_logs/version_{}/checkpoints/last.ckpt"
    more += ["--trainer.max_epochs=4", f"--ckpt_path={tmp_path / 'parts' / last.format(0)}"]
    assert main(tiny.command("cut", tmp_path / "parts", *more)) == 0
    whole, parts = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (tmp_path / "whole" / last.format(0), tmp_path / "parts" / last.format(1))
    )
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_it_is_chosen_without_pairs_and_without_a_way_back(tmp_path):
    assert tiny.config("cut")["checkpoint"] == {"monitor": "val/unpaired", "mode": "min"}
    assert main(tiny.command("cut", tmp_path, "--data.task=harmonization")) == 0
    run = tmp_path / "lightning_logs" / "version_0"
    logged = pd.read_csv(run / "metrics.csv").filter(like="val/").dropna()
    assert set(logged) == {"val/MI_source", "val/Frechet texture", "val/structure", "val/unpaired"}
    assert len(logged) == 2
    best = logged["val/unpaired"].reset_index(drop=True).idxmin()
    assert list((run / "checkpoints").glob(f"epoch={best}-*"))


def test_sides_of_other_channels_are_refused(tmp_path, capsys):
    colour = ["--data.task=elastography", "--data.unpaired=false"]
    assert main(tiny.command("cut", tmp_path / "out", *colour)) == 2
    said = capsys.readouterr().err
    assert "CUT: its generator encodes what it has made" in said
    assert "in the source (1) as in the target (3); choose other data or another method" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"patches": 1}, r"patches 1: a place is told apart from the others; give at least 2"),
        ({"n_blocks": 0}, r"n_blocks 0: a residual block's features are compared; give at least 1"),
        ({"variant": "fast"}, r"variant 'fast': CUT has cut, fastcut; choose one"),
    ],
)
def test_what_it_cannot_be_is_said(settings, line):
    with pytest.raises(InputError, match=line):
        method(**settings)
