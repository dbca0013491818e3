"""V-EUS: what D_T is shown, images without lesions, and weights by colour."""

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from skimage.color import rgb2lab
from torch.utils.data import default_collate
from torchvision.ops import roi_align

from datamodules import InputError
from datamodules.cache import LEVELS, ImageCache
from datamodules.transforms import Augment, Augmentation
from datamodules.ultrasound import UltrasoundDataset
from tests import tiny
from zoo.losses.color_rebalance import ColorRebalance, lab
from zoo.methods.veus import VEUS
from zoo.networks.region import boxes_of, crop

SIDE = 64
LESION = (slice(10, 26), slice(30, 50))  # rows and columns of the marked lesion
CORNER = (slice(10, 18), slice(30, 40))  # a quarter of it, by which one sees how it lies


def method(**kwargs):
    torch.manual_seed(0)
    return tiny.method("veus", **kwargs)


def batch(lesions=(True, True)) -> dict:
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(len(lesions), 1, 32, 32, dtype=torch.bool)
    for number, there in enumerate(lesions):
        masks[number, :, 4 + number : 14, 6:20] = there
    source, target = (torch.rand(len(lesions), c, 32, 32, generator=generator) * 2 - 1 for c in (1, 3))
    return {"source": source, "target": target, "lesion": masks}


def of(batch: dict, images: list[int]) -> dict:
    return {name: values[images] for name, values in batch.items()}


def without_lesions():
    data = tiny.data("elastography")
    del tiny.loaded(data).arrays["lesion"]
    return data


def test_the_networks_are_those_of_the_published_code():
    with torch.device("meta"):
        model = VEUS(in_channels=1, out_channels=3)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counts.pop("adversarial") == 0
    assert counts == {"generator": 54_411_907, "discriminator": 2_766_657, "tumor_discriminator": 2_766_657}


def test_three_sides_take_their_turn_each_with_the_published_rate():
    model = method()
    assert list(model.sides()) == ["discriminator", "tumor_discriminator", "generator"]
    for (side, parameters), optimizer in zip(model.sides().items(), model.configure_optimizers()[0], strict=True):
        assert {id(weight) for weight in parameters} == {id(weight) for weight in getattr(model, side).parameters()}
        assert (optimizer.param_groups[0]["initial_lr"], optimizer.param_groups[0]["betas"]) == (2e-4, (0.5, 0.999))
    assert list(method(tumor_d=False).sides()) == ["discriminator", "generator"]
    matched = method(preset="matched")
    assert matched.gradient_clip_val == 1
    assert [o.param_groups[0]["initial_lr"] for o in matched.configure_optimizers()[0]] == [3e-4, 3e-4, 3e-4]


@pytest.mark.parametrize("side", ["discriminator", "tumor_discriminator"])
def test_a_discriminators_loss_has_gradients_for_itself_alone(side):
    model, given = method(), batch()
    losses = model.losses_of(side, given, model.generate(given))
    assert float(losses["total"]) == pytest.approx(0.5 * float(losses["adversarial"]))
    losses["total"].backward()
    touched = {name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None}
    assert touched == {side}


def test_the_generators_terms_add_up():
    model, given = method(), batch()
    losses = model.generator_losses(given, model.generate(given))
    expected = losses["adversarial"] + losses["tumor"] + 100 * losses["l1"]
    assert float(losses["total"]) == pytest.approx(float(expected))


def test_boxes_are_the_masks_enlarged_about_their_centre_and_kept_in_the_picture():
    mask = torch.zeros(4, 1, 40, 60, dtype=torch.bool)
    mask[0, 0, 10:14, 20:50] = True
    mask[1, 0, 0, 59] = True
    mask[2, 0, 5:6, 7:8] = mask[2, 0, 30:32, 40:44] = True  # two lesions share one box
    assert boxes_of(mask, 1).tolist() == [[20, 10, 50, 14], [59, 0, 60, 1], [7, 5, 44, 32], [0, 0, 60, 40]]
    assert boxes_of(mask, 10).tolist() == [[20, 7, 50, 17], [50, 0, 60, 10], [7, 5, 44, 32], [0, 0, 60, 40]]
    assert boxes_of(mask, 50).tolist()[0] == [10, 0, 60, 40], "no larger than the picture"


def test_a_crop_is_bilinear_between_the_centres_of_pixels():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    whole = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
    assert torch.equal(crop(image, whole, 4), image)
    assert crop(image, whole, 2)[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert crop(image, torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 2)[0, 0].tolist() == [[9, 10], [13, 14]]
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 40, 50, generator=generator, requires_grad=True)
    boxes = torch.tensor([[3.0, 5.0, 31.5, 20.0], [0.0, 0.0, 50.0, 40.0]])
    theirs = roi_align(images, [box[None] for box in boxes], 24, sampling_ratio=1, aligned=True)
    ours = crop(images, boxes, 24)
    assert torch.allclose(ours, theirs, atol=1e-5)
    gradients = [torch.autograd.grad(one.square().sum(), images)[0] for one in (ours, theirs)]
    assert torch.allclose(*gradients, atol=1e-5)


