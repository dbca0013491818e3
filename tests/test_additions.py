"""What CONTRIBUTING.md promises: a method is a row of a suite and of the speed table by its config alone; a dataset is
one file and one config, an analysis one file and one line."""

import re
import shutil
import sys

import pandas as pd
import pytest
import yaml

from benchmarks.__main__ import main
from benchmarks.analyses.registry import ANALYSES
from benchmarks.results import Results
from benchmarks.run.cell import _run
from benchmarks.speed.methods import method_speed
from benchmarks.suite import read_suite
from benchmarks.tables.make import make_tables
from datamodules import InputError
from datamodules.phantom.__main__ import main as write_phantoms
from tests import tiny
from tests.conftest import ROOT
from tests.test_speed import small_config
from zoo.cli import main as sonozoo

SMALL = {"size": [32, 32], "batch_size": 4, "augmentation": None, "fractions": [0.5, 0.2, 0.3]}
QUICK = {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0}
U_NET = {"config": "sswe.yaml", "model": {"width": 4}}


def example(file: str) -> str:
    """The block of CONTRIBUTING.md that begins with the file's name."""
    blocks = re.findall(r"```(?:python|yaml)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    (block,) = (block for block in blocks if block.startswith(f"# {file}\n"))
    return block


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A folder on the path of this process and of those that it starts."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    yield tmp_path
    sys.modules.pop("myset", None)
    sys.modules.pop("brightness", None)


def make_images(folder):
    """Twelve pairs in the layout that the example reads."""
    assert write_phantoms(["--out", str(folder / "made"), "--patients", "12", "--task", "enhancement",
                           "--size", "32", "32"]) == 0  # fmt: skip
    for side, own in (("source", "b"), ("target", "e")):
        (folder / "images" / own).mkdir(parents=True)
        for number, path in enumerate(sorted((folder / "made" / side).iterdir())):
            shutil.copy(path, folder / "images" / own / f"p{number:03}_0.png")
    return folder / "images"


def test_the_example_method_is_timed_and_stands_in_a_table(example_method, tmp_path, capsys):
    name, config = example_method
    shutil.copy(config, tmp_path)
    row = {"config": config.name, "model": tiny.shrunk(name)}
    table = {"title": "New", "metrics": ["SSIM"], "data": SMALL | {"patients": 12}, "trainer": QUICK,
             "rows": {"Regression": row}}  # fmt: skip
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}))
    assert main(["run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 0
    (printed,) = make_tables(Results(tmp_path / "out"))
    *rows, ceiling = printed.wide().index
    assert rows == ["identity", "mean", "linear", "Regression"]
    assert ceiling.startswith("ceiling [")
    assert printed.cells["mean"].notna().all()
    capsys.readouterr()
    speed = method_speed("cpu", [name], small_config(tmp_path, name, config))
    assert (speed["method"] == name).all()
    assert (speed[["step_ms", "latency_ms"]] > 0).all(axis=None)


def test_the_example_dataset_is_trained_on_and_stands_in_a_table(modules, capsys):
    (modules / "myset.py").write_text(example("datamodules/myset.py"))
    config = yaml.safe_load(example("configs/data/myset.yaml").replace("datamodules.myset", "myset"))
    config["data"]["init_args"] |= SMALL
    (modules / "myset.yaml").write_text(yaml.safe_dump(config))
    images = make_images(modules)
    arguments = ["--config", str(ROOT / "configs" / "sswe.yaml"), "--config", str(modules / "myset.yaml")]
    settings = [f"--data.root={images}", "--model.width=4", "--trainer.max_epochs=1", "--trainer.accelerator=cpu",
                f"--trainer.logger.save_dir={modules}", "--trainer.enable_progress_bar=false"]  # fmt: skip
    assert sonozoo(["fit", *arguments, *settings]) == 0
    splits = pd.read_csv(modules / "lightning_logs" / "version_0" / "splits.csv")
    assert splits["patient"].nunique() == len(splits) == 12

    table = {"title": "Mine", "metrics": ["SSIM"], "data": SMALL | {"class_path": "myset.MySet", "root": None},
             "trainer": QUICK, "rows": {"U-Net": U_NET}}  # fmt: skip
    (modules / "tiny.yaml").write_text(yaml.safe_dump({"tables": {"mine": table}}))
    command = ["run", str(modules / "tiny.yaml"), "--out", str(modules / "out"), "--jobs", "1"]
    assert main(command) == 2, "it waits for its folder"
    assert "name the folder of images by --data MySet=DIR" in capsys.readouterr().err
    assert main([*command, "--data", f"MySet={images}"]) == 0
    assert "Measured on MySet: task MySet, 32 x 32 pixels, images 6 train, 2 val, 4 test." in capsys.readouterr().out


def test_the_example_analysis_is_asked_for_measured_and_printed(modules, monkeypatch):
    (modules / "brightness.py").write_text(example("benchmarks/analyses/brightness.py"))
    from brightness import Brightness  # type: ignore[import-not-found]

    monkeypatch.setitem(ANALYSES, "brightness", Brightness())
    table = {"title": "Bright", "metrics": ["SSIM"], "brightness": True, "trainer": QUICK,
             "data": SMALL | {"patients": 12}, "rows": {"U-Net": U_NET}}  # fmt: skip
    (modules / "tiny.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}))
    suite, results = read_suite(str(modules / "tiny.yaml")), Results(modules / "out")
    results.write_plan(suite.plan())
    for cell in suite.cells:
        if cell.row == "U-Net":
            _run(results.cell(cell.hash), cell.config, progress=lambda fraction: None)
    printed = {table.key: table for table in make_tables(results)}["t_brightness"]
    assert 0 <= float(printed.wide().loc["U-Net", "brightness, fold 0"]) <= 255
    assert "Brightness of: Bright" in printed.markdown()
    table["brightness"] = "very"
    (modules / "tiny.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}))
    with pytest.raises(InputError, match="table 't': brightness is 'very'; write true"):
        read_suite(str(modules / "tiny.yaml"))
