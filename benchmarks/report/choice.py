"""Which test images a page shows: the worst of every method, some of the best, and some of the rest."""

from collections.abc import Hashable, Iterable, Sequence
from itertools import chain, zip_longest
from typing import TypeVar

import numpy as np
import pandas as pd

Key = TypeVar("Key", bound=Hashable)
PARTS = {"worst": 0.5, "best": 0.25}  # of the images; the rest lie evenly between


def worst_best_and_between(scores: pd.DataFrame, higher_is_better: bool | None, most: int) -> list:
    """At most ``most`` of the index of ``scores``, which has a column a method; the worst first.

    Methods take turns, so that each has its worst image shown before any has its second worst. What has no score is
    neither the best nor the worst.
    """
    ranked = [_worst_first(own.dropna(), higher_is_better) for _, own in scores.items()]
    if len(scores) <= most:
        return _in_turns(ranked, scores.index)
    worst = _in_turns(ranked)[: round(PARTS["worst"] * most)]
    best = [key for key in _in_turns([order[::-1] for order in ranked]) if key not in worst]
    best = best[: round(PARTS["best"] * most)]
    between = [key for key in scores.index if key not in {*worst, *best}]
    return [*worst, *best, *_evenly(between, most - len(worst) - len(best))]


def _worst_first(scores: pd.Series, higher_is_better: bool | None) -> list:
    distance = scores.abs() if higher_is_better is None else scores
    return [*distance.sort_values(ascending=bool(higher_is_better), kind="stable").index]


def _in_turns(orders: Iterable[Sequence[Key]], others: Iterable[Key] = ()) -> list[Key]:
    """The first of every order, then the second of every order, each key once; ``others`` last."""
    turns = chain.from_iterable(zip_longest(*orders))
    return [*dict.fromkeys(key for key in chain(turns, others) if key is not None)]


def _evenly(keys: Sequence[Key], most: int) -> list[Key]:
    places = np.linspace(0, len(keys) - 1, min(most, len(keys))).round().astype(int)
    return [keys[place] for place in places]
