"""Faithfulness: whether lesions are kept, lost or invented, and whether they look as they do in the target."""

from benchmarks.analyses.faithfulness.analysis import Faithfulness

__all__ = ["Faithfulness"]
