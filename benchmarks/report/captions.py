"""The lines below a gallery: what it shows, what it does not and why."""

from collections.abc import Iterable, Iterator

from benchmarks.plan import PlannedTable
from benchmarks.report.album import Shown, TestImage
from benchmarks.report.pictures import WIDEST
from benchmarks.results import Metric, Results
from benchmarks.tables.notes import PICTURES

OF_PICTURES = "Error: absolute difference, mean over channels, white at a quarter of full scale."
OF_QUANTITIES = "Error: absolute, as a part of the target's value, 0 to 100 %; black where the target is not trusted."


def on_choice(
    shown: list[Shown], images: list[TestImage], wanted: list[TestImage], metrics: list[Metric]
) -> Iterator[str]:
    """Which images of those that cells have kept, which were wanted and are not there, and how large they are."""
    if len(wanted) < len(images):
        by = f" by {metrics[0].name}" if metrics else ""
        yield (
            f"{len(shown)} of the {len(images)} test images whose pictures were kept: the worst of every method{by}, "
            "some of the best, and some between."
        )
    if len(shown) < len(wanted):
        yield (
            f"{len(wanted) - len(shown)} further images are left out: their pictures are damaged, or do not fit into "
            "the page; samples/ in the folders of the cells has them."
        )
    if any(image.scaled for image in shown):
        yield f"Pictures are scaled to at most {WIDEST} pixels a side."


def on_rows(finished: Iterable[str], shown: list[str]) -> Iterator[str]:
    """Rows that are finished and have no picture of these images."""
    missing = [f"'{row}'" for row in dict.fromkeys(finished) if row not in shown]
    if missing:
        yield f"No pictures of {', '.join(missing)}: not in the folders of its cells, or of other images."


def on_scores(shown: list[Shown], metrics: list[Metric]) -> Iterator[str]:
    """Scores that are no numbers, or not finite."""
    missing = [
        metric.name
        for place, metric in enumerate(metrics)
        if any(scores[place] is None for image in shown for scores in image.scores.values())
    ]
    if missing:
        yield f"–: no finite number ({', '.join(missing)})."


def on_errors(results: Results, table: PlannedTable) -> str:
    """What an error map shows."""
    pictures = any(folder.data["unit"] in PICTURES for _, folder in results.finished(table.key))
    return OF_PICTURES if pictures else OF_QUANTITIES
