"""What a suite may say, and how it is refused when it says something else."""

import pytest
import yaml

from benchmarks.suite import SUITES, read_suite
from benchmarks.vocabulary import CEILING, Paper, Row, Table
from datamodules import InputError

ROWS = {"a": {"config": "sswe.yaml"}}


def read(**keys) -> Table:
    return Table.read("suite: table 't'", {"metrics": ["SSIM"], "rows": ROWS} | keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"folders": []}, "unknown key 'folders'; known are "),
        ({"metrics": []}, "has no 'metrics'"),
        ({"rows": None}, "has no 'rows'"),
        ({"rows": ["a", "b"]}, "rows is .*, not a mapping"),
        ({"metrics": "SSIM"}, "metrics is 'SSIM', not a list of texts"),
        ({"metrics": [1]}, "metrics is .*, not a list of texts"),
        ({"folds": 2}, "folds is '2', not a list of numbers"),
        ({"seeds": [True]}, "seeds is .*, not a list of numbers"),
        ({"data": None}, "data is empty, not a mapping"),
        ({"title": 3}, "title is '3', not a text"),
    ],
)
def test_a_key_of_another_kind_is_named_with_what_it_should_be(keys, message):
    with pytest.raises(InputError, match=rf"suite: table 't'.*{message}"):
        read(**keys)


def test_all_faults_of_a_table_come_together():
    with pytest.raises(InputError) as error:
        read(folds=2, title=3)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("given", [None, [], "text", 3])
def test_what_is_no_mapping_is_no_table_row_or_paper(given):
    for part in (Table, Row, Paper):
        with pytest.raises(InputError, match=r"here: .* is not a mapping of keys; see benchmarks/suites/quick\.yaml"):
            part.read("here", given)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sets": {"A": {}}}, "has no 'columns'"),
        ({"sets": {"A": {}}, "columns": ["A"]}, "column 'A': write train>test"),
        ({"sets": {"A": {}}, "columns": ["A>B"]}, "its columns name 'B', which is none of its sets"),
        ({"folds": []}, "folds are \\[\\]; name at least one, and each once"),
        ({"seeds": [0, 0]}, "seeds are .*; name at least one, and each once"),
        (
            {"rows": {"identity": {"config": "sswe.yaml"}}},
            "row 'identity' is there by itself where",
        ),
        ({"grid": {"width": []}}, "grid: width is .*; list at least one number"),
        ({"grid": {"width": ["a"]}}, "grid: width is .*; list at least one number"),
        ({"reference": {"foo": 1}}, "reference: unknown key 'foo'"),
        ({"sets": {"A": {}}, "columns": ["A>A"], "paper": {"paper": "x", "columns": {"A>A": {"foo": 1}}}}, "'foo'"),
        ({"sets": {"A": {}}, "columns": ["A>A", "A>A"]}, "columns are .*; name each once"),
        ({"per": "image"}, "per 'image': scores are per patient"),
        ({"compare": "nobody"}, "compare 'nobody' is none of its rows"),
        (
            {"rows": {"c": {"config": "sswe.yaml", "class_path": CEILING}}, "compare": "c"},
            "'c' is a ceiling, which is n",
        ),
        ({"budget": "equal"}, "budget 'equal': write free, or leave it out if rows are trained alike"),
        ({"paper": {"paper": "harmonizer", "columns": {"A>A": 2}}}, "'A>A' is none of its columns"),
        ({"paper": {"papers": "harmonizer"}}, "paper: unknown key 'papers'"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys, message):
    with pytest.raises(InputError, match=message):
        read(**keys).check("suite: table 't'")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"config": "a.yaml", "columns": ["A>B"]}, "'A>B' is none of its columns"),
        ({"config": "a.yaml", "class_path": "x.Y", "model": {"z": 1}}, "leave out 'model'"),
    ],
)
def test_a_row_suits_its_table_and_itself(row, message):
    table = read(sets={"A": {}}, columns=["A>A"])
    with pytest.raises(InputError, match=message):
        Row.read("here", row).check("here", table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"tables: [", "not valid YAML"),
        (b"- a", "not a mapping of keys"),
        ("title: \u00e4".encode("utf-16"), "not UTF-8 text"),
        (b"tables: {}", "has no 'tables'"),
        (b"tables: {t: null}", "tables is .*, not a mapping"),
        (b"tables: {t: {}}\nextra: 1", "unknown key 'extra'; known are tables, title"),
    ],
)
def test_what_is_no_suite_is_refused(tmp_path, text, message):
    (tmp_path / "s.yaml").write_bytes(text)
    with pytest.raises(InputError, match=message):
        read_suite(str(tmp_path / "s.yaml"))


def test_a_papers_table_may_be_one_a_column_and_of_one_method():
    paper = Paper.read("paper", {"paper": "sswe", "columns": {"A>A": 2, "A>B": {"table": "text", "method": "U-Net"}}})
    assert paper.of_column("A>A") == Paper("sswe", 2)
    assert paper.of_column("A>B") == Paper("sswe", "text", method="U-Net")


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_suites_use_the_vocabulary_alone(path):
    for name, table in read_suite(path.stem).tables.items():
        assert table.key == name
        assert set(yaml.safe_load(path.read_text())["tables"][name]["rows"]) <= set(table.rows) or table.grid


def test_an_analysis_key_does_not_hide_in_another(tmp_path):
    table = {"metrics": ["SSIM"], "rows": ROWS, "analyses": {}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}))
    with pytest.raises(InputError, match="unknown key 'analyses'; each stands under its own: summary, radiomics"):
        read_suite(str(tmp_path / "s.yaml"))
