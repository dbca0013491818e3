"""Where the harmonizer paper prints the numbers of these tables."""

from dataclasses import replace

from benchmarks.plan import PlannedTable
from benchmarks.tables.printing import OVERALL, Entry
from benchmarks.tables.published import beside, paper_name, read_published
from benchmarks.vocabulary import Paper

ONE_SOURCE = "one source scanner"  # the group of what stands for the paper's Fig. 4b, beside several scanners pooled
FIG_4B = ("Fig 4b", "mean Pearson r of radiomics features with target", OVERALL)
PRINTED = {  # by the head of our column: table, metric and group of the paper's
    "mean r": FIG_4B,
    f"mean r, {ONE_SOURCE}": FIG_4B,
    "features, selected": ("text", "selected features of 451", OVERALL),
    "AUC, validation": ("3 / Fig 6", "AUC", "validation"),
}


def printed_beside(table: PlannedTable, entry: Entry) -> Entry:
    """The entry with the paper's number of its row and column, where the table is one of that paper."""
    place, metric, group = PRINTED.get(entry.head, ("", "", ""))
    published = read_published(Paper(table.paper.paper, place) if table.paper is not None else None)
    methods = published["method"].replace("original images", "original")
    own = (methods == table.rows.get(entry.row)) & (published["metric"] == metric) & (published["group"] == group)
    return replace(entry, **beside(published[own]))


def printed_in(table: PlannedTable, place: str) -> list[str]:
    """A note on where the paper's numbers stand."""
    if table.paper is None:
        return []
    return [f"'paper': as printed in the {paper_name(table.paper)} paper, {place}: other data."]
