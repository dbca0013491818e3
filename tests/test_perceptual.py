"""LPIPS, the Frechet distance on VGG-16 and FID: values, directions, and weights that cannot be had."""

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from scipy.linalg import sqrtm

from datamodules import InputError
from datamodules.batch import Task
from tests import tiny
from tests.trunks import REAL, real_weights, trusted
from zoo import weights
from zoo.evaluation import Evaluation
from zoo.lpips_network import load_lpips
from zoo.metrics import METRICS
from zoo.metrics.perceptual import LPIPS, FrechetVGG, frechet, make_fid
from zoo.weights import ON_TRUNKS


def images(count: int = 3, size: int = 64, seed: int = 0, channels: int = 3) -> torch.Tensor:
    """Blobs in [0, 1]."""
    coarse = torch.rand(count, channels, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


def valid(image: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(image[:, :1], dtype=torch.bool)


def librarys(backbone: str, state: dict[str, torch.Tensor]):
    """LPIPS as the package builds it, the trunk put in by hand."""
    import lpips

    reference = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False).eval()
    for name, weight in reference.net.named_parameters():
        weight.data.copy_(state["features." + name.split(".", 1)[1]])
    return reference


def noisy(image: torch.Tensor, level: float) -> torch.Tensor:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(9))
    return (image + level * noise).clamp(0, 1)


@real_weights
@pytest.mark.parametrize("backbone", ["alex", "vgg"])
def test_lpips_is_the_librarys_on_the_real_trunk(backbone):
    metric, target = LPIPS(str(REAL[backbone]), backbone), images()
    prediction = noisy(target, 0.1)
    reference = librarys(backbone, torch.load(REAL[backbone], weights_only=True))
    with torch.no_grad():
        found = metric.per_image(prediction, target, valid(target))
        expected = reference(2 * prediction - 1, 2 * target - 1).flatten()
    assert found.shape == (3,)
    assert torch.allclose(found, expected, atol=1e-6)
    assert not any(weight.requires_grad for weight in metric.parameters())


@real_weights
@pytest.mark.parametrize("backbone", ["alex", "vgg"])
def test_lpips_grows_with_the_damage_and_is_nothing_for_the_same_image(backbone):
    metric, target = LPIPS(str(REAL[backbone]), backbone), images()
    same, little, much = (
        metric.per_image(noisy(target, level), target, valid(target)).mean() for level in (0, 0.05, 0.3)
    )
    assert float(same) == 0
    assert 0.01 < float(little) < float(much) < 1.5


@real_weights
def test_grey_images_are_scored_as_colour_ones():
    metric, target = LPIPS(str(REAL["alex"])), images(channels=1)
    grey = metric.per_image(noisy(target, 0.1), target, valid(target))
    colour = metric.per_image(noisy(target, 0.1).expand(-1, 3, -1, -1), target.expand(-1, 3, -1, -1), valid(target))
    assert torch.equal(grey, colour)


@pytest.mark.parametrize("place", ["path", "cache", "folder"])
def test_lpips_is_alexs_by_default_wherever_its_file_lies(place, tmp_path, monkeypatch):
    state = trusted(monkeypatch, "alex")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    if place == "folder":
        monkeypatch.setenv("SONOZOO_WEIGHTS", str(tmp_path))
    torch.save(state, (checkpoints if place == "cache" else tmp_path) / "alexnet_features.pth")
    metric = LPIPS(str(tmp_path / "alexnet_features.pth") if place == "path" else "imagenet")
    target = images(2)
    with torch.no_grad():
        expected = librarys("alex", state)(2 * noisy(target, 0.2) - 1, 2 * target - 1).flatten()
    assert torch.allclose(metric.per_image(noisy(target, 0.2), target, valid(target)), expected, atol=1e-6)
    assert metric.remark == "v0.1 on AlexNet, pretrained on ImageNet"


@pytest.mark.parametrize("make", [LPIPS, FrechetVGG, make_fid])
def test_weights_that_are_not_there_are_named_and_never_replaced(make, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"weights.*no such file"):
        make(str(tmp_path / "absent.pth"))
    with pytest.raises(InputError, match="weights"):
        make("imagenet")


def test_images_that_are_too_small_for_the_network_are_refused(tmp_path, monkeypatch):
    torch.save(trusted(monkeypatch, "alex"), tmp_path / "alex.pth")
    metric = LPIPS(str(tmp_path / "alex.pth"))
    assert metric.per_image(images(1, 31), images(1, 31), valid(images(1, 31))).shape == (1,)
    with pytest.raises(InputError, match=r"lpips_weights: images of 30 x 30 pixels are too small for AlexNet.* 31 a"):
        metric.per_image(images(1, 30), images(1, 30), valid(images(1, 30)))


