"""Metrics as tables know them; shipped suites whole."""

from benchmarks.own_data import parse
from benchmarks.results import Metric
from benchmarks.suite import Suite, read_suite
from tests.conftest import ROOT
from zoo.metrics import METRICS

METRIC = {name: Metric(**metric.facts()) for name, metric in METRICS.items()}
ON_REAL_IMAGES = {"us3m": "US3M"}  # suites of nothing else, by the name of their data


def shipped_suite(name: str) -> Suite:
    """With some folder in the place of real images, where without them there is nothing to run."""
    data = [f"{ON_REAL_IMAGES[name]}={ROOT}"] if name in ON_REAL_IMAGES else []
    return read_suite(name, parse(data))
