"""Metrics as tables know them."""

from benchmarks.results import Metric
from zoo.metrics import METRICS

METRIC = {name: Metric(**metric.facts()) for name, metric in METRICS.items()}