def test_an_untrained_network_is_always_the_same_and_leaves_the_random_state_alone():
    torch.manual_seed(5)
    first = load_lpips(None, "weights", backbone="alex")
    drawn = torch.rand(())
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(()))
    again = load_lpips(None, "weights", backbone="alex")
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), again.parameters(), strict=True))
    assert not any(weight.requires_grad for weight in first.parameters())


def by_formula(one: np.ndarray, other: np.ndarray) -> float:
    """As it is printed, by scipy."""
    difference = one.mean(0) - other.mean(0)
    c1, c2 = (np.cov(features, rowvar=False) for features in (one, other))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = sqrtm(c1 @ c2)
    return float(difference @ difference + np.trace(c1 + c2 - 2 * np.real(root)))


@pytest.mark.parametrize(("one", "other"), [(60, 40), (40, 60)])
def test_the_frechet_distance_is_that_of_the_formula(one, other):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(one, 6, generator=generator)
    y = 1.5 * torch.randn(other, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 0.3
    assert float(frechet(x, y)) == pytest.approx(by_formula(x.double().numpy(), y.double().numpy()), rel=1e-6)


def test_the_frechet_distance_with_fewer_images_than_features():
    """Two images each, along one line: the Gaussians are those of one number."""
    direction = torch.nn.functional.normalize(torch.ones(512), dim=0)
    x, y = (torch.tensor(values)[:, None] * direction for values in ([0.0, 2.0], [1.0, 7.0]))
    spread = 2**0.5 * (3 - 1)
    assert float(frechet(x, y)) == pytest.approx((4 - 1) ** 2 + spread**2, rel=1e-5)
    assert float(frechet(x, x)) == pytest.approx(0, abs=1e-6)
    assert frechet(x, y[:1]).isnan()


@real_weights
def test_the_frechet_distance_on_vgg_of_sets_of_images():
    metric, target = FrechetVGG(str(REAL["vgg"])), images(6)

    def distance(made: torch.Tensor) -> float:
        metric.reset()
        for part in (slice(0, 4), slice(4, 6)):
            metric.update(target[part], real=True)
            metric.update(made[part], real=False)
        return float(metric.compute())

    with torch.device("meta"):
        relu5_3 = torchvision.models.vgg16(weights=None).features[:30]
    state = torch.load(REAL["vgg"], weights_only=True)
    relu5_3.load_state_dict({name.removeprefix("features."): w for name, w in state.items()}, assign=True)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        pooled = [relu5_3((x - mean) / std).mean((2, 3)).double().numpy() for x in (target, noisy(target, 0.1))]
    little = distance(noisy(target, 0.1))
    assert little == pytest.approx(by_formula(*pooled), rel=1e-3)
    assert distance(target) == pytest.approx(0, abs=1e-9)
    assert distance(target.flip(0)) == pytest.approx(0, abs=1e-9), "of sets, not of pairs"
    assert little < distance(noisy(target, 0.4))
    metric.reset()
    assert metric.compute().isnan()
    with pytest.raises(InputError, match=r"frechet_weights: images of 8 x 8 pixels are too small for VGG-16"):
        metric.update(images(1, 8), real=True)


class Features(torch.nn.Module):
    """A small network in the place of Inception, which is not here."""

    num_features = 12

    def forward(self, image):
        return torch.nn.functional.adaptive_avg_pool2d(image.float(), 2).flatten(1)


def test_metrics_of_sets_are_measured_on_the_test_set_and_written_beside_the_scores(tmp_path, monkeypatch):
    from torchmetrics.image.fid import FrechetInceptionDistance

    torch.save(trusted(monkeypatch, "vgg"), tmp_path / "vgg.pth")
    torch.save(trusted(monkeypatch, "alex"), tmp_path / "alex.pth")
    data, model = tiny.data("enhancement", patients=20), tiny.method("sswe", out_channels=1)
    evaluation = Evaluation(
        data.task,
        lpips_weights=str(tmp_path / "alex.pth"),
        frechet_weights=str(tmp_path / "vgg.pth"),
        grid_images=0,
        out_dir=tmp_path,
    )
    fid = FrechetInceptionDistance(Features(), normalize=True, input_img_size=(3, 32, 32))
    evaluation.of_sets["FID"] = fid
    runner = tiny.trainer(tmp_path, callbacks=[evaluation], limit_val_batches=1.0)
    (means,) = runner.validate(model, data, verbose=False)
    assert "val/LPIPS" in means
    assert not (tmp_path / "scores_val_set.csv").exists()
    (means,) = runner.test(model, data, verbose=False)
    written = pd.read_csv(tmp_path / "scores_test_set.csv")
    scores = pd.read_csv(tmp_path / "scores_test.csv")
    assert list(written) == ["Frechet VGG", "FID", "images"]
    assert written["images"].item() == len(scores)
    for name in ("Frechet VGG", "FID"):
        assert written[name].item() == pytest.approx(means[f"test/{name}"], rel=1e-4)
        assert means[f"test/{name}"] > 0
    assert scores["LPIPS"].mean() == pytest.approx(means["test/LPIPS"], rel=1e-4)
    (again,) = runner.test(model, data, verbose=False)
    assert again == pytest.approx(means, nan_ok=True), "every test is of its own set"
    described = [facts["name"] for facts in evaluation.described()]
    assert described[-2:] == ["Frechet VGG", "FID"]
    assert "LPIPS" in described
    assert evaluation.pretrained["LPIPS"] == "v0.1 on AlexNet, pretrained on ImageNet"
    assert evaluation.pretrained["Frechet VGG"].startswith("Frechet distance on VGG-16's relu5_3, pooled")
    assert evaluation.pretrained["FID"] == "", "nobody asked for it by its weights"


def test_the_backbone_is_the_evaluations_choice(tmp_path, monkeypatch):
    task = tiny.data("enhancement").task
    for backbone, title in (("alex", "AlexNet"), ("vgg", "VGG-16")):
        torch.save(trusted(monkeypatch, backbone), tmp_path / f"{backbone}.pth")
        evaluation = Evaluation(task, str(tmp_path / f"{backbone}.pth"), backbone, out_dir=tmp_path)
        assert evaluation.pretrained["LPIPS"] == f"v0.1 on {title}, pretrained on ImageNet"
    with pytest.raises(InputError, match=r"alex\.pth: holds AlexNet, not VGG-16: choose that backbone"):
        Evaluation(task, str(tmp_path / "alex.pth"), "vgg")


@pytest.mark.parametrize(("backbone", "key", "least"), [("alex", "lpips_weights", 31), ("vgg", "frechet_weights", 16)])
def test_images_that_are_too_small_are_refused_before_anything_is_trained_or_scored(
    backbone, key, least, tmp_path, monkeypatch
):
    torch.save(trusted(monkeypatch, backbone), tmp_path / "trunk.pth")
    for size in ((32, least), (least - 1, 32)):
        data, model = tiny.data("enhancement", size=size), tiny.method("sswe", out_channels=1)
        evaluation = Evaluation(data.task, out_dir=tmp_path / str(size), **{key: str(tmp_path / "trunk.pth")})
        trainer = tiny.trainer(tmp_path, callbacks=[evaluation])
        trainer.datamodule = data  # as the trainer has it when the hooks are called
        if size[1] == least:
            evaluation.on_fit_start(trainer, model)
            evaluation.on_test_start(trainer, model)
            assert (tmp_path / str(size) / "splits.csv").is_file()
            continue
        said = rf"^{key}: images of {least - 1} x 32 pixels are too small for .*, which needs {least} a side; .*null$"
        for run in (trainer.fit, trainer.test):
            with pytest.raises(InputError, match=said):
                run(model, datamodule=data)
        assert trainer.global_step == 0
        assert not evaluation.rows
        assert not (tmp_path / str(size)).exists()


def test_images_without_a_network_to_score_them_may_be_of_any_size(tmp_path):
    data = tiny.data("enhancement", size=(8, 8))
    evaluation = Evaluation(data.task, out_dir=tmp_path)
    trainer = tiny.trainer(tmp_path)
    trainer.datamodule = data
    evaluation.on_test_start(trainer, None)


@pytest.mark.parametrize(
    ("references", "tested", "scored"),
    [(("target",), None, {"val", "test"}), (("source",), ("target", "source"), {"test"}), (("source",), None, set())],
)
def test_lpips_is_remarked_on_only_where_it_is_scored(references, tested, scored, tmp_path, monkeypatch):
    torch.save(trusted(monkeypatch, "alex"), tmp_path / "alex.pth")
    task = Task("devices", paired=False, references=references, test_references=tested)
    evaluation = Evaluation(task, str(tmp_path / "alex.pth"))
    assert {stage for stage, metrics in evaluation.metrics.items() if "LPIPS" in metrics} == scored
    remark = {"LPIPS": "v0.1 on AlexNet, pretrained on ImageNet"} if scored else {}
    assert evaluation.pretrained == remark | {"FID": "", "Frechet VGG": ""}, "weights were named: it is not absent"
    assert Evaluation(task).pretrained == {"LPIPS": "", "FID": "", "Frechet VGG": ""}


def test_a_metric_says_by_which_argument_its_weights_come():
    arguments = inspect.signature(Evaluation.__init__).parameters
    on_networks = {metric.weights: name for name, metric in METRICS.items() if metric.weights}
    assert on_networks == {"lpips_weights": "LPIPS", "fid_weights": "FID", "frechet_weights": "Frechet VGG"}
    assert set(on_networks) < set(arguments)
    for metric in ON_TRUNKS:
        assert on_networks[metric.key] == metric.name
    assert arguments[weights.LPIPS.backbone_key].default == weights.LPIPS.backbone == "alex"
