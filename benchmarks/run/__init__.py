"""Running a suite: what is due, in which order, in a process each."""
