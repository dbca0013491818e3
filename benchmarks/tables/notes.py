"""What stands under a table: what it was measured on, how many runs it is a mean of, and what failed."""

from collections.abc import Iterator
from typing import Any

from benchmarks.plan import PlannedTable
from benchmarks.results import OF_CLASSIFIERS, Metric, Results
from benchmarks.tables.published import paper_name
from benchmarks.tables.reference import Reference
from benchmarks.vocabulary import Paper

PICTURES = ("grey level", "RGB")  # units of images whose errors are in grey levels
OF_TARGET = "target"  # a metric's unit, where it is that of the data


def notes_of(results: Results, table: PlannedTable) -> list[str]:
    """What the numbers were measured on, how many runs they are a mean of, and what failed."""
    return [
        *_on_data(results, table),
        *_on_networks(results, table),
        *_on_runs(results, table),
        *_on_missing(results, table),
        *_on_ranks(results, table),
        *_on_budgets(results, table),
        *_on_columns(table),
        *_on_papers(table),
        *Reference(results, table).notes(),
        *_on_failures(results, table),
    ]


def _on_data(results: Results, table: PlannedTable) -> Iterator[str]:
    """A line on the data, or one on each set that something was trained on."""
    metrics = [metric for name, metric in results.metrics(table.key).items() if name in table.metrics]
    seen, remarks = set(), dict[str, None]()
    for cell, folder in results.finished(table.key):
        if cell.train in seen:
            continue
        seen.add(cell.train)
        data = folder.data
        yield _measured_on(cell.train, data)
        yield from _units(metrics, data)
        remarks |= dict.fromkeys(data.get("remarks", []))
    yield from remarks
    for name, folder_name in table.own_data.items():
        yield f"Own data in the place of {name}: {folder_name}."


def _measured_on(train: str, data: dict[str, Any]) -> str:
    counts = ", ".join(f"{data['images'].get(split, 0)} {split}" for split in ("train", "val", "test"))
    size = " x ".join(str(side) for side in data["size"])
    name = f"In the place of {train}:" if train and train != data["data"] else "Measured on"
    scanned = f" by {', '.join(data['devices'])}" if train and data.get("devices") else ""
    return f"{name} {data['data']}{scanned}: task {data['task']}, {size} pixels, images {counts}."


def _units(metrics: list[Metric], data: dict[str, Any]) -> Iterator[str]:
    errors = [metric.name for metric in metrics if metric.unit == OF_TARGET]
    if not errors:
        return
    unit = "levels from 0 to 255" if data["unit"] in PICTURES else data["unit"]
    others = {column: own for column, own in data.get("units", {}).items() if own != data["unit"]}
    abroad = "".join(f"; in {own} for {column}" for column, own in others.items())
    yield f"{', '.join(errors)} in {unit}{abroad}."


def _on_networks(results: Results, table: PlannedTable) -> Iterator[str]:
    """What metrics on pretrained networks stand on; of translations, also which a reader may miss, and why."""
    finished = results.finished(table.key)
    if not finished:
        return
    pretrained = _pretrained(finished[0][1].data)
    yield from (f"{name}: {remark}." for name, remark in pretrained.items() if remark and name in table.metrics)
    if any(metric.compares == "label" for metric in results.metrics(table.key).values()):
        return
    yield from (f"No {name}: its network's weights were not at hand; {how}." for name, how in table.unscored.items())
    absent = [name for name, remark in pretrained.items() if not remark and name not in table.unscored]
    if absent:
        yield f"No {_listed(absent)}: no pretrained weights were named."


def _pretrained(data: dict[str, Any]) -> dict[str, str]:
    """A remark on the network of each metric that stands on one, "" where it was not scored; cells of earlier versions
    say of such a metric only whether its weights were named."""
    if "pretrained" in data:
        return data["pretrained"]
    named = {key.removesuffix("_weights").upper(): value for key, value in data.items() if key.endswith("_weights")}
    return {name: "" for name, value in named.items() if not value}


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1])] * (len(names) > 1) + names[-1:])


