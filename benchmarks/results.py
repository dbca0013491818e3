"""What lies in a results folder: the plan, and of each cell its scores, its remark, or why it has none."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.run.cell import failure, is_done
from benchmarks.suite import BETWEEN
from datamodules.errors import InputError


def read_plan(out: Path) -> dict[str, Any]:
    """Raises InputError if ``out`` is no results folder."""
    path = out / "plan.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a folder that `python -m benchmarks run` has written")
    return json.loads(path.read_text())


def load_scores(out: Path, plan: dict[str, Any], key: str) -> pd.DataFrame:
    """The per-image scores of a table's finished cells, with ``row``, ``fold`` and ``seed`` of each."""
    parts = []
    for cell in plan["cells"]:
        folder = out / "cells" / cell["hash"]
        if cell["table"] == key and is_done(folder):
            scores = pd.read_csv(folder / "scores.csv")
            parts.append(scores.assign(row=cell["row"], fold=cell["fold"], seed=cell["seed"], cell=cell["hash"]))
    columns = ["row", "fold", "seed", "cell"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def remark(out: Path, plan: dict[str, Any], key: str, row: str) -> str:
    """What a row's method has to say beside its name, once it has run."""
    folders = [out / "cells" / cell["hash"] for cell in plan["cells"] if (cell["table"], cell["row"]) == (key, row)]
    done = next((folder for folder in folders if is_done(folder)), None)
    return json.loads((done / "done.json").read_text()).get("remark", "") if done else ""


def state(out: Path, plan: dict[str, Any], key: str, row: str, group: str) -> str:
    """Why a row has no number: every one of its cells failed or has not run."""
    train = group.split(BETWEEN)[0] if BETWEEN in group else ""
    wanted = (key, row, train)
    cells = [cell for cell in plan["cells"] if (cell["table"], cell["row"], cell["train"]) == wanted]
    folders = [out / "cells" / cell["hash"] for cell in cells]
    if not folders or any(is_done(folder) for folder in folders):
        return ""
    reasons = [reason for folder in folders if (reason := failure(folder))]
    return f"failed: {reasons[0]}" if reasons else "not run"
