"""Arguments that are one of a few words: one clear line, from Python, a flag, a file and a suite."""

import contextlib
from typing import Literal

import pytest
import yaml

from benchmarks.cells import Cell
from benchmarks.results import CellFolder
from benchmarks.run.cell import run_cell
from datamodules import InputError
from tests import tiny
from zoo import METHODS
from zoo.choices import check_choices, fault_in
from zoo.cli import main

PRESETS = {"cyclegan": "paper, stable", "diagnosis": "paper, stable", "harmonizer": "paper, stable",
           "pix2pix": "native, matched"}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_that_does_not_exist_is_named_with_those_that_do(name):
    with pytest.raises(InputError) as error:
        tiny.method(name, preset="foo")
    assert str(error.value) == f"preset 'foo': {METHODS[name].__name__} has {PRESETS[name]}; choose one"


@pytest.mark.parametrize(
    ("name", "argument"), [("fda", "reference"), ("harmonizer", "mix_on"), ("diagnosis", "second"), ("sswe", "variant")]
)
def test_so_is_every_other_such_argument(name, argument):
    with pytest.raises(InputError, match=f"^{argument} 'foo': {METHODS[name].__name__} has .*; choose one$"):
        tiny.method(name, **{argument: "foo"})


class Example:
    def __init__(self, one: Literal["a", "b"] = "a", other: Literal["c"] | None = None, third: str = "d") -> None:
        check_choices(Example, locals())


def test_all_faults_come_together_and_none_may_be_a_choice():
    Example("b", None, "anything")
    with pytest.raises(InputError) as error:
        Example("x", "y", "z")
    assert str(error.value).splitlines() == [
        "one 'x': Example has a, b; choose one",
        "other 'y': Example has c; choose one",
    ]


@pytest.mark.parametrize("config", ["hsct", "pix2pix"])
@pytest.mark.parametrize("form", ["flag", "file"])
def test_the_command_line_says_it_in_one_line(tmp_path, capsys, config, form):
    (tmp_path / "over.yaml").write_text("model: {init_args: {preset: foo}}")
    more = {"flag": "--model.preset=foo", "file": f"--config={tmp_path / 'over.yaml'}"}[form]
    assert main(tiny.command(config, tmp_path / "out", more)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    owner = METHODS[config].__name__
    assert line.startswith(f"error: preset 'foo': {owner} has ")
    assert line.endswith("; choose one")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("--evaluation.lpips_backbone=foo", "lpips_backbone 'foo': evaluation has alex, vgg; choose one"),
        ("--data.test_split=train", "test_split 'train': PhantomDataModule has test, val; choose one"),
        ("--model.presett=native", "argument 'presett': Pix2Pix has none of that name; correct it"),
    ],
)
def test_so_are_arguments_of_data_and_evaluation_and_those_that_there_are_not(tmp_path, capsys, more, said):
    assert main(tiny.command("pix2pix", tmp_path, more)) == 2
    assert capsys.readouterr().err == f"error: {said}\n"


def test_a_message_on_another_thing_stays_the_parsers():
    several = (
        "Parser key \"a\":\n  Errors:\n    - Expected a <class 'float'>\n"
        "    - Expected a typing.Literal['x']. Got value: y"
    )
    assert fault_in(several) == "", "a number would do as well"
    assert fault_in("Parser key \"a\":\n  Expected a <class 'float'>") == ""
    assert fault_in("unrecognized arguments: --trainerr.x=3") == ""
    assert fault_in("Option 'x' is not accepted") == "", "whose it is is not known"
    optional = several.replace("<class 'float'>", "<class 'NoneType'>")
    assert fault_in(optional) == "a 'y': the command line has x; choose one"


def test_a_cell_of_a_suite_fails_with_that_line(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.run.cell._output_to", lambda path: contextlib.nullcontext())
    config = tiny.config("hsct")
    config["model"]["init_args"]["preset"] = "foo"
    config.pop("tiny")
    folder = CellFolder(tmp_path / "cells" / Cell("t", "HSC-T", 0, 0, config).hash)
    with pytest.raises(SystemExit) as ended:
        run_cell(folder, yaml.safe_load(yaml.safe_dump(config)), 1)
    assert ended.value.code == 1
    assert folder.failure.startswith("preset 'foo': HSCT has ")
