"""``python -m zoo.sweeps FILE``: whether a Weights & Biases sweep can do what it says, before it is sent.

The service reads the file itself, and a run that an agent starts sees its own arguments but not the metric that the
sweep goes by. So a sweep without a validation metric would run to its end and find nothing.
"""

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from datamodules.bounded_yaml import safe_load
from datamodules.errors import InputError
from zoo.cli import SonozooCLI

USAGE = "usage: python -m zoo.sweeps FILE ..."
EXAMPLE = "see configs/sweeps/hsct_lambda.yaml"
GOALS: dict[bool | None, str] = {True: "maximize", False: "minimize"}
TRAIN = ["-m", "zoo", "fit"]


def check_sweep(path: Path) -> None:
    """Check the metric, the command's configs and every value that a parameter may have.

    Raises:
        InputError: with the first fault, or every one of the parameters.
    """
    sweep = _read(path)
    words = _command(path, sweep)
    name, goal = _metric(path, sweep)
    values = [(key, value) for key, given in _parameters(path, sweep).items() for value in _values(path, key, given)]
    known, parser = _logged(path, words)
    if name not in known:
        raise InputError(
            f"{path}: metric 'val/{name}' is not one of these runs; they log val/{', val/'.join(sorted(known))}"
        )
    if goal != GOALS.get(known[name], goal):
        raise InputError(
            f"{path}: metric 'val/{name}' is better the {'higher' if known[name] else 'lower'}, and goal is {goal}; "
            f"write goal: {GOALS[known[name]]}"
        )
    faults = [_fault(lambda key=key, value=value: parser([*words, f"--{key}={value}"])) for key, value in values]
    lines = [f"{path}: {key}: {fault}" for (key, _), fault in zip(values, faults, strict=True) if fault]
    InputError.raise_for(dict.fromkeys(lines))


def _read(path: Path) -> dict[str, Any]:
    try:
        sweep = safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())[:100]}); correct it") from None
    if not isinstance(sweep, dict):
        raise InputError(f"{path}: not a mapping of keys; {EXAMPLE}")
    return sweep


def _metric(path: Path, sweep: dict[str, Any]) -> tuple[str, str]:
    """Its name, without ``val/``, and its goal, which the service would take for ``minimize`` where there is none."""
    metric = sweep["metric"] if isinstance(sweep.get("metric"), dict) else {}
    name, goal = metric.get("name"), metric.get("goal")
    if not isinstance(name, str) or not name.startswith("val/"):
        said = f"metric '{name}' is no validation metric" if name else "names no validation metric"
        raise InputError(f"{path}: {said}; write metric: {{name: val/SSIM, goal: maximize}}, or another of val/")
    if not isinstance(goal, str) or goal not in GOALS.values():
        said = f"goal '{goal}' is none" if goal else f"metric '{name}' has no goal"
        raise InputError(f"{path}: {said}; write goal: maximize, or minimize where the lower is the better")
    return name.removeprefix("val/"), goal


def _command(path: Path, sweep: dict[str, Any]) -> list[str]:
    """What follows ``zoo fit``, without what the agent fills in."""
    command = [str(word) for word in sweep.get("command") or []]
    words = [word for word in command if not word.startswith("${")]
    if words[:3] != TRAIN or "${args}" not in command:
        raise InputError(f"{path}: command has to be ${{interpreter}} {' '.join(TRAIN)} ... ${{args}}; {EXAMPLE}")
    files = [word.partition("=")[2] for word in words if word.startswith("--config=")]
    InputError.raise_for(
        f"{path}: command names '{f}': no such file; correct it" for f in files if not Path(f).is_file()
    )
    return words[3:]


def _parameters(path: Path, sweep: dict[str, Any]) -> dict[str, Any]:
    given = sweep.get("parameters")
    if not isinstance(given, dict) or not given:
        raise InputError(f"{path}: has no 'parameters'; {EXAMPLE}")
    return given


def _values(path: Path, key: str, given: Any) -> list[str]:
    """All that a parameter may be; of a distribution its ends."""
    known = given if isinstance(given, dict) else {}
    listed = known.get("values")
    found = listed if isinstance(listed, list) else [known[name] for name in ("value", "min", "max") if name in known]
    if found:
        return [_word(value) for value in found]
    raise InputError(f"{path}: {key}: give it values, a value, or min and max; {EXAMPLE}")


def _word(value: Any) -> str:
    """As an agent writes it: bare."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")


def _logged(path: Path, words: list[str]) -> tuple[dict[str, bool | None], Callable]:
    """What these runs log at validation, each with whether the higher is the better, and what parses their words."""
    made: list[SonozooCLI] = []
    if fault := _fault(lambda: made.append(SonozooCLI(words, run=False))):
        raise InputError(f"{path}: command: {fault}")
    (cli,) = made
    if not cli.trainer.limit_val_batches:
        raise InputError(f"{path}: command: trainer.limit_val_batches is 0, so nothing is validated; raise it above 0")
    return cli.config_init.evaluation.logged(cli.model), cli.parser.parse_args


def _fault(does: Callable) -> str:
    """What is wrong with a command line, in one line; "" if nothing is."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            does()
    except InputError as error:
        return "; ".join(str(error).splitlines())
    except SystemExit:
        return " ".join(said.getvalue().rpartition("error: ")[2].split())[:200]
    return ""


def main(args: list[str] | None = None) -> int:
    """Check every file; return the exit status: 2 if one cannot be what it is meant to be, or there is none."""
    paths = sys.argv[1:] if args is None else args
    if not paths:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        for path in paths:
            check_sweep(Path(path))
            print(f"{path}: can be sent")
    except InputError as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
