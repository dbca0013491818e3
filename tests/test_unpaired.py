"""The criterion without pairs: what it says of the identity, of a perfect harmonizer, of one image for all."""

import math

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from tests import tiny
from zoo.cli import main
from zoo.metrics.texture import BANDS, HIGHEST, correlation, texture
from zoo.unpaired import UnpairedCriterion

COUNT = 6


def pictures(seed: int) -> torch.Tensor:
    """Blobs of several brightnesses, in [0.2, 0.8]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(COUNT, 1, 8, 8, generator=generator) * torch.rand(COUNT, 1, 1, 1, generator=generator)
    return 0.2 + 0.6 * torch.nn.functional.interpolate(coarse, (64, 64), mode="bilinear")


def darker(images: torch.Tensor) -> torch.Tensor:
    """What the target scanner makes of the same patients."""
    return 0.5 * images


X, Y = pictures(0), darker(pictures(1))


def scores(source, target, made, source_again, target_again, vgg=None, alike=True) -> dict[str, float]:
    criterion = UnpairedCriterion(vgg, alike)
    for part in (slice(0, 4), slice(4, None)):
        ids = [str(number) for number in range(COUNT)][part]
        images = (source, target, made, source_again, target_again)
        if len(source[part]):
            criterion.update(ids[: len(source[part])], *(image[part] for image in images))
    return criterion.scores(criterion.rows())


def test_the_identity_has_one():
    found = scores(X, Y, X, X, Y)
    assert found["unpaired"] == pytest.approx(1, abs=1e-6)
    assert found["cycle"] == 0
    assert found["structure"] == pytest.approx(0, abs=1e-6)
    assert found["Frechet texture"] > 0


def test_a_perfect_harmonizer_has_nearly_none():
    """Of the patients of the targets, none at all; of others, what two samples of one scanner differ by."""
    assert scores(pictures(1), Y, Y, pictures(1), Y)["unpaired"] == pytest.approx(0, abs=1e-6)
    found = scores(X, Y, darker(X), X, Y)["unpaired"]
    assert 0 < found < 0.5
    assert scores(X, Y, 0.5 * (X + darker(X)), X, Y)["unpaired"] > found


@pytest.mark.parametrize("image", ["mean", "target", "grey"])
def test_what_makes_one_image_of_all_has_at_least_one(image):
    one = {"mean": Y.mean(0), "target": Y[0], "grey": torch.full_like(Y[0], 0.3)}[image]
    made = one.expand_as(Y)
    found = scores(X, Y, made, X.mean(0).expand_as(X), Y.mean(0).expand_as(Y))
    assert found["unpaired"] > 1
    of_mean = ((X - X.mean(0)).abs().mean() + (Y - Y.mean(0)).abs().mean()) / 2
    assert found["cycle"] == pytest.approx(float(of_mean), rel=1e-4)  # eq. 1 is eq. 2
    assert found["structure"] > 0.5
    rest = scores(X, Y, made, X, Y)["unpaired"]
    assert found["unpaired"] - rest == pytest.approx(1, rel=1e-3)


def inverted(images):
    """The negative, of each image's own mean and spread."""
    return 2 * images.mean((1, 2, 3), keepdim=True) - images


def test_a_negative_that_finds_its_way_back_is_above_the_identity():
    found, right = scores(X, Y, inverted(darker(X)), X, Y), scores(X, Y, darker(X), X, Y)
    assert found["cycle"] == right["cycle"] == 0
    assert found["structure"] == pytest.approx(2, abs=1e-3)
    assert found["unpaired"] > scores(X, Y, X, X, Y)["unpaired"] + 0.9
    assert found["unpaired"] - right["unpaired"] == pytest.approx(2, abs=0.1), "the sets are alike"


@pytest.mark.parametrize(
    "wrong",
    [lambda images: images.flip(2), lambda images: images.flip(3), lambda images: images.roll(1, 0)],
    ids=["upside down", "mirrored", "another patient"],
)
def test_the_image_of_another_or_turned_over_is_above_a_right_translation(wrong):
    found, right = scores(X, Y, wrong(darker(X)), X, Y), scores(X, Y, darker(X), X, Y)
    assert found["Frechet texture"] == pytest.approx(right["Frechet texture"], abs=1e-3)
    assert found["unpaired"] > right["unpaired"] + 0.5


