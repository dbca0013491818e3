"""How long a suite will take on this machine, from a few steps of each of its networks."""
