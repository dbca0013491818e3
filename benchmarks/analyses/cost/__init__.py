"""What a method costs: time, memory, operations, energy; measured in the cell that trains it."""

from benchmarks.analyses.cost.analysis import Cost

__all__ = ["Cost"]
