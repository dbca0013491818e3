"""A process with a loader's workers, whose whole group is told to end: ``python -m tests.signalled WHERE``."""

import os
import signal
import sys
import time

from datamodules.endings import Ended, ended_by_signal
from datamodules.loader import Loader, end_with_parent

WHERE = sys.argv[1]
KEPT = []  # what an error's trace would keep alive until the process ends


def group() -> None:
    os.killpg(0, signal.SIGTERM)


class Items(list):
    def __getitem__(self, index: int):
        if WHERE == "work" and index == 2:
            group()
        return super().__getitem__(index)


class Finalized:
    def __del__(self) -> None:
        group()


def begin(worker: int) -> None:
    if WHERE == "birth" and worker == 1:
        group()
        time.sleep(0.1)
    end_with_parent(worker)


def main() -> int:
    loader = Loader(Items(range(8)), num_workers=2, worker_init_fn=begin, persistent_workers=True)
    if WHERE == "fork":
        os.register_at_fork(after_in_parent=group)
    try:
        with ended_by_signal():
            KEPT.append(iter(loader))
            if WHERE == "kept":
                return 1
            list(KEPT[0])
            if WHERE == "finalizer":
                Finalized()
            time.sleep(20)
    except Ended as ended:
        return ended.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
