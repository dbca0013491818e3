"""Runs a command of the documents as it is printed, but tiny, and with images of its own in place of DIR."""

import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmarks.__main__ import main as benchmarks
from datamodules.elastogram import main as elastogram
from datamodules.phantom.__main__ import main as phantom
from datamodules.summary import main as summary
from datamodules.us3m import main as us3m
from datamodules.usenhance import HIGH, LOW, ORGANS
from datamodules.usenhance import main as usenhance
from tests.conftest import ROOT
from tests.tiny import TINY, yaml_value
from zoo.cli import main as sonozoo
from zoo.sweeps import main as check_sweep

MANY_PLANES = {"prostate", "thyroid"}  # tasks
SMALL = ["--data.size=[32,32]", "--data.batch_size=2", "--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"]


def run(command: str) -> None:
    """Run it in the current directory, which gets its ``configs`` and its images.

    Raises:
        KeyError: no runner knows it.
    """
    Path("configs").symlink_to(ROOT / "configs")
    _runner(command)(shlex.split(command, comments=True))


def is_known(command: str) -> bool:
    return any(command.startswith(start) for start in RUNNERS)


def _runner(command: str) -> Callable[[list[str]], None]:
    return RUNNERS[next(start for start in RUNNERS if command.startswith(start))]


def _sonozoo(words: list[str]) -> None:
    _, *words = words
    name = _config(words)
    size = [*_tiny(name), *SMALL]
    if "DIR" in words:
        words = _with_images(words)
    else:  # a patient of prostate or thyroid has a dozen images
        size.append(f"--data.patients={6 if MANY_PLANES & {*words} else 12}")
    if "--model.translator" in words:
        assert sonozoo(["fit", "--config", "configs/hsct.yaml", *_tiny("hsct"), *SMALL, "--data.patients=12"]) == 0
    if "--ckpt_path" in words:
        assert sonozoo(["fit", "--config", f"configs/{name}.yaml", *_tiny(name), *SMALL, "--data.patients=12"]) == 0
        words[words.index("--ckpt_path") + 1] = f"results/{name}/lightning_logs/version_0/checkpoints/last.ckpt"
    assert sonozoo([*words, *size]) == 0


def _phantom(words: list[str]) -> None:
    assert phantom([*words[3:], "--patients", "2", "--size", "64", "64"]) == 0
    assert len(list(Path(words[words.index("--out") + 1], "source").iterdir())) == 2


def _elastogram(words: list[str]) -> None:
    """The frames are what a phantom looks like on a scanner's screen."""
    _phantom(shlex.split("python -m datamodules.phantom --out phantoms --task swe --screens jet"))
    assert elastogram([{"FRAMES": "phantoms/screens"}.get(word, word) for word in words[3:]]) == 0
    assert len(list(Path(words[words.index("--out") + 1], "target").iterdir())) == 2


def _usenhance(words: list[str]) -> None:
    assert usenhance(_with_images(words)[3:]) == 0


def _us3m(words: list[str]) -> None:
    """Each patient's elastogram is what a phantom looks like on a scanner's screen."""
    _phantom(shlex.split("python -m datamodules.phantom --out phantoms --task swe --screens jet"))
    for label, screen in zip(("benign", "malignant"), sorted(Path("phantoms/screens").iterdir()), strict=True):
        Path("us3m", label, "1").mkdir(parents=True)
        screen.rename(Path("us3m", label, "1", "EUS_1.png"))
    assert us3m([{"DIR": "us3m"}.get(word, word) for word in words[3:]]) == 0
    assert len(list(Path(words[words.index("--out") + 1], "target").iterdir())) == 2


def _summary(words: list[str]) -> None:
    assert summary(_with_images(words)[3:]) == 0


def _benchmark(words: list[str]) -> None:
    """The suite is planned as it is; on one's own images, one of the same names but tiny is run as well."""
    _, _, _, _, suite, *words = words
    data = [word for flag, word in pairwise(words) if flag == "--data"]
    given = _with_images([part for word in data for part in ("--data", word)])
    assert benchmarks(["plan", suite, *given]) == 0
    names = {word.partition("=")[0] for word in data if "." not in word.partition("=")[0]}
    if names - {"BUSI", "US3M", "USenhance"}:
        assert benchmarks(["run", _tiny_suite(suite, names), *given, "--jobs", "1"]) == 0
        assert Path("results", suite, "report.html").is_file()


