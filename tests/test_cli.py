"""The command line: every shipped config runs, every piece of bad input ends with status 2 and one clear line."""

import runpy
import subprocess
import sys
import tomllib

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from tests import tiny
from tests.conftest import ROOT
from zoo import METHODS
from zoo.cli import SonozooCLI, main

CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml") if path.stem not in ("diagnosis", "fda"))


@pytest.fixture
def pairs(tmp_path):
    """Twenty grey-to-colour pairs in a folder."""
    rng = np.random.default_rng(0)
    for index in range(20):
        for side, shape in (("source", (32, 32)), ("target", (32, 32, 3))):
            (tmp_path / "pairs" / side).mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(
                tmp_path / "pairs" / side / f"{index}.png"
            )
    return tmp_path / "pairs"


def status(arguments: list[str]) -> int:
    """The exit status, whether returned or raised by the parser."""
    try:
        return main(arguments)
    except SystemExit as error:
        return error.code


@pytest.mark.parametrize("config", CONFIGS)
def test_every_shipped_config_names_a_method_and_runs(config, tmp_path):
    assert METHODS.by_class_name(tiny.config(config)["model"]["class_path"])
    arguments = tiny.command(config, tmp_path, "--trainer.max_epochs=1", "--trainer.limit_train_batches=2")
    assert main(arguments) == 0
    assert (tmp_path / "lightning_logs" / "version_0" / "checkpoints" / "last.ckpt").is_file()


def test_what_makes_a_config_small_is_taken_and_not_used():
    cli = SonozooCLI(["--config", str(ROOT / "configs" / "sswe.yaml"), "--data.patients=1"], run=False)
    assert cli.config.tiny["model"]["width"] == 4
    assert cli.model.hparams["width"] == 32


def test_the_folder_config_trains_on_a_users_own_pairs(pairs, tmp_path):
    arguments = tiny.command("pix2pix", tmp_path / "out", "--trainer.max_epochs=1")
    arguments = [argument for argument in arguments if "patients" not in argument]
    arguments.insert(2, f"--config={ROOT / 'configs' / 'data' / 'folder.yaml'}")
    assert main([*arguments, f"--data.root={pairs}", "--data.spacing=null"]) == 0
    scores = pd.read_csv(tmp_path / "out" / "lightning_logs" / "version_0" / "scores_val.csv", dtype={"id": str})
    assert set(scores["id"]) <= {str(index) for index in range(20)}


def test_the_busi_config_predicts_on_images_without_targets(tmp_path):
    for label in ("benign", "malignant", "normal"):
        (tmp_path / "busi" / label).mkdir(parents=True)
        for number in range(1, 5):
            Image.new("L", (40, 40), 20 * number).save(tmp_path / "busi" / label / f"{label} ({number}).png")
    arguments = [a for a in tiny.command("pix2pix", tmp_path / "out") if "patients" not in a]
    arguments.insert(2, f"--config={ROOT / 'configs' / 'data' / 'busi.yaml'}")
    assert main(["predict", *arguments[1:], f"--data.root={tmp_path / 'busi'}"]) == 0
    folder = tmp_path / "out" / "lightning_logs" / "version_0" / "predictions"
    written = pd.read_csv(folder / "predictions.csv")
    assert "benign (2)" in set(written["id"])
    assert np.asarray(Image.open(folder / "benign_(2).png")).shape == (32, 32, 3)


def test_overrides_for_trainer_and_logger(tmp_path, monkeypatch):
    arguments = tiny.command("sswe", tmp_path, "--trainer.max_epochs=1")
    arguments = [a for a in arguments if "logger" not in a]
    arguments.insert(2, f"--config={ROOT / 'configs' / 'trainer' / 'wandb.yaml'}")
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--trainer.logger.save_dir=."]) == 0
    run = next((tmp_path / "wandb").glob("offline-run-*"))
    assert list(run.glob("*.wandb"))
    assert list((run / "files" / "media" / "images" / "val").glob("translations*.png")), "the grid reached the logger"
    gpu = yaml.safe_load((ROOT / "configs" / "trainer" / "gpu.yaml").read_text())
    assert gpu["trainer"] == {"accelerator": "gpu", "precision": "bf16-mixed"}


@pytest.mark.parametrize("format", ["auto", "npy"])
def test_physical_predictions_keep_their_unit(tmp_path, format):
    arguments = tiny.command("sswe", tmp_path, f"--predictions.format={format}")
    assert main(["predict", *arguments[1:]]) == 0
    folder = tmp_path / "lightning_logs" / "version_0" / "predictions"
    written = pd.read_csv(folder / "predictions.csv")
    assert (written["unit"] == "kPa").all()
    file = folder / written["file"][0]
    values = np.load(file) if format == "npy" else np.asarray(Image.open(file)) / 65535 * 180
    assert file.suffix == (".npy" if format == "npy" else ".tiff")
    assert values.shape == (32, 32)
    assert 60 < values.mean() < 120, "an untrained sigmoid is near the middle of 0 to 180 kPa"


