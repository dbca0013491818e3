"""A results folder with files that were cut, emptied or are of another kind: named in one line each, and made again."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.cells import Cell
from benchmarks.report.gallery import make_gallery
from benchmarks.results import Results
from benchmarks.run.runner import _set_damaged_aside, is_due
from benchmarks.tables.make import write_tables
from datamodules import InputError
from tests.test_results import make_results

BINARY = bytes(range(256)) * 4
SPLITS = "id,patient,label,organ,device,split\na,a,,,,test\n"
DAMAGES = {
    "cut": lambda whole: whole[: len(whole) // 2],
    "empty": lambda whole: b"",
    "binary": lambda whole: BINARY,
    "another kind": lambda whole: b"3",
    "nested": lambda whole: b"[" * 100_000,
}


def make_whole(folder) -> Results:
    results = make_results(folder)
    for number in (0, 1):
        own = results.cell(f"ours{number}")
        own.write_timings({"parameters_in_use": 1, "updates": 2, "fit_s": 3.0})
        own.write_environment({"device": "2 CPU cores"})
        (own / "splits.csv").write_text(SPLITS)
        own.write_table("features.csv.gz", own.read_scores())
    return results


def damage(path: Path, how: str) -> None:
    path.write_bytes(DAMAGES[how](path.read_bytes()))


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(
    "file",
    ["done.json", "metrics.json", "timings.json", "environment.json", "scores.csv", "splits.csv", "features.csv.gz"],
)
def test_a_damaged_file_of_a_cell_is_named_and_the_cellis_due(file, how, tmp_path, capsys):
    results = make_whole(tmp_path)
    write_tables(results)
    damage(results.cell("ours1") / file, how)
    with pytest.raises(InputError) as error:
        write_tables(Results(tmp_path))
    line = str(error.value)
    assert line.startswith(f"t / ours, fold 1, seed 0: {tmp_path}/cells/ours1/{file}: is damaged (")
    assert line.endswith(f"); `python -m benchmarks run SUITE --out {tmp_path}` makes it again")
    assert len(line.splitlines()) == 1
    _set_damaged_aside(results, cells_of(results))
    told = capsys.readouterr().out.splitlines()
    assert [line.partition("; ")[2] for line in told] == ["it is run again"]
    assert [is_due(results.cell(f"ours{number}"), False) for number in (0, 1)] == [False, True]


def cells_of(results: Results) -> list[Cell]:
    """Cells of the plan's names."""

    class Named(Cell):
        hash = property(lambda self: f"{self.row}{self.fold}")  # type: ignore[assignment]

    return [Named(cell.table, cell.row, cell.fold, cell.seed, {}) for cell in results.plan.cells]


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("scores.csv", "a,b\n1,2\n", "it has no column 'id'"),
        ("scores.csv", "id,patient,MAE,SSIM\n", "it has no rows"),
        ("scores.csv", "id,patient,MAE,SSIM\na,a,1.0,0.5", "it ends within a row"),
        ("scores.csv", "id,patient,MAE\na,a,1.0\n", "its column 'SSIM' is missing or has texts"),
        ("scores.csv", "id,patient,MAE,SSIM\na,a,1.0,x\n", "its column 'SSIM' is missing or has texts"),
        ("done.json", '{"data": {}, "remark": ""}', "its 'data' is missing or of another kind"),
        ("done.json", '{"remark": ""}', "its 'data' is missing or of another kind"),
        ("timings.json", '{"updates": 3}', "its 'parameters_in_use' is missing or of another kind"),
        ("metrics.json", "[{}]", "missing 1 required positional argument: 'name'"),
        ("splits.csv", "id,patient\na,a\n", "it has no column 'device'"),
        ("scores.csv", None, "No such file or directory"),
    ],
)
def test_what_a_file_lacks_is_said(file, text, why, tmp_path):
    results = make_whole(tmp_path)
    path = results.cell("ours0") / file
    path.unlink() if text is None else path.write_text(text)
    assert why in results.cell("ours0").damage


