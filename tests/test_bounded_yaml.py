"""YAML that is larger than it looks is refused within a second, wherever YAML is read."""

import time

import pytest
import yaml

from benchmarks.__main__ import main as benchmarks
from datamodules.bounded_yaml import MOST, OutOfBoundsError, safe_load
from tests.conftest import ROOT
from zoo.cli import main as sonozoo
from zoo.sweeps import main as sweeps

LAUGHS = "a0: &a0 [" + 9 * "x," + "]\n" + "".join(f"a{i}: &a{i} [{9 * f'*a{i - 1},'}]\n" for i in range(1, 12))
MERGED = "a0: &a0 {k: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{9 * f'*a{i - 1},'}], k{i}: 1}}\n" for i in range(1, 12))
LARGE = {
    "a billion laughs": (LAUGHS, f"more than {MOST} values"),
    "laughs that are merged": (MERGED, f"more than {MOST} values"),
    "one long word, often": (f"a: &a {10**5 * 'x'}\nb: [{25 * '*a,'}]", f"more than {MOST} values"),
    "a list of a million": (f"a: [{10**6 * '1,'}]", f"more than {MOST} values"),
    "brackets in brackets": ("a: " + 300_000 * "[", "nested deeper than 60 levels"),
    "keys in keys": ("\n".join(i * " " + "a:" for i in range(3000)), "nested deeper than 60 levels"),
    "a number of 100,000 digits": ("seed_everything: " + 100_000 * "9", "a number of 100000 characters"),
    "one to the base of 60": ("seed_everything: 1" + 100_000 * ":59", "a number of 300001 characters"),
    "one to the base of 16": ("seed_everything: 0x" + 100_000 * "f", "a number of 100002 characters"),
    "a list that holds itself": ("a: &a [*a]", "'a' holds itself"),
    "keys that hold themselves": ("a: &b {c: *b}", "'b' holds itself"),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_refused_before_it_is_built(name):
    text, words = LARGE[name]
    start = time.perf_counter()
    with pytest.raises(OutOfBoundsError, match=words):
        safe_load(text)
    assert time.perf_counter() - start < 1


def test_what_is_not_is_read_as_ever():
    text = "a: &a {x: [1, 2.5, true, null, 2020-01-02]}\nb: {<<: *a, y: *a}\nc: |\n" + 500 * "  long text\n"
    assert safe_load(text) == yaml.safe_load(text)
    assert safe_load("") is None
    for wrong in ("a: [", "a: *b", "a: 2020-99-99", "a: \0"):
        with pytest.raises(yaml.YAMLError) as caught:
            safe_load(wrong)
        assert not isinstance(caught.value, OutOfBoundsError)


@pytest.mark.parametrize("name", ["a billion laughs", "brackets in brackets", "a number of 100,000 digits"])
def test_configs_suites_and_sweeps_say_it_in_a_line(name, tmp_path, capsys):
    text, words = LARGE[name]
    path = tmp_path / "large.yaml"
    path.write_text(text)
    fit = ["fit", f"--config={ROOT / 'configs' / 'sswe.yaml'}", f"--config={path}"]
    for read, arguments in ((sonozoo, fit), (benchmarks, ["run", str(path)]), (sweeps, [str(path)])):
        assert read(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {path}: ")
        assert words in line


def test_so_is_a_value_of_the_command_line(capsys):
    fit = ["fit", f"--config={ROOT / 'configs' / 'sswe.yaml'}"]
    for value, words in ((LAUGHS, f"more than {MOST} values"), (5000 * "9", "a number of 5000 characters")):
        assert sonozoo([*fit, f"--data.size={value}"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
        assert len(line) < 400


def test_a_config_in_another_encoding_is_named(tmp_path, capsys):
    (tmp_path / "a.yaml").write_bytes("seed_everything: 1\n".encode("utf-16"))
    assert sonozoo(["fit", f"--config={tmp_path / 'a.yaml'}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'a.yaml'}: not UTF-8 text (")