def _plan(words: list[str]) -> None:
    assert benchmarks(_with_images(words)[3:]) == 0


def _remake(words: list[str]) -> None:
    """Tables or report of a results folder, which a tiny suite of its name has filled."""
    folder = Path(words[-1])
    assert benchmarks(["run", _tiny_suite(folder.name, {"phantoms"}), "--out", str(folder), "--jobs", "1"]) == 0
    made = {path: path.read_bytes() for pattern in ("tables/*.*", "*.html") for path in folder.glob(pattern)}
    assert benchmarks(words[3:]) == 0
    assert made == {path: path.read_bytes() for path in made}


def _sweep(words: list[str]) -> None:
    """What its agents would run is run by tests/test_diagnosis_tables.py, for every file of this folder."""
    assert (ROOT / words[-1]).parent == ROOT / "configs" / "sweeps"
    assert (ROOT / words[-1]).is_file()


def _check(words: list[str]) -> None:
    assert check_sweep(words[3:]) == 0


RUNNERS: dict[str, Callable[[list[str]], None]] = {
    "sonozoo ": _sonozoo,
    "python -m datamodules.phantom ": _phantom,
    "python -m datamodules.elastogram ": _elastogram,
    "python -m datamodules.summary ": _summary,
    "python -m datamodules.us3m ": _us3m,
    "python -m datamodules.usenhance ": _usenhance,
    "python -m benchmarks run ": _benchmark,
    "python -m benchmarks plan ": _plan,
    "python -m benchmarks tables ": _remake,
    "python -m benchmarks report ": _remake,
    "wandb sweep ": _sweep,
    "python -m zoo.sweeps ": _check,
}


def _config(words: list[str]) -> str:
    """Of ``--config configs/NAME.yaml``, the first."""
    return re.search(r"configs/(\w+)\.yaml", " ".join(words))[1]


def _tiny(name: str) -> list[str]:
    """The flags that make a method's config tiny."""
    path = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())["model"]["class_path"]
    method = path.rpartition(".")[2].lower()
    arguments = TINY[method][1]
    return [f"--model.{key}={yaml_value(value)}" for key, value in arguments.items()]


def _tiny_suite(name: str, sets: set[str]) -> str:
    """A suite of this name with one cell, which trains nothing, and with these sets of data."""
    table = {
        "title": "Tiny",
        "metrics": ["MI_source"],
        "data": {"task": "harmonization", "patients": 12, "size": [32, 32]},
        "trainer": {"accelerator": "cpu"},
        "sets": {key: {} for key in sorted(sets)},
        "columns": [f"{key}>{key}" for key in sorted(sets)],
        "rows": {"FDA": {"config": "fda.yaml"}},
    }
    Path(f"{name}.yaml").write_text(yaml.safe_dump({"title": "Tiny", "tables": {"tiny": table}}, sort_keys=False))
    return f"{name}.yaml"


def _with_images(words: list[str]) -> list[str]:
    """DIR becomes a folder of images, of the layout that the words ask for."""
    said = " ".join(words).lower()
    kind = next((kind for kind in ("busi", "us3m", "usenhance", "device") if kind in said), "pairs")
    return [re.sub(r"\bDIR$", lambda _: str(make_images(kind)), word) for word in words]


def make_images(kind: str) -> Path:
    """Noise of 32 x 32 as a set of this kind is laid out."""
    rng = np.random.default_rng(0)
    for name in _layout(kind):
        path = Path(kind, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(path)
    return Path(kind).resolve()


def _layout(kind: str) -> list[str]:
    if kind == "busi":
        return [f"{label}/{label} ({i}).png" for label in ("benign", "malignant", "normal") for i in range(1, 7)]
    if kind == "us3m":
        patients = [f"{label}/{i}" for label in ("benign", "malignant") for i in range(1, 7)]
        return [f"{patient}/{file}_1.png" for patient in patients for file in ("BUS", "EUS")]
    if kind == "device":
        return [f"{device}/{i}.png" for device in ("a", "b", "reference") for i in range(10)]
    if kind == "usenhance":
        train = [f"train_datasets/{organ}/{q}/{i}.png" for organ in ORGANS for q in (LOW, HIGH) for i in range(3)]
        return train + [f"test_datasets/{organ}/{LOW}/{i}.png" for organ in ORGANS for i in range(2)]
    return [f"{side}/{i}.png" for side in ("source", "target") for i in range(12)]
