"""Suites as they are read: the shipped ones, cells and their names, what is refused."""

import json

import pytest
import yaml

from benchmarks.layers import merge
from benchmarks.suite import read_suite
from benchmarks.vocabulary import UNTRAINED
from datamodules import InputError
from tests.facts import shipped_suite
from tests.test_benchmarks import SUITE
from zoo import METHODS


def test_a_cells_name_is_a_hash_of_all_that_determines_it(tmp_path):
    def hashes(suite) -> list[str]:
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
        return [cell.hash for cell in read_suite(str(tmp_path / "s.yaml")).cells]

    first = hashes(SUITE)
    assert first == hashes(SUITE)
    assert len(set(first)) == len(first) == 14
    changed = merge(SUITE, {"tables": {"elasticity": {"rows": {"U-Net": {"model": {"width": 8}}}}}})
    assert sum(a != b for a, b in zip(first, hashes(changed), strict=True)) == 2
    weighted = merge(SUITE, {"tables": {"elasticity": {"evaluation": {"lpips_weights": "alex.pth"}}}})
    assert not set(hashes(weighted)) & set(first), "what is scored is a part of it"
    turned = json.loads(json.dumps(SUITE))
    turned["tables"]["elasticity"]["data"] = dict(reversed(SUITE["tables"]["elasticity"]["data"].items()))
    assert hashes(turned) == first, "the order of keys is not"
    renamed = merge(SUITE, {"title": "Other", "tables": {"elasticity": {"title": "Other"}}})
    assert hashes(renamed) == first


def test_a_trivial_row_is_one_whatever_its_name():
    """The time left is estimated from the others."""
    found = {cell.row: cell.trivial for cell in read_suite("quick").cells if cell.table == "harmonization"}
    assert [row for row, trivial in found.items() if trivial] == ["original", "ceiling"]


def test_trivial_rows_see_the_rows_data_as_they_are(tmp_path):
    suite = merge(SUITE, {"tables": {"elasticity": {"data": {"augmentation": {"rotate": 10}}}}})
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(suite))
    for cell in read_suite(str(tmp_path / "s.yaml")).cells:
        own = cell.config["data"]["init_args"]
        if cell.row == "broken":  # of other data
            continue
        assert ("augmentation" in own) != cell.trivial
        assert own["patients"] == 12
        assert (cell.config["model"]["class_path"] == UNTRAINED.get(cell.row)) == cell.trivial


@pytest.mark.parametrize(
    "name",
    [
        "quick",
        "paper",
        "hsct_small",
        "hsct_search",
        "enhancement_small",
        "harmonizer_small",
        "matrix",
        "sswe_small",
        "lambda_sweep",
        "ruler",
        "us3m",
    ],
)
def test_shipped_suites_resolve(name):
    suite = shipped_suite(name)
    for cell in suite.cells:
        assert {"class_path", "init_args"} <= set(cell.config["data"])
        assert cell.config["data"]["init_args"]["fold"] == cell.fold
        assert {data["init_args"]["fold"] for data in cell.config.get("tests", {}).values()} <= {cell.fold}
    same = {cell.hash: json.dumps(cell.config, sort_keys=True, default=str) for cell in suite.cells}
    assert len(set(same.values())) == len(same)
    if name in ("quick", "paper"):
        assert {"translation", "diagnosis", "elasticity"} <= set(suite.tables)
    if name == "paper":
        own = [cell for cell in suite.cells if not cell.trivial]
        epochs = {cell.config["trainer"].get("max_epochs") for cell in own}
        assert epochs == {None, 80, 100, 200, 300, 400, 500, 2100}, "None: FDA"
        hashes = {(cell.table, cell.row, cell.fold): cell.hash for cell in suite.cells}
        assert hashes["ablation", "CA+CMM+APC", 1] == hashes["translation", "HSC-T", 1], "trained once"
    if name == "lambda_sweep":
        assert [len(set(table.rows) - set(UNTRAINED)) for table in suite.tables.values()] == [49, 7]


def test_the_matrix_has_every_method():
    """A new one belongs into it, wherever it can serve; every task is in the overview, and every row of a task has one
    name over all of them."""
    suite = read_suite("matrix")
    used = {cell.config["model"]["class_path"].rpartition(".")[2] for cell in suite.cells}
    assert {path.rpartition(".")[2] for path in METHODS.paths.values()} <= used
    assert {task.table for task in suite.overview.values()} == set(suite.tables) - {"diagnosis"}
    configs = {}
    for cell in suite.cells:
        if cell.table != "diagnosis":
            configs.setdefault(cell.row, set()).add(json.dumps(cell.config["model"], sort_keys=True))
    assert {row for row, models in configs.items() if len(models) > 1} == set()


OF_A = {"sets": {"A": {}}, "columns": ["A>A"]}


def test_without_pyradiomics_the_tables_that_need_it_are_left_out(monkeypatch):
    monkeypatch.setattr("benchmarks.analyses.radiomics.analysis.find_spec", lambda name: None)
    suite = read_suite("quick")
    assert set(suite.tables) == {"translation", "diagnosis", "enhancement", "elasticity"}
    (line,) = suite.left_out
    assert line.startswith("table 'harmonization' is left out; its features need pyradiomics: pip install")


def test_bad_suites_are_refused(tmp_path):
    for change, message in (
        ({"folders": []}, "unknown key 'folders'"),
        ({"metrics": []}, "has no 'metrics'"),
        ({"rows": {"a": {"config": "no.yaml"}}}, "config 'no.yaml' does not exist"),
        ({"compare": "nobody"}, "compare 'nobody' is none of its rows"),
        ({"sets": {"A": {}}}, "has no 'columns'"),
        ({"sets": {"A": {}}, "columns": ["A>B"]}, "its columns name 'B', which is none of its sets"),
        ({**OF_A, "radiomics": {"sets": "A>A"}}, "radiomics has no 'pairs'"),
        ({**OF_A, "radiomics": {"sets": "A>A", "pairs": "A>B"}}, "'A>B' is none of its columns; name one of A>A"),
        ({**OF_A, "radiomics": {"sets": "A>A", "pairs": "A>A", "wave": ""}}, "radiomics: unknown key 'wave'"),
        ({**OF_A, "paper": {"paper": "harmonizer", "columns": {"B>A": 2}}}, "'B>A' is none of its columns"),
    ):
        table = SUITE["tables"]["elasticity"] | change
        (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}))
        with pytest.raises(InputError, match=message):
            read_suite(str(tmp_path / "s.yaml"))
