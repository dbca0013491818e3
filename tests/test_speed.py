"""What is measured of speed, and that what is timed gives the same output."""

import sys

import pytest
import torch


def test_a_frame_is_the_same_compiled_and_exported(monkeypatch):
    from benchmarks.speed import frames

    for name, value in {"WARM_UP": 1, "FRAMES": 1, "REPEATS": 1}.items():
        monkeypatch.setattr(frames, name, value)
    monkeypatch.setattr(torch, "compile", lambda model: model)
    table = frames.frame_speed("cpu").set_index("sSWE, 64 x 96, batch 1")
    assert list(table.index) == ["plain", "compiled", "ONNX Runtime, CPU"]
    assert (table["difference"].astype(float) < 1e-5).all()
    assert (table["ms a frame"] > 0).all()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "ONNX Runtime, CPU" not in set(frames.frame_speed("cpu").iloc[:, 0]), "left out where it is not installed"


def test_speed_covers_every_method(monkeypatch, capsys):
    from benchmarks.speed import methods as speed
    from zoo import METHODS

    assert set(speed.SIZES) == set(METHODS)
    monkeypatch.setattr(speed, "SIZES", {"sswe": ("swe", (16, 16), 2)})
    monkeypatch.setattr(speed, "METHODS", {"sswe": METHODS["sswe"]})
    table = speed.method_speed("cpu")
    assert table["variant"].tolist() == list(speed.VARIANTS)
    assert (table["parameters"] == 102_273).all()
    assert (table[["step_ms", "inference_ms", "ratio"]] > 0).all(axis=None)
    costs = speed.superpixel_speed(method_ms=1000.0, batch_size=2, images=2).set_index("what")["ms or %"]
    assert costs["SLIC, once an image, one core"] > 0
    carried = costs["carried along and sorted, a batch of 2"]
    assert costs["share of an epoch, %"] == pytest.approx(100 * carried / (1000 + carried), abs=0.05)
