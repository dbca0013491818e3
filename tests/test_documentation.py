"""What the documentation says is true: its commands run, its links lead somewhere, its examples work."""

import json
from importlib.util import find_spec

import pytest
import yaml

from tests import documented_commands as documented
from tests.conftest import ROOT
from tests.documents import (
    CHANGELOG,
    DOCUMENTS,
    NAMED_MODULE,
    NAMED_SUITE,
    OWN_FILE,
    PAGES,
    ROOMS,
    commands,
    links,
    named_files,
    relative,
)

SETUP = ("pip install -e '.[radiomics]' && python -m benchmarks run quick", "pip install -e '.[test]' && pytest")
NOT_RUN = {
    SETUP[0]: "CI runs it",
    SETUP[1]: "CI runs it",
    "python -m benchmarks speed": "minutes; tests/test_speed.py measures each of its parts, small",
}
COMMANDS = list(dict.fromkeys(command for page in PAGES for command in commands(page)))  # each once
documents = pytest.mark.parametrize("document", DOCUMENTS, ids=relative)


def test_the_two_commands_stand_first_and_ci_runs_them():
    assert tuple(commands(ROOT / "README.md")[:2]) == SETUP
    ci = (ROOT / ".ci" / "run").read_text()
    assert "pip install -q -e '.[radiomics]' && python -m benchmarks run quick" in ci
    assert "pip install -q -e '.[test]' && pytest" in ci


@pytest.mark.parametrize("command", [command for command in COMMANDS if documented.is_known(command)])
def test_commands_run(command, tmp_path, untimed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    documented.run(command)


def test_a_command_that_is_not_run_is_named_with_the_reason():
    assert [command for command in COMMANDS if not documented.is_known(command) and command not in NOT_RUN] == []


@documents
def test_links_lead_somewhere(document):
    assert [target for target in links(document) if not (document.parent / target).exists()] == []


@documents
def test_named_files_modules_and_suites_exist(document):
    text = document.read_text()
    assert [module for module in NAMED_MODULE.findall(text) if find_spec(module) is None] == []
    suites = {path.stem for path in (ROOT / "benchmarks" / "suites").glob("*.yaml")}
    assert set(NAMED_SUITE.findall(text)) <= suites
    if document != CHANGELOG:
        assert [path for path in named_files(document) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", [page for page in ROOMS if page in PAGES], ids=relative)
def test_the_files_that_a_room_names_are_in_it(page):
    files = [path for path in OWN_FILE.findall(page.read_text()) if not (ROOT / path).exists()]
    assert [path for path in files if not list(page.parent.rglob(path))] == []


def test_every_config_has_its_row():
    readme = links(ROOT / "README.md")
    assert {f"configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")} <= set(readme)


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_run(notebook, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    scope: dict = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), notebook.name, "exec"), scope)
    assert scope["translation"].shape == scope["batch"]["target"].shape


def test_shipped_yaml_is_yaml():
    for path in [*(ROOT / "configs").rglob("*.yaml"), *(ROOT / "benchmarks").rglob("*.yaml")]:
        assert isinstance(yaml.safe_load(path.read_text()), dict), path
