"""Ranks of methods, and whether they differ: Demsar, Statistical comparisons of classifiers over multiple data sets,
JMLR 7, 2006."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

LEVEL = 0.05


def ranks_of(values: Mapping[str, float], higher_is_better: bool | None) -> dict[str, float]:
    """From 1, the best; equal ones share the mean of their ranks. None of a direction is "the closest to 0"."""
    from scipy.stats import rankdata

    numbers = np.array(list(values.values()), float)
    cost = np.abs(numbers) if higher_is_better is None else -numbers if higher_is_better else numbers
    return dict(zip(values, map(float, rankdata(cost)), strict=True)) if len(numbers) else {}


def beaten(ranks: Mapping[str, float]) -> dict[str, float]:
    """Which part of its rivals each beats, in %, whose ranks these are: 100 the first, 0 the last; of one alone nothing
    is said."""
    rivals = len(ranks) - 1
    return {name: 100 * (1 - (rank - 1) / rivals) for name, rank in ranks.items()} if rivals > 0 else {}


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of K methods over N blocks.

    ``p`` is that of Friedman's test that all rank alike; two methods whose mean ranks are further apart than
    ``critical`` differ at 5 % (Nemenyi).
    """

    ranks: dict[str, float]
    blocks: int
    p: float
    critical: float

    def cliques(self) -> list[tuple[float, float]]:
        """The widest ranges of mean ranks, best and worst of each, within which no two methods differ."""
        ordered = sorted(self.ranks.values())
        ends = [max(rank for rank in ordered if rank - first <= self.critical) for first in ordered]
        wide = [(first, last) for first, last in zip(ordered, ends, strict=True) if last > first]
        return [one for one in dict.fromkeys(wide) if not any(_is_within(one, other) for other in wide)]


def _is_within(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and other[0] <= one[0] and one[1] <= other[1]


def ranking(scores: pd.DataFrame, higher_is_better: bool | None) -> Ranking | None:
    """Of scores with a row a block (a patient) and a column a method; None for fewer than three methods or two blocks.

    q is the studentised range over root 2, and the critical difference q sqrt(K (K + 1) / (6 N)).
    """
    from scipy.stats import friedmanchisquare, studentized_range

    blocks, methods = scores.shape
    if methods < 3 or blocks < 2:
        return None
    lines = [ranks_of(dict(zip(scores.columns, line, strict=True)), higher_is_better) for line in scores.to_numpy()]
    means = pd.DataFrame(lines).mean()
    q = float(studentized_range.ppf(1 - LEVEL, methods, np.inf)) / np.sqrt(2)
    p = float(friedmanchisquare(*np.array([list(line.values()) for line in lines]).T).pvalue)
    return Ranking(means.to_dict(), blocks, p, q * float(np.sqrt(methods * (methods + 1) / (6 * blocks))))


def pareto_front(cost: Mapping[str, float], quality: Mapping[str, float], higher_is_better: bool | None) -> list[str]:
    """The methods that no other one beats in quality at no more cost, the cheapest first."""
    placed = ranks_of({name: quality[name] for name in cost if name in quality}, higher_is_better)
    front: list[str] = []
    for name in sorted(placed, key=lambda name: (cost[name], placed[name])):
        if not front or placed[name] < placed[front[-1]]:
            front.append(name)
    return front
