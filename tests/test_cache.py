"""An entry of the cache with a file that is missing or was cut is named and made anew; a whole one is used as it is."""

import json
from pathlib import Path

import numpy as np
import pytest

from datamodules.cache import ImageCache, open_or_build
from datamodules.errors import InputError


class Source:
    """Three images of a constant; counts how often one is read."""

    key = {"of": "tests"}
    verb, parallel = "making", False

    def __init__(self) -> None:
        self.reads = 0

    def __len__(self) -> int:
        return 3

    def read(self, index: int) -> dict[str, np.ndarray]:
        self.reads += 1
        image = np.full((4, 4, 1), index / 2 - 0.5, np.float32)
        return {"source": image, "target": -image, "valid": np.ones((4, 4, 1), bool)}


@pytest.fixture
def entry(tmp_path) -> Path:
    return open_or_build(Source(), tmp_path).folders[0]


def reopened(entry: Path) -> tuple[ImageCache, int]:
    source = Source()
    cache = open_or_build(source, entry.parent)
    return cache, source.reads


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def spoil_head(path: Path) -> None:
    path.write_bytes(b"x" * 10 + path.read_bytes()[10:])


def of_fewer(path: Path) -> None:
    np.save(path, np.load(path)[:2])
    noted = json.loads((path.parent / "key.json").read_text())
    noted["arrays"][path.name] = path.stat().st_size
    (path.parent / "key.json").write_text(json.dumps(noted))


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("target.npy", Path.unlink, "target.npy is missing"),
        ("target.npy", cut, "target.npy has 219 bytes, not 224"),
        ("valid.npy", lengthen, "valid.npy has 177 bytes, not 176"),
        ("source.npy", spoil_head, "source.npy cannot be read ("),
        ("source.npy", of_fewer, "source.npy is not of 3 images"),
        ("key.json", Path.unlink, "key.json is missing"),
        ("key.json", cut, "key.json cannot be read ("),
        ("key.json", lambda path: path.write_text("[]"), "key.json cannot be read (it holds no keys)"),
    ],
)
def test_a_damaged_entry_is_named_and_made_anew(name, change, fault, entry, capsys):
    change(entry / name)
    cache, reads = reopened(entry)
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"{entry}: {fault}")
    assert told.endswith("; the cache of these images is made again")
    assert reads == 3
    assert cache.image("target", 0)[0, 0, 0] == pytest.approx(0.5, abs=1e-4)
    assert reopened(entry)[1] == 0
    assert capsys.readouterr().err == ""


def test_a_whole_entry_is_read_from_nowhere_else(entry, capsys):
    assert reopened(entry)[1] == 0
    assert capsys.readouterr().err == ""


def old(entry: Path) -> Path:
    """As it was written before sizes were noted."""
    (entry / "key.json").write_text(json.dumps(Source.key))
    return entry


def test_an_older_entry_is_used_if_it_looks_whole(entry, capsys):
    assert reopened(old(entry))[1] == 0
    cut(entry / "target.npy")
    assert reopened(entry)[1] == 3
    assert "target.npy cannot be read (mmap length is greater than file size)" in capsys.readouterr().err


def test_an_older_entry_without_arrays_is_made_anew(entry):
    for path in old(entry).glob("*.npy"):
        path.unlink()
    assert reopened(entry)[1] == 3


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("numpy.load", r"source\.npy: cannot be read \(Permission denied\); check its permissions"),
        ("shutil.rmtree", r"is damaged, and cannot be removed \(Permission denied\); remove it"),
    ],
)
def test_an_entry_that_may_not_be_read_or_removed_is_left(call, told, entry, monkeypatch):
    if call == "shutil.rmtree":
        cut(entry / "target.npy")
    before = {path: path.read_bytes() for path in entry.iterdir()}

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(call, refuse)
    with pytest.raises(InputError, match=told):
        reopened(entry)
    assert {path: path.read_bytes() for path in entry.iterdir()} == before


def test_a_file_in_the_place_of_an_entry_is_named_and_made_anew(entry, capsys):
    entry.rename(entry.parent / "elsewhere")
    entry.write_text("")
    assert reopened(entry)[1] == 3
    assert capsys.readouterr().err.startswith(f"{entry}: it is no folder; ")
