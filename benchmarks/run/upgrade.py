"""What cells write today, for cells that were run before they did. Needs torch, where reading results does not."""

from collections.abc import Iterator

from benchmarks.analyses.registry import ANALYSES
from benchmarks.results import CellFolder, Metric
from zoo.metrics import CLASSIFICATION, METRICS


def write_metrics(folder: CellFolder) -> None:
    """Write ``metrics.json``: what there is to know of the metrics in the cell's scores."""
    folder.write_metrics(_metrics_in(set(folder.read_scores())))


def _metrics_in(columns: set[str]) -> Iterator[Metric]:
    names = set(CLASSIFICATION) if "probability" in columns else columns
    yield from (Metric(**metric.facts()) for name, metric in METRICS.items() if name in names)
    yield from (metric for analysis in ANALYSES.values() for metric in analysis.metrics if metric.name in names)
