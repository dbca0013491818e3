"""How far scanners and sets mix in the latent space of a table's rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analyses.latent.space import NEIGHBOURS, mixing, points_of, read_latent
from benchmarks.run.cell import is_done
from benchmarks.tables.printing import OVERALL, Table


def load_latent(out: Path, plan: dict[str, Any], key: str) -> dict[str, pd.DataFrame]:
    """Of each row the images of its first finished cell."""
    found: dict[str, pd.DataFrame] = {}
    for cell in plan["cells"]:
        folder = out / "cells" / cell["hash"]
        if cell["table"] == key and cell["row"] not in found and is_done(folder):
            table = read_latent(folder)
            if table is not None:
                found[cell["row"]] = table
    return found


def latent_tables(out: Path, plan: dict[str, Any], key: str) -> list[Table]:
    """A number a row, to stand beside its t-SNE; none if no row has a latent space."""
    cells = []
    for row, table in load_latent(out, plan, key).items():
        value = mixing(points_of(table), table["column"].to_numpy(), table["patient"].to_numpy())
        cells.append(
            {"row": row, "label": row, "metric": "mixing", "group": OVERALL, "state": f"{value:.3f}", "mean": value,
             "runs": 0, "planned": 0, "best": False, "spread": np.nan, "paper": np.nan, "paper_spread": np.nan,
             "paper_interval": ""}
        )  # fmt: skip
    if not cells:
        return []
    settings = plan["tables"][key]
    notes = [
        f"Of an image's {NEIGHBOURS} nearest neighbours of other patients, the part from another column over what "
        f"chance would give: 0 apart, 1 mixed. Columns {', '.join(settings['latent'])}; first run."
    ]
    return [Table(f"{key}_latent", f"Latent space of: {settings['title']}", pd.DataFrame(cells), notes)]