BAD = {
    "unknown key": (["--data.patience=3"], "patience"),
    "unknown method": (["--model=Pix3Pix"], "Pix3Pix"),
    "wrong type": (["--data.batch_size=many"], "batch_size"),
    "fold": (["--data.fold=3"], "fold 3 does not exist: there are 3 folds, 0 to 2"),
    "fractions": (["--data.fractions=[0.5,0.5,0.5]"], "add up to 1"),
    "unpaired data": (
        ["--data.task=harmonization"],
        "trains on pairs, and the task 'harmonization' has none",
    ),
    "no patients": (["--data.patients=0"], "simulate at least one"),
    "empty split": (["--data.patients=1"], "is empty"),
    "lpips": (["--evaluation.lpips_weights=/nowhere/vgg.pth"], "lpips_weights '/nowhere/vgg.pth': no such file"),
    "fid": (["--evaluation.fid_weights=/nowhere/inception.pth"], "fid_weights '/nowhere/inception.pth': no such file"),
    "config": (["--config=/nowhere/a.yaml"], "/nowhere/a.yaml"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_ends_with_status_2_before_anything_is_written(name, tmp_path, capsys):
    more, message = BAD[name]
    assert status(tiny.command("pix2pix", tmp_path / "out", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bad_files_end_with_status_2_and_a_line_each(pairs, tmp_path, capsys):
    (pairs / "source" / "3.png").write_bytes(b"")
    Image.new("RGB", (8, 8)).save(pairs / "target" / "5.png")
    arguments = [a for a in tiny.command("pix2pix", tmp_path / "out") if "patients" not in a]
    arguments.insert(2, f"--config={ROOT / 'configs' / 'data' / 'folder.yaml'}")
    assert status([*arguments, f"--data.root={pairs}"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "3.png" in errors[0]
    assert "5.png" in errors[1]
    assert not (tmp_path / "out").exists()


def test_a_training_is_not_continued_as_another_one(tmp_path, capsys):
    """Lightning would overrule what is asked for by what the checkpoint has, without a word."""
    arguments = tiny.command("hsct", tmp_path, "--trainer.max_epochs=1", "--model.preset=tuned")
    assert main(arguments) == 0
    path = tmp_path / "lightning_logs" / "version_0" / "checkpoints" / "last.ckpt"
    again = [*arguments, f"--ckpt_path={path}", "--trainer.max_epochs=2"]
    others = (("patch_mlp", "separate", "shared"), ("patch_mlp", "ema", "shared"), ("preset", "paper", "tuned"))
    for name, asked, trained in (*others, ("heads", 4, 2), ("lambda_patch", 0.1, 0.8)):
        assert main([*again, f"--model.{name}={asked}"]) == 2
        message = f"last.ckpt: was trained with {name} {trained}, not {asked}; go on with --model.{name} {trained}"
        assert message in capsys.readouterr().err
    test = ["test", *again[1:-1]]
    assert main([*test, "--model.patch_mlp=ema"]) == 2
    assert "was trained with patch_mlp shared, not ema" in capsys.readouterr().err
    assert main([*test, "--model.lambda_patch=0.1"]) == 0, "a test does without the loss"
    assert main([*again, "--model.patch_mlp=shared"]) == 0, "as the preset has it"


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path, capsys):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"state_dict": {}, "evil": Payload()}, tmp_path / "evil.ckpt")
    assert main(["test", *tiny.command("sswe", tmp_path)[1:], f"--ckpt_path={tmp_path / 'evil.ckpt'}"]) == 2
    assert "evil.ckpt: not a checkpoint; it is damaged, or holds more than weights" in capsys.readouterr().err
    assert not (tmp_path / "owned").exists()


def test_two_processes_train_and_score_every_image_once(tmp_path):
    more = ["--trainer.devices=2", "--trainer.strategy=ddp_find_unused_parameters_true", "--trainer.max_epochs=1"]
    command = [sys.executable, "-m", "zoo", *tiny.command("pix2pix", tmp_path, *more)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("12 images of 12 patients") == 1, "the summary is one process' matter"
    scores = pd.read_csv(tmp_path / "lightning_logs" / "version_0" / "scores_val.csv")
    alone = tiny.data("elastography")
    alone.prepare_data()
    assert sorted(scores["id"]) == sorted(alone.rows["id"][alone.rows["split"] == "val"])


def test_heavy_packages_are_imported_where_they_are_used():
    heavy = ("wandb", "lpips", "albumentations", "pydicom", "timm", "sklearn")
    code = f"import sys, zoo.cli; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


def test_methods_run_where_optional_packages_are_missing(tmp_path):
    """Without wandb, lpips and pydicom, training on phantoms works, and DICOM says what it needs."""
    code = (
        "import sys\n"
        "for name in ('wandb', 'lpips', 'pydicom', 'albumentations'): sys.modules[name] = None\n"
        "from datamodules.readers import read_image\n"
        "from zoo.cli import main\n"
        "_, dicom, *arguments = sys.argv\n"
        "augmented = [*arguments[:-1], '--data.augmentation.horizontal_flip=0.5']\n"
        "print('statuses', main(arguments), main(augmented))\n"
        "read_image(dicom)\n"
    )
    arguments = tiny.command("sswe", tmp_path, "--trainer.max_epochs=1", "--data.augmentation=null")
    (tmp_path / "a.dcm").write_bytes(b"x" * 200)
    command = [sys.executable, "-c", code, str(tmp_path / "a.dcm"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "statuses 0 2", done.stderr
    assert "augmentation: needs albumentations" in done.stderr
    assert "reading DICOM needs pydicom; pip install pydicom" in done.stderr


def test_the_three_entry_points_are_one(monkeypatch, capsys):

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"lightning": "zoo.cli:main", "sonozoo": "zoo.cli:main"}
    monkeypatch.setattr(sys, "argv", ["sonozoo", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("zoo", run_name="__main__")
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("fit", "validate", "test", "predict"))
