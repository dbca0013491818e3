"""What is measured of speed, and that what is timed gives the same output."""

import sys

import pytest
import torch
import yaml

from benchmarks.speed import frames
from benchmarks.speed.methods import CONFIGS, VARIANTS, Workload, method_speed
from benchmarks.speed.superpixels import superpixel_speed
from zoo import METHODS


def test_a_frame_is_the_same_compiled_and_exported(monkeypatch):
    for name, value in {"WARM_UP": 1, "FRAMES": 1, "REPEATS": 1}.items():
        monkeypatch.setattr(frames, name, value)
    monkeypatch.setattr(torch, "compile", lambda model: model)
    table = frames.frame_speed("cpu").set_index("sSWE, 64 x 96, batch 1")
    assert list(table.index) == ["plain", "compiled", "ONNX Runtime, CPU"]
    assert (table["difference"].astype(float) < 1e-5).all()
    assert (table["ms a frame"] > 0).all()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "ONNX Runtime, CPU" not in set(frames.frame_speed("cpu").iloc[:, 0]), "left out where it is not installed"


@pytest.mark.parametrize("name", METHODS.trained_translators())
def test_a_methods_work_is_that_of_its_config(name):
    work, config = Workload.of(name), yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    assert list(work.size) == config["data"]["init_args"]["size"]
    assert work.batch_size == config["data"]["init_args"]["batch_size"]
    assert work.task.name == config["data"]["init_args"]["task"]
    assert not [key for key, value in work.arguments.items() if key.endswith("weights") and value is not None]


def small_config(folder, name: str, path=None):
    """The folder with the method's config at its tiny size."""
    config = yaml.safe_load((path or CONFIGS / f"{name}.yaml").read_text())
    config["model"].setdefault("init_args", {}).update(config.get("tiny", {}).get("model", {}))
    config["data"]["init_args"] |= {"size": [32, 32], "batch_size": 2}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.parametrize("name", ["sswe", "pix2pix"])
def test_every_variant_is_timed_with_its_ratio(name, tmp_path):
    """One optimizer, and two that take turns."""
    table = method_speed("cpu", [name], small_config(tmp_path, name))
    assert table["variant"].tolist() == list(VARIANTS)
    assert table["parameters"].nunique() == 1
    assert (table[["step_ms", "latency_ms", "latency_p95_ms", "images_s", "gflops", "ratio"]] > 0).all(axis=None)
    assert (table["memory_mib"] > 50).all(), "of the whole process"
    assert table["gflops"].nunique() == 1, "the same work in any precision"
    assert table["ratio"][0] == 1


def test_superpixels_are_a_share_of_an_epoch():
    costs = superpixel_speed(method_ms=1000.0, batch_size=2, images=2).set_index("what")["ms or %"]
    assert costs["SLIC, once an image, one core"] > 0
    carried = costs["carried along and sorted, a batch of 2"]
    assert costs["share of an epoch, %"] == pytest.approx(100 * carried / (1000 + carried), abs=0.05)
