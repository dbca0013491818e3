"""The method that CONTRIBUTING.md adds, added as it says: module, config, line."""

import re
import sys
import tempfile
import textwrap
from functools import cache
from importlib import import_module
from pathlib import Path

from tests import tiny
from tests.conftest import ROOT
from zoo.registry import METHODS

NAME = "regression"
PACKAGE = "example_of_contributing"


def blocks(language: str) -> list[str]:
    """The code of CONTRIBUTING.md in that language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", (ROOT / "CONTRIBUTING.md").read_text(), re.S | re.M)
    return [textwrap.dedent(block) for _, block in found]


def example_method() -> tuple[str, Path]:
    """Its name in METHODS and its config.

    Its module is a real one, :func:`folder` on the path: another process that has this in PYTHONPATH finds the class by
    the path that the config gives.
    """
    config = folder() / f"{NAME}.yaml"
    METHODS.register(NAME, import_module(f"{PACKAGE}.{NAME}").Regression)
    tiny.ELSEWHERE[NAME] = config
    return NAME, config


def forget_example_method() -> None:
    METHODS.registered.pop(NAME, None)


@cache
def folder() -> Path:
    """Where module and config are written, once a process."""
    root = Path(_FOLDER.name)
    (module,) = [block for block in blocks("python") if "class Regression" in block]
    (config,) = [block for block in blocks("yaml") if "class_path: Regression" in block]
    (root / PACKAGE).mkdir()
    (root / PACKAGE / "__init__.py").touch()
    (root / PACKAGE / f"{NAME}.py").write_text(module)
    class_path = f"{PACKAGE}.{NAME}.Regression"  # in the package itself, a short name is enough
    (root / f"{NAME}.yaml").write_text(config.replace("class_path: Regression", f"class_path: {class_path}"))
    sys.path.insert(0, str(root))
    return root


_FOLDER = tempfile.TemporaryDirectory(prefix="sonozoo_example_")  # removed when the process ends