def test_of_the_phantom_a_right_translation_is_hardly_charged_for_structure():
    data = tiny.data("harmonization", size=(64, 64))
    tiny.loaded(data)
    data.setup("fit")
    (source, made) = (torch.cat(images) for images in zip(*_translated(data), strict=True))
    assert float((1 - correlation(source, made)).mean()) < 0.15
    assert float((1 - correlation(source, -made)).mean()) > 1.85


def _translated(data):
    """Sources, and what a perfect method would make of them."""
    return [(batch["source"], data.ceilings(batch["id"])) for batch in data.val_dataloader()]


def test_between_sides_that_are_not_alike_structure_says_nothing(tmp_path):
    found = scores(X, Y, inverted(darker(X)), X, Y, alike=False)
    assert set(found) == {"cycle", "Frechet texture", "unpaired"}
    assert found["unpaired"] == pytest.approx(scores(X, Y, darker(X), X, Y, alike=False)["unpaired"], abs=0.1)
    expected = {"harmonization": True, "enhancement": True, "swe": False}
    assert {task: tiny.evaluation(tiny.data(task).task, tmp_path).unpaired.alike for task in expected} == expected


def test_the_way_back_counts_on_both_sides():
    there, back = scores(X, Y, X, X + 0.1, Y), scores(X, Y, X, X, Y - 0.2)
    assert there["cycle"] == pytest.approx(0.05, rel=1e-4)
    assert back["cycle"] == pytest.approx(0.1, rel=1e-4)
    assert back["unpaired"] - 1 == pytest.approx(2 * (there["unpaired"] - 1), rel=1e-3)


def test_of_a_one_sided_method_there_is_all_but_the_cycles():
    def one_sided(made):
        criterion = UnpairedCriterion()
        criterion.update([str(number) for number in range(COUNT)], X, Y, made)
        return criterion.scores(criterion.rows())

    assert list(one_sided(X)) == ["Frechet texture", "structure", "unpaired"]
    assert one_sided(X)["unpaired"] == pytest.approx(1, abs=1e-6)
    for made in (darker(X), inverted(darker(X)), Y[:1].expand_as(Y)):
        whole = scores(X, Y, made, X, Y)
        assert one_sided(made) == pytest.approx({name: whole[name] for name in one_sided(made)})
    assert one_sided(darker(X))["unpaired"] < 0.5 < 1.5 < one_sided(inverted(darker(X)))["unpaired"]


def test_on_a_given_network_the_distance_is_its_own():
    class Brightness:
        """Stands for VGG-16: one feature."""

        def to(self, device):
            return self

        def features(self, images):
            assert images.shape[1:] == (3, 64, 64)
            return images.mean((2, 3))[:, :1]

    found = scores(X, Y, Y, X, Y, vgg=Brightness())
    assert found["Frechet VGG"] == pytest.approx(0, abs=1e-9)
    assert found["unpaired"] == pytest.approx(found["structure"])
    assert list(found) == ["cycle", "Frechet VGG", "structure", "unpaired"]
    found = scores(X, Y, Y + 0.1, X, Y, vgg=Brightness())
    assert found["Frechet VGG"] == pytest.approx(0.01, rel=1e-4)


def test_few_images_and_equal_sets_have_no_value_and_two_have_one():
    assert math.isnan(scores(X[:1], Y[:1], X[:1], X[:1], Y[:1])["unpaired"])
    assert math.isnan(scores(X, X, X, X, X)["unpaired"])
    assert scores(X[:2], Y[:2], X[:2], X[:2], Y[:2])["unpaired"] == pytest.approx(1, abs=1e-6)


