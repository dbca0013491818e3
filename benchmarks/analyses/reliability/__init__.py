"""Whether what a method says of its own certainty can be relied on: of diagnoses their probability, of translations
their confidence or their spread."""

from benchmarks.analyses.reliability.analysis import Reliability

__all__ = ["Reliability"]
