"""What a runner shows: which cell of how many, and the time left."""

import sys
import time

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.cells import Cell

TRIVIAL_COST = 0.05  # of a trained cell's time, for the estimate of the time left


class Display:
    """Which cell of how many, and the time left: a live bar on a terminal, a line a cell elsewhere."""

    def __init__(self, cells: list[Cell], waiting: list[Cell]) -> None:
        self.cells = {cell.hash: cell for cell in cells}
        self.fraction = {cell.hash: 0.0 for cell in waiting}
        self.done = len(cells) - len(waiting)
        self.training_since: float | None = None
        self.bar: Progress | None = None
        if sys.stdout.isatty():
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

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def started(self, cell: Cell) -> None:
        if self.training_since is None and not cell.trivial:
            self.training_since = time.monotonic()
        if self.bar is not None:
            number = min(self.done + 1, len(self.cells))
            self.bar.update(self.task, description=cell.name, number=number)

    def progress(self, cell_hash: str, told: float | str) -> None:
        """Which part of a cell's training is done, or a line for the user."""
        if isinstance(told, str):
            self._say(f"{self.cells[cell_hash].name}: {told}")
        else:
            self.fraction[cell_hash] = min(0.98, told)

    def refresh(self) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=self._part(), left=self.time_left())

    def finished(self, cell: Cell, failed: str | None, seconds: float, ended: str = "") -> None:
        """``failed`` says why it failed, ``ended`` why it has not run to its end though it has not failed."""
        self.done += 1
        self.fraction[cell.hash] = 1.0
        verdict = f"FAILED: {failed}" if failed else ended or f"{seconds:.0f} s"
        self._say(f"cell {self.done} of {len(self.cells)}: {cell.name}: {verdict}; {self.time_left()}")

    def _say(self, line: str) -> None:
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
