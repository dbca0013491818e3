"""Runs the cells of a suite: each in a process of its own, resuming, carrying on past failures."""

import json
import multiprocessing
import os
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from queue import Empty
from typing import Any

import torch

from benchmarks.run.cell import BUSY, failure, is_done, mark_failed, run_cell
from benchmarks.suite import Cell, Suite, trivial_rows
from datamodules.cache import available_cpus
from datamodules.errors import InputError
from datamodules.writers import write_text_atomically

TRIVIAL_COST = 0.05  # of a trained cell's time, for the estimate of the time left
POLL_S = 0.5


def cell_folder(out: Path, cell_hash: str) -> Path:
    return out / "cells" / cell_hash


def write_plan(suite: Suite, out: Path) -> None:
    """Write ``plan.json``: all that tables and report need to know of the suite.

    Raises:
        InputError: the folder holds another suite's results.
    """
    path = out / "plan.json"
    if path.is_file() and (other := json.loads(path.read_text())["suite"]) != suite.name:
        raise InputError(f"{out}: holds results of the suite '{other}'; choose another --out")
    cells = [
        {
            "table": c.table, "row": c.row, "fold": c.fold, "seed": c.seed, "hash": c.hash, "trivial": c.trivial,
            "train": c.train,
        }
        for c in suite.cells
    ]  # fmt: skip
    tables = {key: _printed_part(table) for key, table in suite.tables.items()}
    plan = {"suite": suite.name, "title": suite.title, "tables": tables, "cells": cells}
    write_text_atomically(path, json.dumps(plan, indent=1))


def _printed_part(table: dict[str, Any]) -> dict[str, Any]:
    """What of a table's settings its printing needs; ``rows`` are the names of the paper's methods by ours."""
    kept = ("title", "metrics", "groups", "paper", "compare", "reference", "summary", "radiomics", "columns", "per",
            "latent", "left_out", "flags", "grid", "points")  # fmt: skip
    trivial = {row: row for row in trivial_rows(table)}
    rows = {row: settings.get("paper_method", row) for row, settings in table["rows"].items()}
    return {name: table[name] for name in kept if name in table} | {"rows": trivial | rows}


def run_suite(suite: Suite, out: Path, jobs: int | None = None, retry_failed: bool = False) -> int:
    """Run what is not done yet; return the number of failed cells."""
    write_plan(suite, out)
    unique = list({cell.hash: cell for cell in reversed(suite.cells)}.values())[::-1]  # by its first name and place
    waiting = [cell for cell in unique if _is_due(out, cell, retry_failed)]
    Runner(out, unique, waiting, jobs or default_jobs()).run()
    return sum(failure(cell_folder(out, cell.hash)) is not None for cell in unique)


def default_jobs() -> int:
    """One cell a GPU; on CPUs alone two at a time, since two small cells on a core each are faster than one on two."""
    return torch.cuda.device_count() or min(2, available_cpus())


def _is_due(out: Path, cell: Cell, retry_failed: bool) -> bool:
    folder = cell_folder(out, cell.hash)
    return not is_done(folder) and (retry_failed or failure(folder) is None)


@dataclass
class Running:
    cell: Cell
    process: multiprocessing.Process
    slot: int
    started: float = field(default_factory=time.monotonic)


