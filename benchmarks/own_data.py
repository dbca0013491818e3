"""A user's own images in the place of a suite's data: ``run SUITE --data NAME=DIR --data NAME.KEY=VALUE``."""

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.layers import merge
from datamodules.bounded_yaml import safe_load
from datamodules.errors import InputError
from datamodules.phantom import UNPAIRED

if TYPE_CHECKING:
    from datamodules.batch import Task

PAIRS, DEVICES = "PairedFolderDataModule", "DeviceFolders"
REFERENCE = "reference"  # the target device's folder, unless it is named
PHANTOM = "PhantomDataModule"


@dataclass(frozen=True)
class OwnData:
    """What ``--data`` says of one name: the folder (or manifest), and arguments of the data module that reads it."""

    name: str
    root: Path
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The folder's name, for a table."""
        return (self.root if self.root.is_dir() else self.root.parent).name

    def words(self) -> list[str]:
        """As they would be given again."""
        told = [f"{self.name}.{key}={json.dumps(value)}" for key, value in self.arguments.items()]
        return [f"{self.name}={self.root}", *told]

    def fill(self, section: dict[str, Any]) -> dict[str, Any]:
        """A data section whose ``root`` was null, with this folder."""
        return section | {"init_args": merge(section["init_args"], {"root": str(self.root)} | self.arguments)}

    def replace(self, section: dict[str, Any]) -> dict[str, Any]:
        """A data section that reads this folder instead, at the same size, split and augmentation. The signals of both
        sides (channels, range, unit) are those of the data that it replaces, unless told; pairs in the place of
        unpaired data are drawn unpaired in training.

        Raises:
            InputError: the folder is none of pairs, of a manifest, or by device, or an argument is none of its module.
        """
        own = {key: value for key, value in section["init_args"].items() if key in shared_arguments()}
        own |= {"root": str(self.root)}
        task = task_of(section)
        if self._is_by_device():
            own |= {"target_device": self._target_device()} | ({"signal": asdict(task.target)} if task else {})
            return self._checked(DEVICES, own)
        if task is None:
            own |= {side: section["init_args"][side] for side in ("source", "target") if side in section["init_args"]}
        else:
            own |= {"source": asdict(task.source), "target": asdict(task.target)}
            own |= {"references": list(dict.fromkeys(("target", *task.references)))}
            own |= {} if task.paired else {"unpaired": True}
        return self._checked(PAIRS, own)

    def _checked(self, class_path: str, own: dict[str, Any]) -> dict[str, Any]:
        known = arguments_of(class_path)
        InputError.raise_for(
            f"--data {self.name}.{key}: {class_path}, which reads {self.root}, has no such argument; it has "
            f"{', '.join(sorted(known))}"
            for key in self.arguments
            if key not in known
        )
        return {"class_path": class_path, "init_args": merge(own, self.arguments)}

    def _is_by_device(self) -> bool:
        if "target_device" in self.arguments:
            return True
        if self.root.is_file() and self.root.suffix.lower() != ".csv":
            raise InputError(f"--data {self.name}={self.root}: is neither a folder nor a manifest CSV; name one")
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


@dataclass
class _Told:
    """The words of ``--data``, sorted: folders and arguments by name."""

    roots: dict[str, Path] = field(default_factory=dict)
    arguments: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, word: str) -> None:
        head, equals, value = word.partition("=")
        name, dot, key = head.partition(".")
        if not equals or not name or not value or (dot and not all(key.split("."))):
            raise InputError(f"--data {word}: write NAME=DIR, or NAME.KEY=VALUE for an argument of its data module")
        if not dot:
            self.roots[name] = Path(value).resolve()
            return
        if key == "root":
            raise InputError(f"--data {word}: the folder is named by --data {name}={value}")
        try:
            own: Any = safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"--data {word}: '{value}' is not YAML ({' '.join(str(error).split())[:80]})") from None
        for part in reversed(key.split(".")):
            own = {part: own}
        self.arguments[name] = merge(self.arguments.get(name, {}), own)


def parse(words: Iterable[str], remembered: Iterable[str] = ()) -> dict[str, OwnData]:
    """``NAME=DIR`` and ``NAME.KEY=VALUE`` (VALUE as YAML, KEY dotted where nested) by NAME.

    Args:
        remembered: words of an earlier run; a new ``NAME=DIR`` takes the place of all that was said of NAME.

    Raises:
        InputError: a word of another form, a folder that does not exist, or arguments without a folder.
    """
    earlier, told = _Told(), _Told()
    for taker, given in ((earlier, remembered), (told, words)):
        for word in given:
            taker.take(word)
    for name in set(earlier.roots) - set(told.roots):
        told.roots[name] = earlier.roots[name]
        told.arguments[name] = merge(earlier.arguments.get(name, {}), told.arguments.get(name, {}))
    lonely = sorted(set(told.arguments) - set(told.roots))
    InputError.raise_for(
        f"--data {name}.{next(iter(told.arguments[name]))}: also say --data {name}=DIR" for name in lonely
    )
    InputError.raise_for(
        f"--data {name}={root}: no such folder or manifest; correct the path"
        for name, root in told.roots.items()
        if not root.exists()
    )
    return {name: OwnData(name, root, told.arguments.get(name, {})) for name, root in told.roots.items()}


def wanting(section: Mapping[str, Any]) -> str:
    """The name of the data module whose folder has to be given, where its ``root`` is null; "" elsewhere."""
    return class_name(section) if section["init_args"].get("root", "") is None else ""


def is_simulated(section: Mapping[str, Any]) -> bool:
    """Whether a data section is the phantom's, of which ceilings are known."""
    return class_name(section) == PHANTOM


def has_pairs(section: Mapping[str, Any]) -> bool:
    """Whether the training samples of a data section have targets of their own, as far as it says."""
    arguments = section["init_args"]
    drawn_apart = arguments.get("unpaired", False) or class_name(section) == DEVICES
    return not drawn_apart and not (is_simulated(section) and arguments.get("task") in UNPAIRED)


def class_name(section: Mapping[str, Any]) -> str:
    """Of a data section's module, without the path."""
    return section["class_path"].rpartition(".")[2]


def shared_arguments() -> frozenset[str]:
    """What every data module takes."""
    return arguments_of("UltrasoundDataModule")


@cache
def arguments_of(class_name: str) -> frozenset[str]:
    """What a data module of this project takes, with what it hands on to the classes that it inherits."""
    import datamodules

    signatures = [inspect.signature(part.__init__) for part in getattr(datamodules, class_name).__mro__[:-1]]
    own = [parameter for signature in signatures for parameter in signature.parameters.values()]
    named = {parameter.name for parameter in own if parameter.kind is parameter.POSITIONAL_OR_KEYWORD}
    return frozenset(named) - {"self"}


def task_of(section: Mapping[str, Any]) -> "Task | None":
    """What a phantom's data section translates; None for other data."""
    if not is_simulated(section):
        return None
    from datamodules.phantom.simulate import phantom_task

    return phantom_task(section["init_args"].get("task", "elastography"))
