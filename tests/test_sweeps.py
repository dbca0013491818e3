"""Whether a sweep can do what it says: the repository's own, and each that cannot."""

import pytest
import yaml

from datamodules import InputError
from tests.conftest import ROOT
from zoo.sweeps import check_sweep, main

SWEEPS = ROOT / "configs" / "sweeps"
COMMAND = ["${interpreter}", "-m", "zoo", "fit", "--config=configs/sswe.yaml", "${args}"]
PAIRED = [word.replace("sswe", "pix2pix") for word in COMMAND]
GOOD = {
    "method": "grid",
    "metric": {"name": "val/RMSE", "goal": "minimize"},
    "parameters": {"model.init_args.width": {"values": [4, 8]}, "data.init_args.batch_size": {"min": 1, "max": 8}},
    "command": COMMAND,
}


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def sweep_file(folder, **keys):
    (folder / "sweep.yaml").write_text(yaml.safe_dump(GOOD | keys))
    return folder / "sweep.yaml"


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_sweep_can_be_sent(path, capsys):
    assert main([str(path)]) == 0
    assert f"{path}: can be sent" in capsys.readouterr().out


def test_values_of_every_kind_are_taken_as_an_agent_gives_them(tmp_path):
    """An agent writes ``none`` and ``true`` bare."""
    given = {
        "model.init_args.variant": {"value": "count158k"},
        "model.init_args.channels_last": {"values": [True, False]},
    }
    check_sweep(sweep_file(tmp_path, parameters=given | {"trainer.max_epochs": {"values": [None, 3]}}))


@pytest.mark.parametrize("name", ["unpaired", "cycle", "Frechet texture", "structure"])
def test_a_cyclegan_may_go_by_the_criterion_that_needs_no_pairs(tmp_path, name):
    command = [word.replace("sswe", "harmonizer") for word in COMMAND]
    given = {"parameters": {"model.lambda_cycle": {"values": [5, 10]}}, "command": command}
    check_sweep(sweep_file(tmp_path, metric={"name": f"val/{name}", "goal": "minimize"}, **given))
    with pytest.raises(InputError, match="is better the lower, and goal is maximize; write goal: minimize"):
        check_sweep(sweep_file(tmp_path, metric={"name": f"val/{name}", "goal": "maximize"}, **given))


def test_without_a_file_it_says_how_it_is_used(capsys):
    assert main([]) == 2
    assert capsys.readouterr() == ("", "usage: python -m zoo.sweeps FILE ...\n")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"metric": None}, "names no validation metric; write metric: {name: val/SSIM, goal: maximize}, or another"),
        ({"metric": {"goal": "maximize"}}, "names no validation metric; write metric"),
        ({"metric": "val/SSIM"}, "names no validation metric; write metric"),
        (
            {"metric": {"name": "test/SSIM", "goal": "maximize"}},
            "metric 'test/SSIM' is no validation metric; write metric",
        ),
        (
            {"metric": {"name": "loss/total", "goal": "maximize"}},
            "metric 'loss/total' is no validation metric",
        ),
        (
            {"metric": {"name": "val/SSIMM", "goal": "maximize"}},
            "metric 'val/SSIMM' is not one of these runs",
        ),
        (
            {"metric": {"name": "val/AUC", "goal": "maximize"}},
            "metric 'val/AUC' is not one of these runs",
        ),
        (
            {"metric": {"name": "val/RMSE"}},
            "metric 'val/RMSE' has no goal; write goal: maximize, or",
        ),
        ({"metric": {"name": "val/RMSE", "goal": "least"}}, "goal 'least' is none; write goal: maximize, or minimize"),
        ({"metric": {"name": "val/RMSE", "goal": ["minimize"]}}, "goal '['minimize']' is none; write goal: maximize"),
        (
            {"metric": {"name": "val/RMSE", "goal": "maximize"}},
            "metric 'val/RMSE' is better the lower, and goal is maximize; write goal: minimize",
        ),
        (
            {"metric": {"name": "val/SSIM", "goal": "minimize"}, "command": PAIRED},
            "metric 'val/SSIM' is better the higher, and goal is minimize; write goal: maximize",
        ),
        (
            {"metric": {"name": "val/unpaired", "goal": "minimize"}, "command": PAIRED},
            "metric 'val/unpaired' is not one of these runs; they log val/",
        ),
        (
            {"command": [*COMMAND[:-1], "--trainer.limit_val_batches=0", "${args}"]},
            "command: trainer.limit_val_batches is 0, so nothing is validated; raise it above 0",
        ),
        ({"command": COMMAND[:-1]}, "command has to be ${interpreter} -m zoo fit ... ${args}"),
        ({"command": None}, "command has to be ${interpreter} -m zoo fit ... ${args}"),
        ({"command": ["python", "train.py", "${args}"]}, "command has to be ${interpreter} -m zoo fit ... ${args}"),
        (
            {"command": ["-m", "zoo", "fit", "--config=configs/no.yaml", "${args}"]},
            "command names 'configs/no.yaml': no such file; correct it",
        ),
        ({"command": [*COMMAND[:-1], "--model.widths=3", "${args}"]}, "command: argument 'widths': SSWE has none"),
        ({"parameters": {}}, "has no 'parameters'"),
        (
            {"parameters": {"model.init_args.widths": {"value": 4}}},
            "model.init_args.widths: argument 'widths': SSWE ha",
        ),
        ({"parameters": {"model.width": {"values": [4, "wide"]}}}, "model.width: "),
        (
            {"parameters": {"model.variant": {"values": ["text", "foo"]}}},
            "model.variant: variant 'foo': SSWE has text, count158k; choose one",
        ),
        ({"parameters": {"nobody.width": {"value": 4}}}, "nobody.width: "),
        (
            {"parameters": {"model.width": {"distribution": "normal", "mu": 4}}},
            "model.width: give it values, a value, or",
        ),
        ({"parameters": {"model.width": {"values": 4}}}, "model.width: give it values, a value, or min and max"),
        ({"parameters": {"model.width": {"values": []}}}, "model.width: give it values, a value, or min and max"),
        ({"parameters": {"model.widths": {"values": [4, 8]}}}, "model.widths: argument 'widths': SSWE has none of tha"),
        ({"parameters": {"model.width": 4}}, "model.width: give it values, a value, or min and max"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_in_one_line(tmp_path, capsys, keys, message):
    path = sweep_file(tmp_path, **keys)
    assert main([str(path)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {path}: {message}")


@pytest.mark.parametrize("text", [b"metric: [", b"- a", "name: \u00e4".encode("utf-16")])
def test_what_is_no_sweep_is_refused(tmp_path, capsys, text):
    (tmp_path / "sweep.yaml").write_bytes(text)
    assert main([str(tmp_path / "sweep.yaml")]) == 2
    assert main([str(tmp_path / "none.yaml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