def test_texture_is_eight_numbers_that_say_what_they_should():
    rows = torch.linspace(0, 1, 64)[:, None].expand(64, 64)
    stripes = (torch.arange(64) % 2).float().expand(64, 64)
    found = texture(torch.stack([rows, stripes, torch.full((64, 64), 0.3)])[:, None])
    assert found.shape == (3, 4 + BANDS)
    assert torch.allclose(found[:, 0], torch.tensor([0.5, 0.5, 0.3]))
    assert torch.allclose(found[:, 1], torch.tensor([float(rows.std(correction=0)), 0.5, 0.0]), atol=1e-6)
    bands = [math.log(0.25 + 1e-6), math.log(1e-6), math.log(1e-6), 0]  # all is in the finest; 64 pixels have no fourth
    assert found[1, 2:6].tolist() == pytest.approx(bands, abs=1e-3)
    most = math.atanh(HIGHEST)
    assert [*found[0, 6:].tolist(), *found[1, 6:].tolist()] == pytest.approx([most, most, -most, most], abs=1e-3)
    assert found[2, 6:].tolist() == pytest.approx([0, 0], abs=1e-3)  # of what rounding leaves


def test_texture_takes_colours_and_small_images():
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = texture(image)
    assert torch.equal(found, texture(image.mean(1, keepdim=True)))
    assert found[:, 4:6].abs().max() == 0, "bands that 32 pixels do not have"
    assert texture(image[..., :5, :5]).isfinite().all()


def test_a_checkpoint_is_chosen_by_it_and_nothing_new_is_tested(tmp_path):
    torch.manual_seed(0)
    model, data = tiny.method("harmonizer", 1, 1), tiny.data("harmonization")
    seen: list[dict[str, float]] = []

    class Kept(ModelCheckpoint):
        def on_validation_end(self, trainer, pl_module):
            seen.append({name: float(value) for name, value in trainer.callback_metrics.items() if "val/" in name})
            super().on_validation_end(trainer, pl_module)

    best = Kept(tmp_path, monitor="val/unpaired", mode="min", filename="{epoch}")
    callbacks = [tiny.evaluation(data.task, tmp_path), best]
    settings = {"max_epochs": 3, "enable_checkpointing": True, "limit_val_batches": 1.0}
    trainer = tiny.trainer(tmp_path, callbacks=callbacks, **settings)
    trainer.fit(model, data)
    assert {"val/cycle", "val/Frechet texture", "val/structure", "val/unpaired"} < set(seen[0])
    values = [of_epoch["val/unpaired"] for of_epoch in seen]
    assert float(best.best_model_score) == pytest.approx(min(values))
    assert f"epoch={values.index(min(values))}" in best.best_model_path
    trainer.test(model, data, verbose=False)
    assert "test/unpaired" not in trainer.callback_metrics


def test_without_validation_nothing_is_logged(tmp_path):
    data = tiny.data("harmonization")
    trainer = tiny.trainer(tmp_path, callbacks=[tiny.evaluation(data.task, tmp_path)])
    trainer.fit(tiny.method("harmonizer", 1, 1), data)
    assert not [name for name in trainer.callback_metrics if name.startswith("val/")]


def test_one_validation_image_is_said_to_be_too_few(tmp_path):
    data = tiny.data("harmonization", batch_size=1)
    trainer = tiny.trainer(tmp_path, callbacks=[tiny.evaluation(data.task, tmp_path)], limit_val_batches=1)
    with pytest.warns(UserWarning, match="val/unpaired has no value on 1 validation images: it takes two or more"):
        trainer.fit(tiny.method("harmonizer", 1, 1), data)
    assert math.isnan(trainer.callback_metrics["val/unpaired"])


def test_the_shipped_config_stops_when_it_no_longer_falls(tmp_path):
    stop = [f"--config={tiny.ROOT / 'configs' / 'trainer' / 'early_stopping.yaml'}", "--trainer.callbacks.patience=1"]
    still = ["--model.lr_generator=0", "--model.lr_discriminator=0", "--trainer.max_epochs=5"]
    assert main(tiny.command("harmonizer", tmp_path, *stop, *still)) == 0
    (run,) = (tmp_path / "lightning_logs").iterdir()
    rows = [line for line in (run / "metrics.csv").read_text().splitlines()[1:] if line]
    assert {int(line.split(",")[0]) for line in rows} == {0, 1}
    assert list((run / "checkpoints").glob("epoch=0*"))


@pytest.mark.parametrize("name", ["cut", "cyclegan", "se_cyclegan", "harmonizer"])
def test_a_config_that_trains_without_pairs_chooses_without(name):
    assert tiny.config(name)["checkpoint"] == {"monitor": "val/unpaired", "mode": "min"}
