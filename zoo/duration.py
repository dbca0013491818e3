"""What takes hours on a CPU says so before it begins."""

import time
from collections.abc import Callable
from typing import Any

from pytorch_lightning.utilities import rank_zero_warn

PATIENCE_S = 3600.0


class LongRun(UserWarning):
    """Of what takes longer than anybody waits."""


def warn_if_long(
    doing: str,
    one_pass: Callable[[], Any],
    passes: int,
    patience_s: float = PATIENCE_S,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Warn in one line if so many passes of a network take longer than ``patience_s``, by the time of one.

    Args:
        doing: what they are needed for.
        one_pass: one of them; called twice, since a first one also compiles.
        passes: of this process.
        patience_s: in seconds.
        clock: gives seconds.
    """
    one_pass()
    began = clock()
    one_pass()
    seconds = passes * (clock() - began)
    if seconds > patience_s:
        rank_zero_warn(
            f"{doing} will take about {seconds / 3600:.1f} hours on this CPU ({passes:,} passes of the network); use a "
            "GPU, or fewer sampling_steps, samples or images",
            category=LongRun,
        )
