"""Runs the cells of a suite: each in a process of its own, resuming, carrying on past failures."""

import multiprocessing
import os
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from queue import Empty
from typing import Any

import torch

from benchmarks.cells import Cell
from benchmarks.results import CellFolder, Results
from benchmarks.run.cell import BUSY, REFUSED, run_cell
from benchmarks.run.display import Display
from benchmarks.suite import Suite
from datamodules.cache import available_cpus
from datamodules.disk import DiskError
from datamodules.endings import SIGNALS, STATUSES
from datamodules.errors import InputError

POLL_S = 0.5
PATIENCE_S = 20  # for a cell that was told to end
BY_SIGNAL = {*STATUSES, *(-number for number in SIGNALS)}  # exit statuses of a cell that was told to end


def run_suite(suite: Suite, results: Results, jobs: int | None = None, retry_failed: bool = False) -> int:
    """Run what is not done yet; return the number of failed cells.

    Raises:
        InputError: the folder holds another suite's results.
    """
    if results.earlier_plan and results.earlier_plan.suite != suite.name:
        raise InputError(f"{results.out}: holds results of the suite '{results.plan.suite}'; choose another --out")
    results.write_plan(suite.plan())
    unique = list({cell.hash: cell for cell in reversed(suite.cells)}.values())[::-1]  # by its first name and place
    _set_damaged_aside(results, unique)
    waiting = [cell for cell in unique if is_due(results.cell(cell.hash), retry_failed)]
    Runner(results, unique, waiting, jobs or default_jobs()).run()
    return sum(results.cell(cell.hash).failure is not None for cell in unique)


def default_jobs() -> int:
    """One cell a GPU; on CPUs alone two at a time, since two small cells on a core each are faster than one on two."""
    return torch.cuda.device_count() or min(2, available_cpus())


def threads_of(jobs: int) -> int:
    """Of each of so many processes."""
    return max(1, available_cpus() // jobs)


def server() -> ForkServerContext:
    """It has the heavy imports loaded and has drawn no random number; each cell is forked from it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.run.cell"])
    return context


def _set_damaged_aside(results: Results, cells: list[Cell]) -> None:
    """Those whose files cannot be read are run again; where a checkpoint is left, they are tested alone."""
    for cell in cells:
        folder = results.cell(cell.hash)
        if damage := folder.damage:
            print(f"{cell.name}: {damage}; it is run again", flush=True)
            folder.set_aside()


def is_due(folder: CellFolder, retry_failed: bool = False) -> bool:
    return not folder.finished and (retry_failed or folder.failure is None)


@dataclass
class Running:
    cell: Cell
    process: BaseProcess
    slot: int
    started: float = field(default_factory=time.monotonic)


class Runner:
    """Keeps up to ``jobs`` processes busy with the cells in ``waiting``."""

    def __init__(self, results: Results, cells: list[Cell], waiting: list[Cell], jobs: int) -> None:
        self.results = results
        self.waiting, self.jobs = deque(waiting), jobs
        self.threads, self.context = threads_of(jobs), server()
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
        except BaseException:  # a signal above all
            self._stop()
            raise

    def _start_more(self) -> None:
        while len(self.running) < self.jobs and (cell := self._next_ready()) is not None:
            slot = min(set(range(self.jobs)) - set(self.running))
            args = (self.results.cell(cell.hash), cell.config, self.threads, self.queue)
            process = self.context.Process(target=_in_slot, args=(slot, *args))
            process.start()
            self.running[slot] = Running(cell, process, slot)
            self.display.started(cell)

    def _next_ready(self) -> Cell | None:
        """The first waiting cell whose translator is trained; those whose translator has failed fail with it, and those
        whose translator was told to end do not run either."""
        for cell in list(self.waiting):
            folder = self.results.cell(cell.hash)
            needed = self.results.cell(cell.needs) if cell.needs else None
            if needed is None or needed.finished:
                self.waiting.remove(cell)
                return cell
            if not self._is_running(cell.needs):
                self.waiting.remove(cell)
                if needed.failure is not None:
                    folder.mark_failed(f"its translator failed: {needed.failure}")
                self.display.finished(cell, folder.failure, 0.0, "not run: its translator is not trained")
        return None

    def _is_running(self, cell_hash: str | None) -> bool:
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
        folder = self.results.cell(cell.hash)
        if status == BUSY:  # another process has it: look again later
            self.waiting.append(cell)
            time.sleep(POLL_S)
            return
        if status == REFUSED:
            self._read_progress()  # where it has said what
            raise DiskError(f"{folder.path}: cannot be written; with room there, the same command goes on")
        if status in BY_SIGNAL and not folder.finished:
            self.display.finished(cell, None, 0.0, "told to end; the same command goes on with it")
            return
        if not folder.finished and folder.failure is None:
            folder.mark_failed(f"the process ended with status {status}; see {folder.log}")
        self.display.finished(cell, folder.failure, time.monotonic() - running.started)

    def _stop(self) -> None:
        for running in self.running.values():
            running.process.terminate()
        for running in self.running.values():
            running.process.join(timeout=PATIENCE_S)
            running.process.kill()


def _in_slot(slot: int, *args: Any) -> None:
    """Give the cell a GPU of its own where there are several."""
    devices = torch.cuda.device_count()
    if devices > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(slot % devices)
    run_cell(*args)
