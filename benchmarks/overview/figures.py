"""The two figures of an overview: which ranks differ, and what quality costs."""

from typing import TYPE_CHECKING, Any

from benchmarks.overview.ranks import Ranking, pareto_front
from benchmarks.report.drawing import panels, svg

if TYPE_CHECKING:
    from benchmarks.analyses.base import Headline
    from benchmarks.overview.findings import Measured

UNIT = 0.31  # inches of the diagram's unit of height
BAR, NAME, TOP = 0.3, 0.55, 1.3  # of a bar, of a method's line, and of what stands above the axis, in such units
MARKS = "osD^vP"  # ten colours each


def critical_difference_plot(measured: "list[Measured]") -> str:
    """Demsar's diagram of every task that has ranks: methods at their mean ranks, a bar over those that do not differ;
    an SVG as text."""
    ranked = [(found.name, found.ranks) for found in measured if found.ranks]
    deepest = max(_depth(ranks) for _, ranks in ranked)
    figure, axes = panels(len(ranked), 1, 7.2, 0.35 + UNIT * (TOP + deepest))
    for axis, (name, ranks) in zip(axes[:, 0], ranked, strict=True):
        _draw_ranks(axis, ranks)
        axis.set_ylim(-deepest, TOP)
        sure = f"p {'< 0.001' if ranks.p < 0.001 else f'= {ranks.p:.3f}'}"
        axis.set_title(f"{name}: {ranks.blocks} patients, Friedman's {sure}", loc="left", fontsize=9)
    return svg(figure)


def _depth(ranks: Ranking) -> float:
    return BAR * (len(ranks.cliques()) + 2) + NAME * ((len(ranks.ranks) + 1) // 2)


def _draw_ranks(axis: Any, ranks: Ranking) -> None:
    """The axis of ranks above, bars of what does not differ below it, then a line a method."""
    ordered = sorted(ranks.ranks.items(), key=lambda item: item[1])
    count, bars = len(ordered), ranks.cliques()
    axis.plot([1, 1 + ranks.critical], [0.8, 0.8], color="black", lw=2, solid_capstyle="butt")
    axis.text(1 + ranks.critical, 0.8, f"  critical difference {ranks.critical:.2f}", va="center", fontsize=7)
    for place, (first, last) in enumerate(bars):
        height = -BAR * (place + 1)
        axis.plot([first - 0.03, last + 0.03], [height, height], color="tab:orange", lw=3, solid_capstyle="butt")
    for place, (row, rank) in enumerate(ordered):
        left = place < (count + 1) // 2
        height = -BAR * (len(bars) + 2) - NAME * (place if left else count - 1 - place)
        end = 0.8 if left else count + 0.2
        axis.plot([rank, rank, end], [0, height, height], color="0.4", lw=0.8)
        name = f"{row} {rank:.2f}" if left else f"{rank:.2f} {row}"
        beside = end - 0.01 * count if left else end + 0.01 * count
        axis.text(beside, height, name, ha="right" if left else "left", va="center", fontsize=8)
    axis.set(xlim=(1 - 0.35 * count, 1.35 * count), yticks=[], xticks=range(1, count + 1))
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.spines["top"].set(visible=True, position=("data", 0), bounds=(1, count))
    axis.xaxis.set_ticks_position("top")
    axis.tick_params(axis="x", pad=1, labelsize=7)


def pareto_plot(measured: "list[Measured]") -> str:
    """Quality against every measured cost, a panel a task and cost, methods alone; an SVG as text."""
    costs = list(dict.fromkeys(own.name for found in measured for own in found.numbers if own.aspect == "cost"))
    methods = list(dict.fromkeys(row for found in measured for row in found.table.candidates))
    marks = {row: (MARKS[place // 10 % len(MARKS)], f"C{place % 10}") for place, row in enumerate(methods)}
    figure, axes = panels(max(1, len(costs)), len(measured), 2.9, 2.5)
    for column, found in zip(axes.T, measured, strict=True):
        known = {own.name: own for own in found.numbers if own.aspect == "cost"}
        for axis, name in zip(column, costs, strict=False):
            if name in known:
                _draw_front(axis, found, known[name], marks)
            else:
                axis.set_visible(False)
    named = {text: handle for axis in axes.flat for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    shown = [row for row in methods if row in named]
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "ncols": 2 * len(measured)}
    figure.legend([named[row] for row in shown], shown, fontsize=7, frameon=False, **place)
    return svg(figure)


def _draw_front(axis: Any, found: "Measured", cost: "Headline", marks: dict[str, tuple[str, str]]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    quality, methods = found.quality, found.table.candidates
    placed = {row: cost.values[row] for row in methods if row in quality.values and cost.values.get(row, 0) > 0}
    front = pareto_front(placed, quality.values, quality.higher_is_better)
    axis.plot([placed[row] for row in front], [quality.values[row] for row in front], "-", color="0.7", lw=1.2)
    for row, value in placed.items():
        mark, colour = marks[row]
        axis.plot(value, quality.values[row], mark, markersize=5, color=colour, label=row)
    axis.set(xscale="log", xlabel=f"{cost.name}{f' ({cost.unit})' if cost.unit else ''}", ylabel=quality.name)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(lambda value, place: f"{value:g}")  # no power: text without mathematics has none
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(axis="x", labelsize=7)
    axis.set_title(found.name, loc="left", fontsize=9)
