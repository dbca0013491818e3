"""The phantom: simulated tissue, scanners and elastography, and the data module that serves them."""

from datamodules.phantom.datamodule import PhantomDataModule

__all__ = ["PhantomDataModule"]
