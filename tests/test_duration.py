"""What takes hours on a CPU says so."""

import warnings

import pytest

from benchmarks.run.cell import _long_runs_told
from zoo.duration import warn_if_long


def test_who_would_take_hours_says_so_once():
    times = iter([0.0, 2.0, 10.0, 12.0])
    passes = []
    with pytest.warns(UserWarning, match=r"^testing will take about 1\.1 hours on this CPU \(2,000 passes of the netw"):
        warn_if_long("testing", lambda: passes.append(0), 2000, clock=lambda: next(times))
    assert len(passes) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_long("testing", lambda: None, 1800, clock=lambda: next(times))  # an hour, and not longer


def test_a_cell_tells_its_runner_so(recwarn):
    told: list[float | str] = []
    with _long_runs_told(told.append):
        warnings.warn("another thing", stacklevel=1)
        warn_if_long("testing", lambda: None, 10, patience_s=0.0)
    warn_if_long("testing", lambda: None, 10, patience_s=0.0)
    (line,) = told
    assert line.startswith("testing will take about 0.0 hours on this CPU (10 passes")
