"""The phantom: simulated tissue, scanners and elastography, and the data module that serves them."""

from datamodules.phantom.datamodule import PhantomDataModule
from datamodules.phantom.simulate import VERSION

__all__ = ["VERSION", "PhantomDataModule"]
