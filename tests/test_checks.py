"""A suite is checked whole before anything runs: metrics that no row has, folds that the data does not give, arguments
that the command line does not take."""

import json
from typing import Any

import pytest
import yaml

from benchmarks.__main__ import main
from benchmarks.layers import merge
from benchmarks.run.checks import check_suite
from benchmarks.suite import read_suite
from datamodules import InputError
from tests.test_benchmarks import SUITE

TABLE = json.loads(json.dumps(SUITE))["tables"]["elasticity"]
TABLE["rows"] = {"U-Net": TABLE["rows"]["U-Net"]}
SSWE = {"config": "sswe.yaml"}
SETS = {"sets": {"A": {}, "B": {"task": "test_object"}}, "columns": ["A>A", "A>B"], "groups": [], "paper": None}
DIAGNOSIS = {"rows": {"a": {"config": "diagnosis.yaml", "model": {"second": "source"}}}, "paper": None}


def faults(folder, table: dict[str, Any]) -> list[str]:
    """Of a suite of that table, as they are printed."""
    (folder / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}, sort_keys=False))
    try:
        check_suite(read_suite(str(folder / "s.yaml")))
    except InputError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"metrics": ["MAE", "SSIMM"]}, "table 't': metric 'SSIMM' is none of AUC, "),
        ({"metrics": ["MI_source"]}, "no row has the metric 'MI_source': nothing is compared with its source"),
        ({"metrics": ["SSIM", "AUC"]}, "no row has the metric 'AUC': it is one of classifiers, and the rows translate"),
        ({"metrics": ["Dice"]}, "no row has the metric 'Dice': it is measured by 'radiomics', which this table does"),
        ({"metrics": ["AUC_confidence"]}, "no row has the metric 'AUC_confidence': it is one of a head that tells"),
        (DIAGNOSIS | SETS | {"metrics": ["AUC", "SSIM"]}, "no row has the metric 'SSIM': nothing is compared with a t"),
        ({"search": "ME", "paper": None}, "table 't': search 'ME': it has no direction"),
        ({"folds": [0, 3]}, "row 'U-Net': fold 3 does not exist: there are 3 folds, 0 to 2; correct it"),
        ({"data": {"fractions": [0.2, 0.2, 0.2]}}, "row 'U-Net': fractions (0.2, 0.2, 0.2): train, val and test must"),
        (SETS | {"sets": {"A": {}, "B": {"fractions": [0.0, 0.0, 1.0]}}}, "fold 1 does not exist: there are 1 folds"),
        ({"rows": {"a": SSWE | {"model": {"widht": 4}}}}, "row 'a': argument 'widht': SSWE has none of that name"),
        ({"rows": {"a": SSWE | {"model": {"width": "x"}}}}, "row 'a': Parser key \"model\": Problem with given class_"),
        (
            {"trainer": {"max_epohcs": 1}},
            "row 'U-Net': Group 'trainer' does not accept option 'max_epohcs'; c",
        ),
        ({"data": {"fractions": [0.5, 0.5]}}, 'Parser key "fractions": Expected a tuple with 3 elements. Got value: ['),
        ({"data": {"class_path": "Nope"}}, 'Parser key "data": Expected a dot import path string: Nope; correct it'),
        ({"rows": {"a": SSWE | {"class_path": "no.such"}}}, "No module named 'no'; correct it"),
        (SETS | {"sets": {"A": {}, "B": {"sise": [1, 2]}}}, "argument 'sise': PhantomDataModule has none of that name"),
    ],
)
def test_what_would_fail_is_said_before_anything_runs(table, fault, tmp_path):
    found = faults(tmp_path, TABLE | {"data": TABLE["data"] | table.get("data", {})} | _without_data(table))
    assert [line for line in found if fault in line], found
    assert len(found) == len(set(found)), "each row's fault once, not once a fold"


def _without_data(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "data"}


@pytest.mark.parametrize(
    "table",
    [
        {},
        SETS | {"metrics": ["MI_source", "SSIM"]},  # which the second of its columns is compared by
        SETS | {"metrics": ["Dice"], "radiomics": {"pairs": "A>B", "sets": "A>A", "wavelet": ""}},
        {"metrics": ["AUC_confidence"], "rows": {"a": SSWE, "b": SSWE | {"model": {"confidence": 0.1}}}},
        {"metrics": ["MAE", "FID"]},  # without weights: the note below the table says so
    ],
)
def test_a_metric_that_some_row_or_column_has_is_left(table, tmp_path):
    assert faults(tmp_path, TABLE | table) == []


def test_what_a_users_own_data_is_compared_with_is_not_known(tmp_path):
    """So a table on it is not refused for its metrics."""
    table = TABLE | {"metrics": ["MI_source"]}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}))
    suite = read_suite(str(tmp_path / "s.yaml"))
    with pytest.raises(InputError, match="MI_source"):
        check_suite(suite)
    suite.tables["t"].own_data["t"] = "mine"
    check_suite(suite)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_fault_ends_both_commands_with_status_2_and_nothing_is_written(command, tmp_path, capsys):
    typo = merge(SUITE, {"tables": {"elasticity": {"rows": {"U-Net": {"model": {"widht": 8}}}}}})
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(typo, sort_keys=False))
    assert main([command, str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told == "error: table 'elasticity': row 'U-Net': argument 'widht': SSWE has none of that name; correct it\n"
    assert not (tmp_path / "out").exists()


def test_nothing_is_seeded(tmp_path):
    """The check is not a part of a run."""
    import torch

    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert faults(tmp_path, TABLE) == []
    assert torch.equal(torch.get_rng_state(), before)
