"""Endings: a run that a signal ends, as a cluster (SIGTERM) or a user (SIGINT, Ctrl-C) sends it."""

import _thread
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STATUSES = {128 + number for number in SIGNALS}  # 130 and 143, as shells have them


class Ended(BaseException):
    """The process was told to end. No Exception: what carries on past failures does not carry on past this.

    Attributes:
        status: which the process has to exit with.
        checkpoint: from which the same command goes on, where there is one.
    """

    def __init__(self, number: int) -> None:
        self.status, self.checkpoint = 128 + number, ""
        super().__init__(f"ended by {signal.Signals(number).name}")

    def __str__(self) -> str:
        how = f"; go on by the same command with --ckpt_path {self.checkpoint}" if self.checkpoint else ""
        return f"{self.args[0]}{how}"


def end_by_signal() -> None:
    """From now on SIGINT and SIGTERM raise :class:`Ended` in the main thread; a second one ends the process at once.
    What the process was started to ignore, as a shell's background jobs are, stays ignored."""
    if threading.current_thread() is threading.main_thread():  # nobody else may say what a signal does
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _end)


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """The same within a block. Afterwards signals do what they did before."""
    before, hook = {number: signal.getsignal(number) for number in SIGNALS}, sys.unraisablehook
    end_by_signal()
    sys.unraisablehook = partial(_raise_again, hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    for each in SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, signal.SIG_DFL)
    raise Ended(number)


def _raise_again(hook: Callable[[Any], Any], unraisable: Any) -> None:
    """Python drops what is raised in a finalizer or in a hook of a fork; to be told to end is told again soon."""
    if isinstance(unraisable.exc_value, Ended):
        end_by_signal()
        threading.Timer(0.01, _thread.interrupt_main, [unraisable.exc_value.status - 128]).start()
    else:
        hook(unraisable)
