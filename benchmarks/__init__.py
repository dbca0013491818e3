"""The comparison: what to run, on what, and how to print it."""