def test_all_damaged_cells_are_named_together(tmp_path, capsys):
    results = make_whole(tmp_path)
    for number in (0, 1):
        damage(results.cell(f"ours{number}") / "scores.csv", "binary")
    assert main(["tables", str(tmp_path)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in told] == ["error: t / ours"] * 2
    assert not results.tables.exists()


@pytest.mark.parametrize("how", DAMAGES)
def test_a_cell_that_failed_for_a_reason_that_is_lost_is_still_one_that_failed(how, tmp_path, capsys):
    results = make_whole(tmp_path)
    damage(results.cell("broken0") / "failed.json", how)
    (found,) = write_tables(Results(tmp_path))
    assert found.tables[0].wide().loc["broken", "MAE"] == "failed: failed.json is damaged, so why is not known"
    assert not is_due(results.cell("broken0"), False)
    _set_damaged_aside(results, cells_of(results))
    assert is_due(results.cell("broken0"), False)
    assert not is_due(results.cell("broken1"), False), "why that one failed is known"


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_plan_is_named_and_counts_as_none(how, tmp_path, capsys):
    results = make_whole(tmp_path)
    damage(results.plan_file, how)
    assert main(["report", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {tmp_path}/plan.json: is damaged (")
    assert told.endswith(f"); `python -m benchmarks run SUITE --out {tmp_path}` writes it anew\n")
    again = Results(tmp_path)
    assert again.earlier_plan is None
    assert again.earlier_plan is None
    said = capsys.readouterr().err
    assert said.count("what `--data` it may have held is lost: give it again") == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda plan: plan["tables"].update({"../../x": plan["tables"].pop("t")}),
            "table '../../x': the name is to be",
        ),
        (lambda plan: plan["cells"][0].update(hash="../../x"), "cell '../../x': the name is to be one of files"),
        (lambda plan: plan["cells"][0].update(fold="0"), "cell: fold is '0', not a number"),
        (lambda plan: plan["tables"]["t"].update(metrics=3), "table 't': metrics is '3', not a list of texts"),
        (lambda plan: plan.update(title=None), "plan: title is empty, not a text"),
        (lambda plan: plan.pop("cells"), "not a plan ('cells')"),
    ],
)
def test_a_plan_that_says_something_else_writes_nothing_elsewhere(change, why, tmp_path, capsys):
    """A results folder may be anybody's."""
    results = make_whole(tmp_path / "out")
    plan = json.loads(results.plan_file.read_text())
    change(plan)
    results.plan_file.write_text(json.dumps(plan))
    before = sorted(tmp_path.rglob("*"))
    assert main(["tables", str(results.out)]) == 2
    assert why in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("file", ["plan.json", "report.html", "cells/ours0/done.json", "cells/ours0/scores.csv"])
def test_a_folder_in_the_place_of_a_file_is_named(file, tmp_path):
    results = make_whole(tmp_path)
    (tmp_path / file).unlink(missing_ok=True)
    (tmp_path / file).mkdir()
    with pytest.raises(InputError, match=f"{file}: is a folder, and a file belongs there; remove it"):
        write_tables(Results(results.out))


@pytest.mark.parametrize("folder", ["", "cells", "tables", "figures", "cells/abc"])
def test_a_file_in_the_place_of_a_folder_is_named(folder, tmp_path):
    out = tmp_path / "out"
    (out / folder).parent.mkdir(parents=True, exist_ok=True)
    (out / folder).write_text("")
    with pytest.raises(InputError, match=f"{out / folder}: is a file, and a folder belongs there; remove it"):
        Results(out).check_places()


def test_a_damaged_curve_is_left_out(tmp_path, capsys):
    results = make_whole(tmp_path)
    own = results.cell("ours0")
    for number, text in enumerate((b"epoch,val/MAE\n0,3.0\n", BINARY, b"", b"a\n1\n", b"epoch,val/MAE\n0,x\n")):
        (own / f"logs_{number}").mkdir()
        (own / f"logs_{number}" / "metrics.csv").write_bytes(text)
    assert own.curves()["val/MAE"].tolist() == [3.0]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(": is damaged")[0] for line in told] == [
        f"left out: {own.path}/logs_{number}/metrics.csv" for number in (1, 2, 3, 4)
    ]


def test_a_damaged_picture_is_left_out_of_every_row(tmp_path, capsys):
    results = make_whole(tmp_path)
    for place, name in enumerate(("ours0", "late0")):
        own = results.cell(name)
        own.mark_finished(results.cell("ours0").data, "")
        own.samples().mkdir()
        for level in (10, 20):
            picture = np.full((4, 16, 3), level + place, np.uint8)
            Image.fromarray(picture).save(own.samples() / f"{level}.png")
    table = results.plan.tables["t"]
    whole = make_gallery(results, table)
    assert whole is not None
    assert whole.picture[::4, 0, 0].tolist() == [11, 21]
    bad = results.cell("late0").samples() / "10.png"
    for data in (BINARY, b"", bad.read_bytes()[:40]):
        bad.write_bytes(data)
        gallery = make_gallery(results, table)
        assert gallery is not None
        assert gallery.columns == whole.columns
        assert gallery.picture[::4, 0, 0].tolist() == [21], "the other image, of both rows"
        assert capsys.readouterr().err.startswith(f"left out: {bad}: is damaged (")
    (bad.parent / "20.png").write_bytes(b"")
    assert make_gallery(results, table) is None
