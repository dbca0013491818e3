"""The phantom: simulated tissue, scanners and elastography, and the data module that serves them."""

VERSION = 2  # raise it when phantoms change: caches, and the cells of benchmarks, are then made anew
UNPAIRED = ("harmonization",)  # tasks whose targets belong to no source; here, to be known without torch
