"""Radiomics: how like the target scanner's the features of translated images are, and what they foretell."""

from benchmarks.analyses.radiomics.analysis import Radiomics

__all__ = ["Radiomics"]
