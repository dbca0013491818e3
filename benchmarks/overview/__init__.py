"""The overview of a suite: every method on every task, quality, use, faithfulness and cost side by side."""
