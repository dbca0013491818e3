"""What a suite may say, and how it is refused when it says something else."""

import pytest
import yaml

from benchmarks.suite import SUITES, read_suite
from benchmarks.vocabulary import CEILING, Paper, Row, Table
from datamodules import InputError
from tests.facts import shipped_suite

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
        ({"rows": {"a": None}}, "rows: 'a' is empty, not a mapping"),
        ({"rows": {"a": [1]}}, "rows: 'a' is '.1.', not a mapping"),
        ({"rows": {1: {"config": "sswe.yaml"}}}, "rows: the name 1 is no text; put it in quotes: '1'"),
        ({"rows": {True: {"config": "sswe.yaml"}}}, "rows: the name True is no text; put it in quotes"),
        ({"metrics": "SSIM"}, "metrics is 'SSIM', not a list of texts"),
        ({"metrics": [1]}, "metrics is .*, not a list of texts"),
        ({"folds": 2}, "folds is '2', not a list of numbers"),
        ({"seeds": [True]}, "seeds is .*, not a list of numbers"),
        ({"seeds": [0.5]}, "seeds is .*, not a list of numbers"),
        ({"seeds": [float("inf")]}, "seeds is .*, not a list of numbers"),
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
        ({"seeds": [-1]}, "seeds are .-1.; they are whole numbers from 0 to 4294967295"),
        ({"seeds": [2**32]}, "seeds are .4294967296.; they are whole numbers from 0 to 4294967295"),
        ({"folds": [-1]}, "folds are .-1.; they are whole numbers from 0"),
        ({"metrics": ["SSIM", "MAE", "SSIM"]}, "metrics has 'SSIM' twice; name each once"),
        ({"groups": ["benign", "benign"]}, "groups has 'benign' twice; name each once"),
        ({"grid": {"width": [4, 4.0]}}, "grid: width has '4' twice; name each once"),
        ({"rows": {" ": {"config": "sswe.yaml"}}}, "a row has no name; give it one"),
        ({"sets": {"A" * 101: {}}, "columns": ["A>A"]}, "set 'A+': the name is too long; shorten it to 100 bytes"),
        ({"sets": {"A b": {}, "A_b": {}}, "columns": ["A b>A b", "A_b>A_b"]}, "pictures in one folder 'a_b_a_b'; ren"),
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
        (b"tables: {t: null}", "tables: 't' is empty, not a mapping"),
        (b"tables: [t]", "tables is '.'t'.', not a mapping"),
        (b"tables: {1: {}}", "tables: the name 1 is no text; put it in quotes: '1'"),
        (b"tables:\n\tt: {}", "not valid YAML .*line 2, column 1"),
        (b"a\0b", "not valid YAML .*characters are not allowed"),
        (b"tables:\n  t: {title: a,\n    title: b}", "line 3: the key 'title' is in line 2 already; keep one"),
        (b"tables: {t: {}}\ntables: {u: {}}", "line 2: the key 'tables' is in line 1 already; keep one"),
        (b"tables: {t: {}}\nextra: 1", "unknown key 'extra'; known are overview, tables, title"),
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
    for name, table in shipped_suite(path.stem).tables.items():
        assert table.key == name
        assert set(yaml.safe_load(path.read_text())["tables"][name]["rows"]) <= set(table.rows) or table.grid


def test_an_analysis_key_does_not_hide_in_another(tmp_path):
    table = {"metrics": ["SSIM"], "rows": ROWS, "analyses": {}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}))
    with pytest.raises(InputError, match="unknown key 'analyses'; each stands under its own: summary, radiomics"):
        read_suite(str(tmp_path / "s.yaml"))


