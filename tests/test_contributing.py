"""What CONTRIBUTING.md adds works as it is printed there. Its method goes through the whole of test_contract.py."""

import os
import subprocess
import sys

import pytest
import torch

from datamodules.batch import Signal
from tests import contributing, tiny
from tests.conftest import ROOT
from zoo import METHODS, metrics
from zoo.networks.unet import UNet


def test_the_method_is_registered_and_small_by_its_own_config(example_method):
    name, config = example_method
    assert name in METHODS.trained_translators()
    assert tiny.config_path(name) == config
    assert isinstance(tiny.method(name).network, UNet)
    assert sum(p.numel() for p in tiny.method(name).parameters()) < sum(p.numel() for p in UNet(1, 3).parameters()) / 99


def test_another_process_finds_it_by_the_path_that_its_config_gives(example_method):
    _, config = example_method
    code = (
        "import sys\nfrom zoo.cli import SonozooCLI\n"
        "size = ['--data.patients=1', '--model.depth=2', '--model.width=4']\n"
        "cli = SonozooCLI(['--config', sys.argv[1], *size], run=False)\n"
        "print(type(cli.model).__name__, cli.model.out_channels)"
    )
    path = os.pathsep.join([str(contributing.folder()), str(ROOT)])
    found = subprocess.run(
        [sys.executable, "-c", code, str(config)],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert found.stdout.split() == ["Regression", "3"]


def test_the_metric_is_scored_once_it_is_listed(monkeypatch, tmp_path):
    (block,) = [block for block in contributing.blocks("python") if "class MaximumError" in block]
    scope: dict = {}
    exec(block, scope)
    metric = scope["MaximumError"]
    monkeypatch.setitem(metrics.METRICS, metric.name, metric)
    kpa = Signal(1, 0.0, 180.0, "kPa")
    target, valid = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8, dtype=torch.bool)
    prediction = target.clone()
    prediction[0, 0, 3, 3], prediction[1, 0, 0, 0], valid[1, 0, 0, 0] = 0.5, 1.0, False
    assert metrics.make_metrics(("target",), kpa)["MaxAE"].per_image(prediction, target, valid).tolist() == [90.0, 0.0]
    data = tiny.data("swe")
    evaluation = tiny.evaluation(data.task, tmp_path)
    (means,) = tiny.trainer(tmp_path, callbacks=[evaluation]).test(tiny.method("sswe"), data, verbose=False)
    assert means["test/MaxAE"] > means["test/MAE"] > 0
    (facts,) = [facts for facts in evaluation.described() if facts["name"] == "MaxAE"]
    assert facts == metric.facts()
    assert (facts["unit"], facts["digits"], facts["higher_is_better"]) == ("target", 1, False)


@pytest.mark.parametrize("name", sorted(METHODS.paths))
def test_every_method_is_told_of_as_the_example_is(name):
    """One module, one config, one line and one row."""
    assert f'"{name}": "zoo.methods.{name}.' in (ROOT / "zoo" / "registry.py").read_text()
    assert f"configs/{name}.yaml" in (ROOT / "README.md").read_text()