def marked(folder) -> ImageCache:
    """One image, black but for a lesion, of which a quarter is bright, in source and target alike."""
    picture, mask = np.zeros((1, SIDE, SIDE, 1)), np.zeros((1, SIDE, SIDE, 1), bool)
    picture[0][LESION], picture[0][CORNER], mask[0][LESION] = 0.5, 1.0, True
    levels = np.round(LEVELS * picture).astype(np.uint16)
    arrays = {"source": levels, "target": np.repeat(levels, 3, 3), "lesion": mask, "valid": np.ones_like(mask)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return ImageCache(folder)


def test_the_tumors_discriminator_sees_the_box_of_the_lesion_as_it_lies_after_the_augmentation(tmp_path):
    cache = marked(tmp_path)
    settings = Augmentation(enlarge=1.25, horizontal_flip=0.5, translate=(0.1, 0.1))
    rows = pd.DataFrame([{"index": 0, "label": "", "id": "0", "patient": "0", "organ": "", "device": ""}])
    dataset = UltrasoundDataset(cache, rows, Augment(settings, (SIDE, SIDE), tuple(sorted(cache.arrays))))
    given = default_collate([dataset[0, seed] for seed in range(32)])
    model, seen = method(in_channels=1, out_channels=3, least_box=1, box_size=32), []
    model.tumor_discriminator.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].detach()))
    fake = -given["target"]
    model.tumor_discriminator_losses(given, fake)
    model.terms(given, fake)
    boxes = []
    for mask in given["lesion"][:, 0].numpy():
        down, across = np.nonzero(mask)
        boxes.append([across.min(), down.min(), across.max() + 1, down.max() + 1])
    assert len(set(map(tuple, boxes))) > 16, "the lesion has moved"
    boxes = [torch.tensor([box], dtype=torch.float) for box in boxes]
    for regions, image in zip(seen, (given["target"], fake, fake), strict=True):
        whole = torch.cat([given["source"], image], dim=1)
        wanted = roi_align(whole, boxes, 32, sampling_ratio=1, aligned=True)
        assert torch.allclose(regions, wanted, atol=1e-5)
    source, target = seen[0][:, :1], seen[0][:, 1:]
    assert source[..., 3:-3, 3:-3].min() > -0.25, "nothing but lesion within"
    assert torch.allclose(source.expand_as(target), target)
    ends = slice(8), slice(-8, None)
    quarters = [source[..., rows, columns].mean((1, 2, 3)) for rows in ends for columns in ends]
    bright = torch.stack(quarters, dim=1).argmax(1)
    assert set(bright.tolist()) == {0, 1}, "the bright quarter lies where the flip has put it"


