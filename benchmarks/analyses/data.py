"""The images behind a table, as papers list them first: patients and pairs of each organ in each split."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.run.cell import is_done
from benchmarks.tables.printing import Table
from benchmarks.tables.published import PAPER_NAMES, beside, read_published
from datamodules.usenhance import ORGANS

SPLITS = ("train", "val", "test", "total")
ALL = "Overall"


def data_table(out: Path, plan: dict[str, Any], key: str) -> Table | None:
    """Counted from the splits of the table's first finished cell; None if there is none yet."""
    own = (cell for cell in plan["cells"] if cell["table"] == key and is_done(out / "cells" / cell["hash"]))
    cell = next(own, None)
    if cell is None:
        return None
    folder = out / "cells" / cell["hash"]
    splits = pd.read_csv(folder / "splits.csv", dtype=str, keep_default_na=False)
    groups = splits["organ"].map(lambda organ: ORGANS[organ].group if organ in ORGANS else organ.capitalize() or ALL)
    data = json.loads((folder / "done.json").read_text())["data"]
    scanned = splits.assign(group=groups).groupby("group")["device"].unique()
    paper = plan["tables"][key]["summary"]
    notes = [
        f"{data['data']}: task {data['task']}; of fold {cell['fold']}.",
        "Scanners of the sources: "
        + "; ".join(f"{group} {', '.join(names)}" for group, names in scanned.items())
        + ".",
        f"'paper': as printed in the {PAPER_NAMES[paper['paper']]} paper, table {paper['table']}: other data.",
    ]
    cells = _cells(splits.assign(group=groups), read_published(paper))
    title = f"Images of: {plan['tables'][key]['title']}"
    return Table(f"{key}_data", title, pd.DataFrame(cells), notes, index="organ")


def _cells(splits: pd.DataFrame, published: pd.DataFrame):
    groups = [*dict.fromkeys(splits["group"]), ALL]
    for metric, column in (("patients", "patient"), ("pairs", "id")):
        for split in SPLITS:
            for group in dict.fromkeys(groups):
                own = splits if group == ALL else splits[splits["group"] == group]
                own = own if split == "total" else own[own["split"] == split]
                printed = published[(published["metric"] == f"{metric} {split}") & (published["group"] == group)]
                yield {
                    "row": group, "label": group, "metric": metric, "group": split, "state": "",
                    "mean": own[column].nunique(), "std_runs": float("nan"), "spread": float("nan"), "runs": 1,
                    "planned": 1,
                    "best": False,
                    **beside(printed),
                }  # fmt: skip
