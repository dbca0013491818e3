"""What stands under a table: what it was measured on, how many runs it is a mean of, and what failed."""

import json
from pathlib import Path
from typing import Any

from benchmarks.run.cell import failure, is_done
from benchmarks.tables.published import PAPER_NAMES, REFERENCE_NAMES, chosen_table
from zoo.metrics import CLASSIFICATION


def notes_of(out: Path, plan: dict[str, Any], key: str) -> list[str]:
    """What the numbers were measured on, how many runs they are a mean of, and what failed."""
    settings = plan["tables"][key]
    cells = [cell for cell in plan["cells"] if cell["table"] == key]
    notes = [*_data_notes(out, settings, cells)]
    runs = len({(cell["fold"], cell["seed"]) for cell in cells})
    spread = "mean ± standard deviation over them" if runs > 1 else "no spread"
    if "per" in settings:
        spread = "scores over each patient's valid pixels, mean ± standard deviation over the patients of a run"
    notes.append(f"{runs} run{'s' * (runs > 1)} a row (folds and seeds), {spread}; best in bold.")
    if "columns" in settings:
        notes.append("Columns are train>test; with two of one name, tested on the patients left out of training.")
    if settings.get("left_out"):
        flags = " and ".join(settings["flags"])
        notes.append(f"Left out: {', '.join(settings['left_out'])}; name the folder of images by {flags}.")
    paper = settings.get("paper")
    if paper:
        name, dataset = PAPER_NAMES.get(paper["paper"], paper["paper"]), paper.get("dataset", "its own data")
        tables = {column: chosen_table(chosen)["table"] for column, chosen in paper.get("columns", {}).items()}
        places = {column: _place(table) for column, table in tables.items()}
        place = "; ".join(f"{column}: {place}" for column, place in places.items()) or _place(paper["table"])
        notes.append(f"'paper': as printed in the {name} paper, {place}, measured on {dataset}: other data.")
    if settings.get("reference"):
        name = settings["reference"]["paper"]
        notes.append(f"Below ours, as printed: {REFERENCE_NAMES.get(name, name)}.")
    for cell in cells:
        reason = failure(out / "cells" / cell["hash"])
        if reason:
            trained = f" on {cell['train']}" if cell["train"] else ""
            notes.append(f"FAILED: {cell['row']}{trained}, fold {cell['fold']}, seed {cell['seed']}: {reason}")
    return notes


def _place(table: str | int) -> str:
    """As a reader finds it in the paper."""
    text = str(table)
    return f"table {text}" if text[0].isdigit() or text in ("I", "II", "III", "IV") else text


def _data_notes(out: Path, settings: dict[str, Any], cells: list[dict[str, Any]]):
    """A line on the data, or one on each set that a classifier was trained on."""
    done = [cell for cell in cells if is_done(out / "cells" / cell["hash"])]
    for train in dict.fromkeys(cell["train"] for cell in done):
        cell = next(cell for cell in done if cell["train"] == train)
        data = json.loads((out / "cells" / cell["hash"] / "done.json").read_text())["data"]
        counts = ", ".join(f"{data['images'].get(split, 0)} {split}" for split in ("train", "val", "test"))
        size = " x ".join(str(side) for side in data["size"])
        name = f"In the place of {train}:" if train and train != data["data"] else "Measured on"
        scanned = f" by {', '.join(data['devices'])}" if train and data.get("devices") else ""
        notes = [f"{name} {data['data']}{scanned}: task {data['task']}, {size} pixels, images {counts}."]
        errors = [metric for metric in settings["metrics"] if metric in ("MAE", "RMSE", "ME")]
        if errors:
            unit = "levels from 0 to 255" if data["unit"] in ("grey level", "RGB") else data["unit"]
            others = {column: own for column, own in data.get("units", {}).items() if own != data["unit"]}
            abroad = "".join(f"; in {own} for {column}" for column, own in others.items())
            notes.append(f"{', '.join(errors)} in {unit}{abroad}.")
        absent = [n for n, w in (("LPIPS", data["lpips_weights"]), ("FID", data["fid_weights"])) if not w]
        if absent and not set(settings["metrics"]) & set(CLASSIFICATION):
            notes.append(f"No {' and '.join(absent)}: no pretrained weights were named.")
        yield from notes
