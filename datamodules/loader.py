"""Loader: one whose processes end with their parent, and by nobody else's word."""

import os
import signal
import sys
import threading

from torch.utils.data import DataLoader

from datamodules.endings import SIGNALS

SENDERS_KNOWN = hasattr(signal, "sigwaitinfo")  # Linux; elsewhere workers do as torch has them
PATIENCE_S = 5.0


class Loader(DataLoader):
    """torch's loader, whose workers a signal to their whole group leaves alone.

    Ctrl-C and clusters send one. Were workers to end by it, torch would raise an error in the middle of their
    parent's tidying up; were they deaf to all, a parent that waits for them at its end would wait for ever. Between a
    worker's birth and :func:`end_with_parent`, too, no signal reaches it.
    """

    def __iter__(self):
        if not (SENDERS_KNOWN and self.num_workers):
            return super().__iter__()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # which the workers inherit
        try:
            return super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(*worker: int) -> None:
    """The ``worker_init_fn``: a worker ends when its parent says so, and some time after others have."""
    if SENDERS_KNOWN:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    if signal.sigwaitinfo(SIGNALS).si_pid != os.getppid():
        sys.excepthook = lambda *error: None  # a parent that ends drops what it was just fetching
        signal.sigtimedwait(SIGNALS, PATIENCE_S)  # the parent's own comes when it has tidied up
    os._exit(0)  # as torch's own workers end