def _on_runs(results: Results, table: PlannedTable) -> Iterator[str]:
    runs = results.planned_runs(table.key)
    spread = "mean ± standard deviation over them" if runs > 1 else "no spread"
    if table.per:
        spread = "scores over each patient's valid pixels, mean ± standard deviation over the patients of a run"
    yield f"{runs} run{'s' * (runs > 1)} a row (folds and seeds), {spread}."


def _on_missing(results: Results, table: PlannedTable) -> Iterator[str]:
    """A line on the images that have no score, with the rows and what they lack."""
    missing: dict[tuple[str, str], int] = {}
    images: dict[str, int] = {}
    for cell, folder in results.finished(table.key):
        scores = folder.read_scores()
        needed = OF_CLASSIFIERS if "probability" in scores else table.metrics
        images[cell.row] = images.get(cell.row, 0) + len(scores)
        for name in (name for name in needed if name in scores):
            missing[cell.row, name] = missing.get((cell.row, name), 0) + int(scores[name].isna().sum())
    told = [f"'{row}' {count} of {images[row]} ({name})" for (row, name), count in missing.items() if count]
    if told:
        yield f"Images without a number (NaN), which are left out: {', '.join(told)}."


def _on_ranks(results: Results, table: PlannedTable) -> Iterator[str]:
    seeds = len({cell.seed for cell in results.cells_of(table.key)})
    covered = "patients, not of training: there is one seed"
    if seeds > 1:
        covered = "patients and of the seeds of training" + (", of which two say little" if seeds == 2 else "")
    yield (
        "Bold: the best row of a column, and every row whose difference from it has a 95 % interval with 0 in it "
        f"(resampling of {covered}); of a number of a whole test set the best alone."
    )
    if table.ceilings:
        yield "In italics: ceilings, known to the simulator. They are no methods, never bold and not tested."


def _on_budgets(results: Results, table: PlannedTable) -> Iterator[str]:
    folders = [folder for _, folder in results.finished(table.key) if folder.budget]
    if folders:
        devices = sorted({folder.environment.get("device", "an unknown device") for folder in folders})
        yield (
            "parameters: of what an image passes through in use, discriminators excepted; updates: batches trained on; "
            f"training: time on {', '.join(devices)} with its validations, without preparing data and tests; "
            "means over runs."
        )
    if any(folder.budget["passes"] > 1 for folder in folders):
        yield "passes: of the networks that an image needs (function evaluations)."
    if table.budget:
        yield "Rows are trained on different budgets (budget: free); compare their updates, too."


def _on_columns(table: PlannedTable) -> Iterator[str]:
    if table.columns:
        yield "Columns are train>test; with two of one name, tested on the patients left out of training."
    if table.left_out:
        flags = " and ".join(table.flags)
        yield f"Left out: {', '.join(table.left_out)}; name the folder of images by {flags}."


def _on_papers(table: PlannedTable) -> Iterator[str]:
    if table.paper is not None:
        paper = table.paper
        places = {column: _place(paper.of_column(column)) for column in paper.columns}
        place = "; ".join(f"{column}: {place}" for column, place in places.items()) or _place(paper)
        dataset = paper.dataset or "its own data"
        yield f"'paper': as printed in the {paper_name(paper)} paper, {place}, measured on {dataset}: other data."


def _place(paper: Paper) -> str:
    """As a reader finds it in the paper."""
    text = str(paper.table)
    return f"table {text}" if text[:1].isdigit() or text in ("I", "II", "III", "IV") else text


def _on_failures(results: Results, table: PlannedTable) -> Iterator[str]:
    for cell in results.cells_of(table.key):
        reason = results.cell(cell.hash).failure
        if reason:
            trained = f" on {cell.train}" if cell.train else ""
            yield f"FAILED: {cell.row}{trained}, fold {cell.fold}, seed {cell.seed}: {reason}"
