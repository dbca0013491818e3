"""The forecast of a suite: a line a row, and the time of all that is to run."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import mean

import pandas as pd
import torch

from benchmarks.estimate.outlook import Outlook
from benchmarks.estimate.processes import outlooks
from benchmarks.estimate.rows import Row, by_turns, key_of, rows_of
from benchmarks.results import Results
from benchmarks.run.cell import environment
from benchmarks.run.runner import server, threads_of
from benchmarks.suite import Suite
from benchmarks.tables.budget import parameters_text, time_text, updates_text

AROUND_S = 3.5  # of a cell, beside its steps: its start and its scores; the median of the 38 of `quick`, 2 CPU cores
PART = 0.01  # of what is foreseen, that measuring may take in any case
BASIS = (
    "a cell: where some of a row have finished, what these took; else its updates, validations and translations of "
    "test images, by a few steps on noise; in all, 3.5 s a cell are added for its start and its scores. Simulating or "
    "reading images is not in it"
)


@dataclass
class Forecast:
    """Of the cells that are ``due``, by their hashes, when ``jobs`` run at a time.

    Attributes:
        measured: how many networks :meth:`measure` has timed, of ``networks`` that it did not know.
    """

    suite: Suite
    results: Results
    due: set[str]
    jobs: int
    measured: int = 0
    networks: int = 0

    @cached_property
    def rows(self) -> list[Row]:
        """With what their finished cells tell, if they ran on this machine's device."""
        rows, device = rows_of(self.suite.cells, self.due), environment()["device"]
        for row in rows:
            row.learn(self.results, device)
        return rows

    def measure(self, patience_s: float = math.inf) -> None:
        """Build and time every network that is not known yet, until that has taken ``patience_s`` after the first and a
        hundredth of what is foreseen; rows that are left are taken to be as slow as the others."""
        asking: dict[str, list[Row]] = {}
        for row in by_turns([row for row in self.rows if row.asks]):
            asking.setdefault(key_of(row, set(self.suite.tables[row.table].grid)), []).append(row)
        configs = {key: rows[0].due[0].config for key, rows in asking.items()}
        at_a_time = 1 if torch.cuda.is_available() else self.jobs
        self.networks, started = len(configs), math.inf
        for key, outlook in outlooks(server(), configs, at_a_time, threads_of(self.jobs)):
            self.measured += 1
            started = min(started, time.monotonic())  # without starting the first process, which the run needs as well
            for row in asking[key]:
                row.outlook = outlook
            if time.monotonic() - started > max(patience_s, PART * self.seconds):
                break
        for row in [row for row in self.rows if row.asks]:
            row.outlook = self._like(row)

    @property
    def seconds(self) -> float:
        """Of all that is due and known: as long as all of it shared among the jobs, or as the longest cell."""
        known = [row for row in self.rows if row.due and row.outlook.known]
        longest = max((row.outlook.seconds for row in known), default=0.0)
        around = AROUND_S * sum(len(row.due) for row in known if not row.done)
        return max(longest, (around + sum(row.seconds for row in known)) / self.jobs)

    def table(self) -> pd.DataFrame:
        """A line a row, as text."""
        return pd.DataFrame([_line(row) for row in self.rows])

    def total(self) -> str:
        """What is to run and how long that takes, in a line."""
        if not self.due:
            return "nothing is to run"
        cells = len({cell.hash for cell in self.suite.cells})
        least = "at least" if self.reasons() else "about"
        basis = f"; networks timed: {self.measured}" if self.measured else ""
        if self.measured < self.networks:
            basis = f"; {self.measured} of {self.networks} networks timed, the others taken to be like them"
        device = environment()["device"]
        when = f"{least} {time_text(self.seconds)} on {device}, {self.jobs} at a time"
        return f"to run: {len(self.due)} of {cells} cells, {when}, when their images are prepared{basis}"

    def reasons(self) -> list[str]:
        """Why the time of some rows is not known."""
        unknown = [row for row in self.rows if row.due and not row.outlook.known]
        return [f"{row.table} / {row.name}: time not known: {row.outlook.why}" for row in unknown]

    def _like(self, row: Row) -> Outlook:
        """The mean of the known rows of its table, or of all."""
        known = [other for other in self.rows if not other.trivial and other.outlook.known]
        like = [other for other in known if other.table == row.table] or known
        if not like:
            return Outlook(why="no network could be timed")
        return Outlook(seconds=mean(other.outlook.seconds for other in like))


def _line(row: Row) -> dict[str, str | int]:
    return {
        "table": row.table,
        "row": row.name,
        "cells": len(row.cells),
        "done": row.done,
        "parameters": _known(row.outlook.parameters, parameters_text),
        "updates": _known(row.outlook.updates, updates_text),
        "a cell": _known(row.outlook.seconds, time_text),
        "to run": _known(row.seconds, time_text),
    }


def _known(value: float, text: Callable[[float], str]) -> str:
    return text(value) if value > 0 else "-"
