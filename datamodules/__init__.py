"""Files, patients, splits and augmentation. Knows no method."""

from datamodules.batch import Batch, Signal, Task
from datamodules.busi import BUSI
from datamodules.devices import DeviceFolders
from datamodules.errors import InputError
from datamodules.folder import PairedFolderDataModule
from datamodules.phantom import PhantomDataModule
from datamodules.ultrasound import UltrasoundDataModule

__all__ = [
    "BUSI",
    "Batch",
    "DeviceFolders",
    "InputError",
    "PairedFolderDataModule",
    "PhantomDataModule",
    "Signal",
    "Task",
    "UltrasoundDataModule",
]
