"""A user's own images in the place of a suite's data: ``run SUITE --data NAME=DIR --data NAME.KEY=VALUE``."""

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from benchmarks.layers import merge
from datamodules.errors import InputError

PAIRS, DEVICES = "PairedFolderDataModule", "DeviceFolders"
REFERENCE = "reference"  # the target device's folder, unless it is named
PHANTOM = "PhantomDataModule"


@dataclass(frozen=True)
class OwnData:
    """What ``--data`` says of one name: the folder (or manifest), and arguments of the data module that reads it."""

    name: str
    root: Path
    arguments: dict[str, Any] = field(default_factory=dict)

    def words(self) -> list[str]:
        """As they would be given again."""
        told = [f"{self.name}.{key}={json.dumps(value)}" for key, value in self.arguments.items()]
        return [f"{self.name}={self.root}", *told]

    def fill(self, section: dict[str, Any]) -> dict[str, Any]:
        """A data section whose ``root`` was null, with this folder."""
        return section | {"init_args": merge(section["init_args"], {"root": str(self.root)} | self.arguments)}

    def replace(self, section: dict[str, Any]) -> dict[str, Any]:
        """A data section that reads this folder instead, at the same size, split and augmentation. The signals of both
        sides (channels, range, unit) are those of the data that it replaces, unless told.

        Raises:
            InputError: the folder is none of pairs, of a manifest, or by device.
        """
        own = {key: value for key, value in section["init_args"].items() if key in shared_arguments()}
        signals = _signals(section)
        if self._is_by_device(section):
            own |= {"target_device": self._target_device()} | ({"signal": signals["target"]} if signals else {})
            return {"class_path": DEVICES, "init_args": merge(own | {"root": str(self.root)}, self.arguments)}
        return {"class_path": PAIRS, "init_args": merge(own | signals | {"root": str(self.root)}, self.arguments)}

    def _is_by_device(self, section: dict[str, Any]) -> bool:
        if "target_device" in self.arguments:
            return True
        has_manifest = self.root.suffix.lower() == ".csv" or (self.root / "manifest.csv").is_file()
        if has_manifest or (self.root / "source").is_dir():
            return False
        if any(path.is_dir() for path in self.root.iterdir()):
            return True
        raise InputError(
            f"--data {self.name}={self.root}: holds neither source/ (and target/), nor a manifest.csv, nor a folder a "
            "device; arrange the images in one of these ways"
        )

    def _target_device(self) -> str:
        if "target_device" in self.arguments:
            return str(self.arguments["target_device"])
        devices = sorted(path.name for path in self.root.iterdir() if path.is_dir())
        if REFERENCE not in devices:
            raise InputError(
                f"--data {self.name}={self.root}: its devices are {', '.join(devices)}; say which one is the target: "
                f"--data {self.name}.target_device={devices[0]}"
            )
        return REFERENCE


def parse(words: Iterable[str]) -> dict[str, OwnData]:
    """``NAME=DIR`` and ``NAME.KEY=VALUE`` (VALUE as YAML, KEY dotted where nested) by NAME.

    Raises:
        InputError: a word of another form, a folder that does not exist, or arguments without a folder.
    """
    roots: dict[str, Path] = {}
    arguments: dict[str, dict[str, Any]] = {}
    for word in words:
        head, equals, value = word.partition("=")
        name, dot, key = head.partition(".")
        if not equals or not name or not value or (dot and not key):
            raise InputError(f"--data {word}: write NAME=DIR, or NAME.KEY=VALUE for an argument of its data module")
        if dot:
            own: Any = yaml.safe_load(value)
            for part in reversed(key.split(".")):
                own = {part: own}
            arguments[name] = merge(arguments.get(name, {}), own)
            continue
        roots[name] = Path(value).resolve()
        if not roots[name].exists():
            raise InputError(f"--data {word}: no such folder or manifest; correct the path")
    lonely = sorted(set(arguments) - set(roots))
    InputError.raise_for(f"--data {name}.{next(iter(arguments[name]))}: also say --data {name}=DIR" for name in lonely)
    return {name: OwnData(name, root, arguments.get(name, {})) for name, root in roots.items()}


def wanting(section: Mapping[str, Any]) -> str:
    """The name of the data module whose folder has to be given, where its ``root`` is null; "" elsewhere."""
    return section.get("class_path", "").rpartition(".")[2] if section.get("root", "") is None else ""


@cache
def shared_arguments() -> frozenset[str]:
    """What every data module takes."""
    from datamodules.ultrasound import UltrasoundDataModule

    return frozenset(inspect.signature(UltrasoundDataModule.__init__).parameters) - {"self"}


def _signals(section: dict[str, Any]) -> dict[str, Any]:
    """``source`` and ``target`` as the replaced data have them."""
    given = section["init_args"]
    if section["class_path"].rpartition(".")[2] != PHANTOM:
        return {side: given[side] for side in ("source", "target") if side in given}
    from datamodules.phantom.simulate import phantom_task

    task = phantom_task(given.get("task", "elastography"))
    return {"source": asdict(task.source), "target": asdict(task.target)}
