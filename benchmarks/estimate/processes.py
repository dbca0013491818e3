"""Networks are built and timed in processes of their own, as cells are run: what fails, or takes all memory, ends
nothing else."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from benchmarks.estimate.outlook import Outlook, outlook
from datamodules.errors import InputError

LIMIT_S = 120.0  # for one network


@dataclass
class Measured:
    """One of these processes, and who asked for it."""

    key: str
    process: BaseProcess
    answer: Connection
    ends: float = field(default_factory=lambda: time.monotonic() + LIMIT_S)

    @classmethod
    def started(cls, context: ForkServerContext, key: str, config: dict[str, Any], threads: int) -> "Measured":
        answer, asked = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(asked, config, threads), daemon=True)
        process.start()
        asked.close()
        return cls(key, process, answer)

    def result(self) -> Outlook:
        """What it has found, once it has, has ended, or is out of time."""
        try:
            return self.answer.recv() if self.answer.poll() else Outlook(why=f"no step in {LIMIT_S:.0f} s")
        except EOFError:
            self.process.join()
            return Outlook(why=f"its process ended with status {self.process.exitcode}")
        finally:
            self.end()

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.answer.close()


def outlooks(
    context: ForkServerContext, configs: dict[str, dict[str, Any]], jobs: int, threads: int
) -> Iterator[tuple[str, Outlook]]:
    """What is foreseen of each config, by its key, ``jobs`` at a time, as soon as it is known."""
    waiting, running = list(configs.items()), list[Measured]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(Measured.started(context, *waiting.pop(0), threads))
            wait([one.answer for one in running], max(0.0, min(one.ends for one in running) - time.monotonic()))
            for one in [one for one in running if one.answer.poll() or time.monotonic() > one.ends]:
                running.remove(one)
                yield one.key, one.result()
    finally:
        for one in running:
            one.end()


def _answer(asked: Connection, config: dict[str, Any], threads: int) -> None:
    """Entry point of the process; what its libraries print is nobody's concern."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        asked.send(outlook(config))
    except Exception as error:
        reason = str(InputError.behind(error) or f"{type(error).__name__}: {error}")
        asked.send(Outlook(why=" ".join(reason.split())[:200]))
