"""METHODS: who is in it, when they are imported, and what it says of names it does not know."""

import subprocess
import sys

import pytest

import zoo
from datamodules import InputError
from tests.conftest import ROOT
from zoo.methods.diagnosis import Diagnosis
from zoo.methods.sswe import SSWE
from zoo.registry import METHODS, Registry


def test_all_methods_are_in_it_and_each_has_a_config():
    files = {path.stem for path in (ROOT / "zoo" / "methods").glob("[!_]*.py")}
    assert set(METHODS.paths) == files
    assert all((ROOT / "configs" / f"{name}.yaml").is_file() for name in METHODS.paths)
    assert METHODS["diagnosis"] is Diagnosis
    assert METHODS.by_class_name("SSWE") is SSWE


def test_translators_that_are_trained():
    assert set(METHODS.trained_translators()) & set(METHODS.paths) == set(METHODS.paths) - {"diagnosis", "fda"}


def test_a_method_of_ones_own_may_be_registered():
    registry = Registry({"sswe": "zoo.methods.sswe.SSWE"})

    class Own(SSWE):
        pass

    registry.register("own", Own)
    assert list(registry) == ["sswe", "own"]
    assert registry["own"] is registry.by_class_name("Own") is Own
    assert registry.trained_translators() == ["sswe", "own"]


def test_a_class_name_that_nobody_has_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match=r"method 'Pix3Pix': there is none; name one of .*CycleGAN, .*SSWE"):
        METHODS.by_class_name("Pix3Pix")
    with pytest.raises(KeyError):
        METHODS["pix3pix"]


def test_checkpoints_and_saved_configs_call_a_method_by_the_package():
    assert zoo.SSWE is SSWE
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'Pix3Pix'"):
        _ = zoo.Pix3Pix


def test_classes_are_imported_when_they_are_asked_for():
    code = "import sys; from zoo import METHODS; list(METHODS); print([m for m in sys.modules if 'zoo.methods' in m])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"