class Runner:
    """Keeps up to ``jobs`` processes busy with the cells in ``waiting``."""

    def __init__(self, out: Path, cells: list[Cell], waiting: list[Cell], jobs: int) -> None:
        self.out, self.total = out, len(cells)
        self.waiting, self.jobs = deque(waiting), jobs
        self.threads = max(1, available_cpus() // jobs)
        # The server has the heavy imports loaded and has drawn no random number; each cell is forked from it.
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["benchmarks.run.cell"])
        self.queue = self.context.Queue()
        self.running: dict[int, Running] = {}
        self.display = Display(cells, waiting)

    def run(self) -> None:
        try:
            with self.display:
                while self.waiting or self.running:
                    self._start_more()
                    self._read_progress()
                    self._collect()
        except KeyboardInterrupt:
            self._stop()
            raise

    def _start_more(self) -> None:
        while len(self.running) < self.jobs and (cell := self._next_ready()) is not None:
            slot = min(set(range(self.jobs)) - set(self.running))
            args = (cell_folder(self.out, cell.hash), cell.config, self.threads, self.queue)
            process = self.context.Process(target=_in_slot, args=(slot, *args))
            process.start()
            self.running[slot] = Running(cell, process, slot)
            self.display.started(cell)

    def _next_ready(self) -> Cell | None:
        """The first waiting cell whose translator is trained; those whose translator has failed fail with it."""
        for cell in list(self.waiting):
            folder = cell_folder(self.out, cell.hash)
            needed = cell_folder(self.out, cell.needs) if cell.needs else None
            if needed is None or is_done(needed):
                self.waiting.remove(cell)
                return cell
            if failure(needed) is not None and not self._is_running(cell.needs):
                self.waiting.remove(cell)
                folder.mkdir(parents=True, exist_ok=True)
                mark_failed(folder, f"its translator failed: {failure(needed)}")
                self.display.finished(cell, failure(folder), 0.0)
        return None

    def _is_running(self, cell_hash: str) -> bool:
        """Or about to be: a cell that is run again still carries its old failure."""
        return any(cell.hash == cell_hash for cell in [*self.waiting, *(r.cell for r in self.running.values())])

    def _read_progress(self) -> None:
        try:
            while True:
                self.display.progress(*self.queue.get_nowait())
        except Empty:
            self.display.refresh()

    def _collect(self) -> None:
        wait([running.process.sentinel for running in self.running.values()], timeout=POLL_S)
        for slot, running in list(self.running.items()):
            if running.process.is_alive():
                continue
            running.process.join()
            del self.running[slot]
            self._finished(running)

    def _finished(self, running: Running) -> None:
        cell, status = running.cell, running.process.exitcode
        folder = cell_folder(self.out, cell.hash)
        if status == BUSY:  # another process has it: look again later
            self.waiting.append(cell)
            time.sleep(POLL_S)
            return
        if not is_done(folder) and failure(folder) is None:
            mark_failed(folder, f"the process ended with status {status}; see {folder / 'log.txt'}")
        self.display.finished(cell, failure(folder), time.monotonic() - running.started)

    def _stop(self) -> None:
        for running in self.running.values():
            running.process.terminate()
        for running in self.running.values():
            running.process.join(timeout=10)


def _in_slot(slot: int, *args) -> None:
    """Give the cell a GPU of its own where there are several."""
    devices = torch.cuda.device_count()
    if devices > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(slot % devices)
    run_cell(*args)


class Display:
    """Which cell of how many, and the time left: a live bar on a terminal, a line a cell elsewhere."""

    def __init__(self, cells: list[Cell], waiting: list[Cell]) -> None:
        self.cells = {cell.hash: cell for cell in cells}
        self.fraction = {cell.hash: 0.0 for cell in waiting}
        self.done = len(cells) - len(waiting)
        self.training_since: float | None = None
        self.bar = None
        if sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self.bar = Progress(
                TextColumn("cell {task.fields[number]} of {task.fields[cells]}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %  {task.fields[left]}  {task.description}"),
                TimeElapsedColumn(),
            )
            self.task = self.bar.add_task("", total=1.0, number=self.done, cells=len(cells), left="")

    def __enter__(self) -> "Display":
        if self.done:
            print(f"{self.done} of {len(self.cells)} cells are finished already")
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *error) -> None:
        if self.bar is not None:
            self.bar.stop()

    def started(self, cell: Cell) -> None:
        if self.training_since is None and not cell.trivial:
            self.training_since = time.monotonic()
        if self.bar is not None:
            number = min(self.done + 1, len(self.cells))
            self.bar.update(self.task, description=cell.name, number=number)

    def progress(self, cell_hash: str, fraction: float) -> None:
        self.fraction[cell_hash] = min(0.98, fraction)

    def refresh(self) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=self._part(), left=self.time_left())

    def finished(self, cell: Cell, failed: str | None, seconds: float) -> None:
        self.done += 1
        self.fraction[cell.hash] = 1.0
        verdict = f"FAILED: {failed}" if failed else f"{seconds:.0f} s"
        line = f"cell {self.done} of {len(self.cells)}: {cell.name}: {verdict}; {self.time_left()}"
        if self.bar is not None:
            self.bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)

    def _part(self) -> float:
        costs = {key: TRIVIAL_COST if self.cells[key].trivial else 1.0 for key in self.fraction}
        total = sum(costs.values())
        return sum(costs[key] * fraction for key, fraction in self.fraction.items()) / total if total else 1.0

    def time_left(self) -> str:
        """From the pace of training; the other cells, and the simulation in the first, would mislead."""
        trained = [fraction for key, fraction in self.fraction.items() if not self.cells[key].trivial]
        done = sum(trained)
        if all(fraction >= 1 for fraction in self.fraction.values()):
            return "all done"
        if self.training_since is None or done < 0.05:
            return "time left: not known yet"
        seconds = (time.monotonic() - self.training_since) / done * (len(trained) - done)
        return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"
