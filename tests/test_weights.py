"""Pretrained trunks: where their files are looked for, what is taken for them, and what is not."""

import hashlib
import pickle
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision

from datamodules import InputError
from tests.conftest import ROOT, WEIGHTS_ROOT
from tests.trunks import REAL, made_up, real_weights, trusted
from zoo import weights
from zoo.trunks import digest, load_trunk
from zoo.weights import TRUNKS

ALEX = TRUNKS["alex"]
CHECKPOINTS = Path("hub") / "checkpoints"


@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    """Torch's cache, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "torch" / CHECKPOINTS).mkdir(parents=True)
    return tmp_path / "torch" / CHECKPOINTS


def refusal(state_or_bytes, folder, backbone="alex") -> str:
    """What is said of a file."""
    path = folder / "given.pth"
    if isinstance(state_or_bytes, bytes):
        path.write_bytes(state_or_bytes)
    else:
        torch.save(state_or_bytes, path)
    with pytest.raises(InputError) as caught:
        load_trunk(backbone, str(path), "lpips_weights")
    said = str(caught.value)
    assert said.startswith(f"lpips_weights: {path}: ")
    assert "\n" not in said
    return said


@real_weights
@pytest.mark.parametrize("backbone", ["vgg", "alex"])
def test_the_real_trunks_have_the_pinned_digests(backbone):
    state = load_trunk(backbone, str(REAL[backbone]), "weights")
    assert digest(state, TRUNKS[backbone]) in (WEIGHTS_ROOT / "README.md").read_text()
    assert sum(weight.numel() for weight in state.values()) == {"vgg": 14_714_688, "alex": 2_469_696}[backbone]


@pytest.mark.parametrize(("backbone", "make"), [("vgg", "vgg16"), ("alex", "alexnet")])
def test_layers_are_those_of_torchvision(backbone, make):
    with torch.device("meta"):
        features = getattr(torchvision.models, make)(weights=None).features
    shapes = {int(name.split(".")[0]): tuple(p.shape) for name, p in features.named_parameters() if "weight" in name}
    assert dict(TRUNKS[backbone].layers) == shapes
    for side, made in ((TRUNKS[backbone].least, True), (TRUNKS[backbone].least - 1, False)):
        try:  # the last pooling comes after what is used
            found = features[:-1](torch.empty(1, 3, side, side, device="meta")).shape[-1]
        except RuntimeError:
            found = 0
        assert (found > 0) == made


def test_the_digest_is_of_the_tensors_weight_then_bias_and_not_of_the_file(tmp_path, monkeypatch):
    state = trusted(monkeypatch, "alex")
    expected = hashlib.sha256()
    for number in (0, 3, 6, 8, 10):
        for part in ("weight", "bias"):
            expected.update(state[f"features.{number}.{part}"].numpy().tobytes())
    assert digest(state, ALEX) == expected.hexdigest()
    whole = dict(reversed(state.items())) | {"classifier.1.weight": torch.zeros(2, 2)}
    for name, saved in {"alone": state, "whole": whole, "nested": {"state_dict": state, "epoch": 3}}.items():
        torch.save(saved, tmp_path / name)
        found = load_trunk("alex", str(tmp_path / name), "weights")
        assert list(found) == list(state)
        assert all(torch.equal(found[key], state[key]) for key in state)
    torch.save({f"module.{name}": weight for name, weight in whole.items()}, tmp_path / "parallel")
    found = load_trunk("alex", str(tmp_path / "parallel"), "weights")
    assert all(torch.equal(found[name], state[name]) for name in state)
    assert found.keys() == state.keys()
    torch.save(state, tmp_path / "old", _use_new_zipfile_serialization=False)
    assert load_trunk("alex", str(tmp_path / "old"), "weights").keys() == state.keys()


def test_torchvisions_own_file_is_known_by_its_own_hash_too(tmp_path, monkeypatch):
    """Should its last bits differ from those of the pinned tensors."""
    state = made_up(ALEX.layers)
    torch.save(state, tmp_path / "file.pth")
    found = hashlib.sha256((tmp_path / "file.pth").read_bytes()).hexdigest()
    url = f"https://download.pytorch.org/models/alexnet-owt-{found[:8]}.pth"
    monkeypatch.setitem(weights.TRUNKS, "alex", replace(ALEX, url=url))
    assert torch.equal(load_trunk("alex", str(tmp_path / "file.pth"), "w")["features.0.bias"], state["features.0.bias"])
    assert (TRUNKS["vgg"].file_digest, ALEX.file_digest) == ("397923af", "7be5be79")


def test_imagenet_is_looked_for_in_the_users_folder_and_then_in_torchs_cache(tmp_path, torch_home, monkeypatch):
    first, second = trusted(monkeypatch, "alex"), made_up(ALEX.layers, 1)
    assert ALEX.find() is None
    torch.save(first, torch_home / "alexnet-owt-7be5be79.pth")
    assert ALEX.find() == torch_home / "alexnet-owt-7be5be79.pth"
    assert torch.equal(load_trunk("alex", "imagenet", "w")["features.0.bias"], first["features.0.bias"])
    monkeypatch.setenv("SONOZOO_WEIGHTS", str(tmp_path / "own"))
    with pytest.raises(InputError, match=r"\$SONOZOO_WEIGHTS is '.*own': no such folder; correct it, or unset it"):
        load_trunk("alex", "imagenet", "w")
    (tmp_path / "own").mkdir()
    for name in ("alexnet-owt-7be5be79.pth", "alexnet_features.pth"):
        torch.save(second, tmp_path / "own" / name)
        assert ALEX.find() == tmp_path / "own" / name
    with pytest.raises(InputError, match=r"own/alexnet_features\.pth: has the shapes of AlexNet but other numbers"):
        load_trunk("alex", "imagenet", "w")


@pytest.mark.parametrize("home", [{}, {"TORCH_HOME": "~/t"}, {"XDG_CACHE_HOME": "/x"}])
def test_torchs_cache_is_where_torch_has_it(home, monkeypatch):
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    assert weights.cache() == Path(torch.hub.get_dir()) / "checkpoints"


def test_without_a_file_and_a_network_imagenet_says_what_to_do(torch_home):
    with pytest.raises(InputError) as caught:
        load_trunk("alex", "imagenet", "lpips_weights")
    said = str(caught.value)
    assert "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth cannot be downloaded" in said
    assert "put it into $SONOZOO_WEIGHTS, name its path, or set lpips_weights to null to go without" in said
    assert not list(torch_home.iterdir())


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"phi '.*absent\.pth': no such file; it should be .*vgg16-397923af\.pth"):
        load_trunk("vgg", str(tmp_path / "absent.pth"), "phi")
    with pytest.raises(InputError, match="no such file"):
        load_trunk("vgg", str(tmp_path), "phi")


def test_what_is_no_state_dict_is_refused_and_not_run(tmp_path):
    for given in (b"", b"not a checkpoint", b"\x80\x02}q\x00.", bytes(range(256)) * 9, b"PK\x03\x04 half a zip"):
        assert "cannot be read as weights" in refusal(given, tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "cannot be read as weights" in refusal((tmp_path / "a.zip").read_bytes(), tmp_path)
    good = made_up(ALEX.layers)
    torch.save(good, tmp_path / "good.pth")
    with zipfile.ZipFile(tmp_path / "good.pth") as whole, zipfile.ZipFile(tmp_path / "a.zip", "w", 8) as packed:
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    assert "is compressed, which torch.save never does" in refusal((tmp_path / "a.zip").read_bytes(), tmp_path)
    for given in (
        [torch.zeros(3)], torch.zeros(3), {"features.0.weight": 3}, {"state_dict": [1]},
        {0: torch.zeros(3)}, good | {1: torch.zeros(3)}, {"state_dict": good | {("features", 0): torch.zeros(3)}},
    ):  # fmt: skip
        assert "holds no state dict of tensors" in refusal(given, tmp_path)

    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    assert "cannot be read as weights" in refusal({"features.0.weight": Payload()}, tmp_path)
    assert not (tmp_path / "owned").exists()


def test_of_a_file_by_pickle_alone_our_line_is_all_that_is_said(tmp_path):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert "cannot be read as weights" in refusal(pickle.dumps({"features.0.weight": [1.0]}, 5), tmp_path)
    assert [str(warning.message) for warning in said] == []


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "int64", "complex64"])
def test_the_right_trunk_in_other_numbers_is_told_from_a_retrained_one(kind, tmp_path, monkeypatch):
    state = trusted(monkeypatch, "alex")
    said = refusal({name: weight.to(getattr(torch, kind)) for name, weight in state.items()}, tmp_path)
    assert f"its numbers are {kind} (features.0.weight), where float32 is needed; it should be https://" in said
    state["features.8.bias"] = state["features.8.bias"].to(getattr(torch, kind))
    assert f"its numbers are {kind} (features.8.bias)" in refusal(state, tmp_path)


def test_the_same_numbers_in_float64_are_the_same(tmp_path, monkeypatch):
    state = trusted(monkeypatch, "alex")
    torch.save({name: weight.double() for name, weight in state.items()}, tmp_path / "double.pth")
    found = load_trunk("alex", str(tmp_path / "double.pth"), "weights")
    assert all(torch.equal(found[name], state[name]) for name in state)
    assert {weight.dtype for weight in found.values()} == {torch.float32}


def test_tensors_without_dense_values_are_named(tmp_path, monkeypatch):
    state = trusted(monkeypatch, "alex")
    sparse = state | {"features.3.weight": state["features.3.weight"].to_sparse()}
    assert "features.3.weight is no dense tensor (sparse_coo); it should be https://" in refusal(sparse, tmp_path)
    empty = state | {"features.0.bias": state["features.0.bias"].to("meta")}
    assert "features.0.bias is no dense tensor (meta)" in refusal(empty, tmp_path)


def test_weights_of_another_network_are_told_from_the_right_ones(tmp_path):
    vgg, alex = (made_up(TRUNKS[name].layers) for name in ("vgg", "alex"))
    assert "holds VGG-16, not AlexNet: choose that backbone" in refusal(vgg, tmp_path)
    assert "holds AlexNet, not VGG-16: choose that backbone" in refusal(alex, tmp_path, "vgg")
    with torch.device("meta"):
        others = {name: getattr(torchvision.models, name)(weights=None) for name in ("vgg19", "vgg16_bn", "resnet18")}
    firsts = {"vgg19": "features.16.weight", "vgg16_bn": "features.1.weight", "resnet18": "conv1.weight"}
    for name, first in firsts.items():
        state = {key: torch.zeros(()).expand(w.shape) for key, w in others[name].state_dict().items()}
        assert f"is of another network than VGG-16: it holds {first} (" in refusal(state, tmp_path, "vgg")
    wide = alex | {"features.6.weight": torch.zeros(384, 192, 5, 5)}
    assert "is of another network than AlexNet: it holds features.6.weight (384, 192, 5, 5)" in refusal(wide, tmp_path)
    assert "it holds nothing" in refusal({}, tmp_path)


def test_a_missing_layer_is_named(tmp_path):
    state = made_up(ALEX.layers)
    for name in ("features.8.weight", "features.8.bias"):
        del state[name]
    assert "lacks features.8.weight, features.8.bias of AlexNet; it should be https://" in refusal(state, tmp_path)


def test_right_shapes_with_other_numbers_are_refused(tmp_path, monkeypatch):
    state = trusted(monkeypatch, "alex")
    state["features.3.weight"][5, 6, 2, 2] += 1e-6
    said = refusal(state, tmp_path)
    assert "has the shapes of AlexNet but other numbers, as of an untrained or retrained network" in said
    assert f"begins with {digest(state, ALEX)[:8]}, not {TRUNKS['alex'].digest[:8]}" in said
    assert "other numbers" in refusal(made_up(TRUNKS["vgg"].layers), tmp_path, "vgg")


@pytest.mark.parametrize(
    ("evaluation", "missing"),
    [
        ({}, []),
        ({"lpips_weights": None, "frechet_weights": "file.pth"}, []),
        ({"lpips_weights": "imagenet"}, ["alexnet_features.pth"]),
        ({"lpips_weights": "imagenet", "lpips_backbone": "vgg"}, ["vgg16_features.pth"]),
        ({"lpips_weights": "imagenet", "lpips_backbone": "squeeze"}, []),
        ({"lpips_weights": "imagenet", "frechet_weights": "imagenet"}, ["alexnet_features.pth", "vgg16_features.pth"]),
    ],
)
def test_what_an_evaluation_lacks(evaluation, missing, torch_home):
    found = [how for metric in weights.ON_TRUNKS if (how := metric.missing(evaluation))]
    assert len(found) == len(missing)
    for how, file in zip(found, missing, strict=True):
        assert how.startswith(f"put {file} or https://download.pytorch.org/models/")
        assert how.endswith("into $SONOZOO_WEIGHTS or torch's cache, $TORCH_HOME/hub/checkpoints")
        (torch_home / file).write_bytes(b"")
    assert not any(metric.missing(evaluation) for metric in weights.ON_TRUNKS), "a path is looked for, not read"


def test_asking_where_weights_are_does_not_wait_for_torch():
    code = "import sys, zoo.weights as w; [m.missing({m.key: 'imagenet'}) for m in w.ON_TRUNKS]; "
    code += "print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.strip() == "False"
