"""What the documentation says is true: its commands run, its links lead somewhere, its examples work."""

import json
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from datamodules.elastogram import main as write_pairs
from datamodules.phantom.__main__ import main as write_phantoms
from datamodules.usenhance import HIGH, LOW, ORGANS
from tests.conftest import ROOT
from tests.tiny import TINY, yaml_value
from zoo.cli import main

README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", README, re.S) for line in block.strip().splitlines()]
SETUP = ("pip install -e '.[radiomics]' && python -m benchmarks run quick", "pip install -e '.[test]' && pytest")


def test_the_two_commands_stand_first_and_ci_runs_them():
    assert tuple(COMMANDS[:2]) == SETUP
    ci = (ROOT / ".ci" / "run").read_text()
    assert "pip install -q -e '.[radiomics]' && python -m benchmarks run quick" in ci
    assert "pip install -q -e '.[test]' && pytest" in ci


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("sonozoo")])
def test_commands_of_methods_run(command, tmp_path, monkeypatch):
    """As printed, but tiny, and with this test's own folders in place of DIR and the checkpoints."""
    name = re.search(r"configs/(\w+)\.yaml", command)[1]
    size = _tiny(name)
    size += [
        "--data.size=[32,32]",
        "--data.batch_size=2",
        "--trainer.max_epochs=1",
        "--trainer.enable_progress_bar=false",
    ]
    words = shlex.split(command)[1:]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    if "DIR" in words:
        kind = next((kind for kind in ("busi", "usenhance", "devices") if kind in command), "pairs")
        words[words.index("DIR")] = str(make_images(tmp_path, kind))
    elif "--data.patients" not in words:
        size.append("--data.patients=12")
    if "--model.translator" in words:
        main(["fit", "--config", "configs/hsct.yaml", *_tiny("hsct"), *size[len(_tiny(name)) :]])
    if "--ckpt_path" in words:
        main(["fit", "--config", f"configs/{name}.yaml", *size, "--data.patients=12"])
        words[words.index("--ckpt_path") + 1] = f"results/{name}/lightning_logs/version_0/checkpoints/last.ckpt"
    assert main([*words, *size]) == 0


def _tiny(name: str) -> list[str]:
    diagnosis = {"backbone": "test_resnet", "size": 32}
    if name == "fda":
        return []
    method = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())["model"]["class_path"].lower()
    arguments = diagnosis if name == "diagnosis" else TINY[method][1]
    return [f"--model.{key}={yaml_value(value)}" for key, value in arguments.items()]


def make_images(folder, kind: str):
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    names = [f"source/{i}.png" for i in range(12)] + [f"target/{i}.png" for i in range(12)]
    if kind == "busi":
        names = [f"{label}/{label} ({i}).png" for label in ("benign", "malignant", "normal") for i in range(1, 7)]
    if kind == "devices":
        names = [f"{device}/{i}.png" for device in ("a", "b", "reference") for i in range(10)]
    if kind == "usenhance":
        names = [f"train_datasets/{o}/{q}/{i}.png" for o in ORGANS for q in (LOW, HIGH) for i in range(3)]
        names += [f"test_datasets/{organ}/{LOW}/{i}.png" for organ in ORGANS for i in range(2)]
    for name in names:
        path = folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(path)
    return folder / kind


def test_the_phantom_command_runs(tmp_path):
    (command,) = [c for c in COMMANDS if "datamodules.phantom" in c]
    words = shlex.split(command.replace("--out phantoms", f"--out {tmp_path / 'phantoms'}"))
    subprocess.run([sys.executable, *words[1:], "--size", "32", "32"], check=True, cwd=ROOT)
    assert len(list((tmp_path / "phantoms" / "source").iterdir())) == 20


def test_the_elastogram_commands_run(tmp_path, monkeypatch, capsys):
    (draw,) = re.findall(r"`python -m datamodules.phantom ([^`]* --screens \w+)`", README)
    (read,) = [c for c in COMMANDS if "datamodules.elastogram" in c]
    monkeypatch.chdir(tmp_path)
    assert write_phantoms([*shlex.split(draw), "--patients", "2", "--size", "64", "64"]) == 0
    words = [{"FRAMES": "phantoms/screens", "DIR": "pairs"}.get(word, word) for word in shlex.split(read)[3:]]
    assert write_pairs(words) == 0
    assert len(list((tmp_path / "pairs" / "target").iterdir())) == 2
    capsys.readouterr()


def test_the_other_commands_are_known():
    known = ("sonozoo", "python -m datamodules.phantom", "python -m benchmarks run quick", *SETUP)
    remade = (
        "python -m benchmarks speed",
        "python -m benchmarks tables results/quick",
        "python -m benchmarks report results/quick",
        "wandb sweep configs/sweeps/hsct_lambda.yaml",
        "python -m datamodules.usenhance DIR",
        "wandb sweep configs/sweeps/sswe_grid.yaml",
        "python -m benchmarks run harmonizer_small",
        "python -m benchmarks run sswe_small",
        "python -m datamodules.elastogram FRAMES --out DIR --high 180 --unit kPa",
    )
    assert all(command.startswith(known) or command in remade for command in COMMANDS)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "benchmarks/results/README.md"])
def test_links_and_named_files_exist(document):
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            relative = (ROOT / document).parent / target
            assert relative.exists() or (ROOT / "configs" / target).exists(), target
    for path in re.findall(r"`((?:zoo|datamodules|benchmarks|configs|tests)/[\w/.]+\.\w+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_run(notebook, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    scope: dict = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), notebook.name, "exec"), scope)
    assert scope["translation"].shape == scope["batch"]["target"].shape


def test_the_examples_of_contributing_work():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    header = (
        "from pathlib import Path\nfrom typing import Any\nimport pandas as pd\n"
        "import torch\nfrom torch import Tensor, nn\n"
        "from datamodules.batch import Batch\nfrom datamodules.folder import FileDataModule\n"
        "from datamodules.manifest import Manifest, make_manifest\nfrom zoo.translator import Translator\n"
    )
    import textwrap

    scope: dict = {}
    for block in blocks:
        exec(header + textwrap.dedent(block), scope)
    import torch

    batch = {"source": torch.rand(2, 1, 16, 16), "target": torch.rand(2, 3, 16, 16)}
    model = scope["Regression"](in_channels=1, out_channels=3)
    assert model.losses(batch)["total"] > 0
    assert scope["MySet"](root=ROOT).task.name == "MySet"


def test_shipped_yaml_is_yaml():
    for path in [*(ROOT / "configs").rglob("*.yaml"), *(ROOT / "benchmarks").rglob("*.yaml")]:
        assert isinstance(yaml.safe_load(path.read_text()), dict), path