@pytest.mark.parametrize(
    "key", ["../../x", "a/b", "a\\b", "/tmp/x", "", ".", "..", ".hidden", "a ", "x" * 101, "\u00e4" * 51, "a\nb", "a:b"]
)
def test_a_table_is_not_called_what_would_lie_elsewhere_or_nowhere(key, tmp_path):
    """Its name begins those of the files that are written for it."""
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {key: {"metrics": ["SSIM"], "rows": ROWS}}}))
    with pytest.raises(InputError, match="the name is to be one of files; write at most 100 letters") as error:
        read_suite(str(tmp_path / "s.yaml"))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["..yaml", "....yaml", ".x.yml", "a\tb.yaml", "a .yaml"])
def test_nor_is_a_suite_whose_name_is_that_of_its_results(name, tmp_path):
    (tmp_path / name).write_text(yaml.safe_dump({"tables": {"t": {"metrics": ["SSIM"], "rows": ROWS}}}))
    with pytest.raises(InputError, match=r"suite .*: the name is to be one of files"):
        read_suite(str(tmp_path / name))


def test_a_suite_by_name_is_a_shipped_one():
    """Its results would lie in ``results/../suites/quick``."""
    with pytest.raises(InputError, match=r"suite '\.\./suites/quick': no such suite"):
        read_suite("../suites/quick")


def test_tables_do_not_differ_in_capitals_alone(tmp_path):
    """One would overwrite the other's files where names of files do not tell them apart."""
    table = {"metrics": ["SSIM"], "rows": ROWS}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"a": table, "A": table}}))
    with pytest.raises(InputError, match="two tables are called 'a' but for capitals; rename one"):
        read_suite(str(tmp_path / "s.yaml"))


def test_what_an_alias_brings_may_be_said_anew(tmp_path):
    text = "tables:\n  t: &t {metrics: [SSIM], rows: {a: {config: sswe.yaml}}}\n  u: {<<: *t, metrics: [MAE]}\n"
    (tmp_path / "s.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())  # with a byte order mark, as editors leave it
    assert [table.metrics for table in read_suite(str(tmp_path / "s.yaml")).tables.values()] == [["SSIM"], ["MAE"]]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("data: {class_path: A}", "has no 'model' with a class_path; write it as in configs/"),
        ("model: {class_path: SSWE}\ndata: [a]", "has no 'data' with a class_path"),
        ("model: {class_path: 3}\ndata: {class_path: A}", "has no 'model' with a class_path"),
        (
            "model: {class_path: SSWE, init_args: [1]}\ndata: {class_path: A}",
            "'model' holds '.1.', no mapping of argume",
        ),
        (
            "model: {class_path: SSWE}\ndata: {class_path: A}\ntrainer: 3",
            "'trainer' holds '3', no mapping of arguments",
        ),
    ],
)
def test_a_rows_config_without_a_method_or_data_is_refused(config, message, tmp_path):
    (tmp_path / "mine.yaml").write_text(config)
    table = {"metrics": ["SSIM"], "rows": {"a": {"config": "mine.yaml"}}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}))
    with pytest.raises(InputError, match=rf"mine\.yaml: {message}"):
        read_suite(str(tmp_path / "s.yaml"))


def test_a_data_module_is_named_by_a_text(tmp_path):
    for own in ({"data": {"class_path": 3}}, {"sets": {"A": {"class_path": 3}}, "columns": ["A>A"]}):
        (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": {"metrics": ["SSIM"], "rows": ROWS} | own}}))
        with pytest.raises(InputError, match="class_path '3' is no name of a data module; write it as text"):
            read_suite(str(tmp_path / "s.yaml"))


def test_a_key_that_stands_twice_in_a_rows_config_is_refused_too(tmp_path):
    (tmp_path / "mine.yaml").write_text("data: {}\nmodel:\n  class_path: SSWE\n  class_path: HSCT\n")
    rows = {"a": {"config": "mine.yaml"}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": {"metrics": ["SSIM"], "rows": rows}}}))
    with pytest.raises(InputError, match=r"mine\.yaml: line 4: the key 'class_path' is in line 3 already"):
        read_suite(str(tmp_path / "s.yaml"))