def test_an_image_without_a_lesion_counts_nothing_in_the_tumors_losses():
    given, results = batch((False, True)), []
    for images in ([0, 1], [1]):
        model, part = method(), of(given, images)
        made = torch.zeros_like(given["target"])[images].requires_grad_()
        losses = model.tumor_discriminator_losses(part, made)
        losses["total"].backward()
        tumor = model.terms(part, made)["tumor"]
        weights = [weight.grad for weight in model.tumor_discriminator.parameters()]
        results.append([losses["adversarial"], tumor, torch.autograd.grad(tumor, made)[0], *weights])
    both, alone = results
    assert float(both[0]) == pytest.approx(float(alone[0]), rel=1e-5)
    assert float(both[1]) == pytest.approx(float(alone[1]), rel=1e-5)
    assert both[2][0].abs().max() == 0
    assert torch.allclose(both[2][1], alone[2][0], atol=1e-7)
    assert alone[2].abs().max() > 1e-5
    for one, other in zip(both[3:], alone[3:], strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_batch_without_any_lesion_costs_nothing_and_its_gradients_are_0():
    model, given = method(), batch((False, False))
    made = model.generate(given)
    losses = model.tumor_discriminator_losses(given, made)
    tumor = model.generator_losses(given, made)["tumor"]
    assert (float(losses["total"]), float(tumor)) == (0, 0)
    losses["total"].backward()
    assert all(weight.grad.abs().max() == 0 for weight in model.tumor_discriminator.parameters())
    tumor.backward()
    assert all(weight.grad.isfinite().all() for weight in model.generator.parameters())


def test_a_more_convincing_lesion_costs_the_generator_less_and_its_discriminator_more():
    model = method()
    losses = []
    for score in (-2.0, 2.0):
        model.tumor_discriminator.forward = lambda image, score=score: torch.full((len(image), 1, 2, 2), score)
        given = batch()
        made = torch.zeros_like(given["target"])
        losses.append([float(model.terms(given, made)["tumor"])])
        wrong = model.adversarial.discriminator(torch.tensor([2.0]), torch.tensor([score]))
        model.tumor_discriminator.forward = lambda image, score=score: torch.where(
            (image[:, 1:2, :2, :2] == 0), score, 2.0
        )
        losses[-1].append(float(model.tumor_discriminator_losses(given, made)["adversarial"]))
        assert losses[-1][1] == pytest.approx(float(wrong))
    (poor, easy), (good, hard) = losses
    assert poor > good
    assert hard > easy


def test_data_without_lesions_is_refused_before_training_and_trains_without_the_tumors_discriminator(tmp_path):
    trainer = tiny.trainer(tmp_path, limit_train_batches=1)
    with pytest.raises(InputError, match=r"^tumor_d true: .* masks of lesions.* set tumor_d to false, .*\(no D_T\)'$"):
        trainer.fit(method(), without_lesions())
    assert trainer.global_step == 0
    model = method(tumor_d=False)
    assert (model.remark, method().remark) == ("no D_T", "")
    before = model.generator.encoder[0][0].weight.detach().clone()
    trainer = tiny.trainer(tmp_path, limit_train_batches=1)
    trainer.fit(model, without_lesions())
    assert trainer.global_step == 2
    assert not torch.equal(before, model.generator.encoder[0][0].weight)
    assert not any(name.startswith("tumor") for name in model.state_dict())
    given = batch()
    del given["lesion"]
    with pytest.raises(InputError, match="set tumor_d to false"):
        method().tumor_discriminator_losses(given, given["target"])
    scores = tiny.evaluation(tiny.data("elastography").task, tmp_path / "scores")
    tiny.trainer(tmp_path, callbacks=[scores]).test(method(), without_lesions(), verbose=False)
    assert pd.read_csv(tmp_path / "scores" / "scores_test.csv")["SSIM"].notna().all(), "testing needs no lesions"


def test_small_boxes_and_colours_of_grey_targets_are_refused():
    with pytest.raises(InputError, match=r"^box_size 16: .* at least 24"):
        method(box_size=16)
    with pytest.raises(InputError, match=r"^color_rebalance true: .* 1 channel; set it to false"):
        method(out_channels=1, color_rebalance=True)
    with pytest.raises(InputError, match="asks its data module"):
        method(color_rebalance=True).setup("fit")


def test_lab_is_that_of_scikit_image():
    image = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    image[:, :, :10] *= 0.05  # the straight part of both curves
    wanted = rgb2lab(image.permute(0, 2, 3, 1).numpy())
    assert np.abs(lab(2 * image - 1).permute(0, 2, 3, 1).numpy() - wanted).max() < 1e-3


def two_colours(rare: float) -> torch.Tensor:
    """Red, and a part of green: far apart, so that the Gaussian of neither reaches the other."""
    image = torch.tensor([1.0, -1.0, -1.0])[:, None, None].repeat(1, 10, 10)
    image[:, : round(10 * rare)] = torch.tensor([-1.0, 1.0, -1.0])[:, None, None]
    return image


def test_rare_colours_count_more_and_the_mean_is_1():
    loss, image = ColorRebalance(), two_colours(0.2)
    assert loss(image[None]).unique().tolist() == [1.0], "before it has learnt"
    loss.learn([image])
    weights = loss(image[None])
    assert weights.shape == (1, 1, 10, 10)
    assert float(weights.mean()) == pytest.approx(1)
    green, red = float(weights[0, 0, 0, 0]), float(weights[0, 0, -1, 0])
    own = 1 / (1 + 2 * np.exp(-2) + 2 * np.exp(-8))  # what a Gaussian of half a bin leaves in it along a and along b
    reached = 261
    raw = [1 / (0.5 * share * own**2 + 0.5 / reached) for share in (0.2, 0.8)]
    assert green / red == pytest.approx(raw[0] / raw[1], rel=0.01)
    assert loss.reached() == reached
    flat = ColorRebalance(alpha=0.0)
    flat.learn([image])
    assert torch.allclose(flat(image[None]), torch.ones(1)), "alpha 0 knows no rare colours"


def test_the_rebalanced_l1_is_that_of_the_training_targets_and_in_the_checkpoint(tmp_path):
    data, model = tiny.data("elastography"), method(color_rebalance=True)
    keep = ModelCheckpoint(tmp_path, save_last=True)
    tiny.trainer(tmp_path, limit_train_batches=1, enable_checkpointing=True, callbacks=[keep]).fit(model, data)
    targets = torch.stack(list(data.targets("train", 256)))
    weights = model.rebalance(targets)
    assert float(weights.mean()) == pytest.approx(1, abs=1e-4)
    assert weights.max() > 1.5 * weights.min()
    loaded = VEUS.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert torch.equal(loaded.rebalance(targets), weights)
    given = batch()
    made = torch.zeros_like(given["target"])
    l1 = float(loaded.terms(given, made)["l1"])
    assert l1 == pytest.approx(float((loaded.rebalance(given["target"]) * given["target"].abs()).mean()))
    assert l1 != pytest.approx(float(method().terms(given, made)["l1"]), rel=0.01)
