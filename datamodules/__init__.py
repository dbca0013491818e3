"""Files, patients, splits and augmentation. Knows no method.

What is named here is imported when it is first asked for, so that whoever needs a part (a table, its errors) does not
wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datamodules.batch import Batch, Signal, Task
    from datamodules.busi import BUSI
    from datamodules.devices import DeviceFolders
    from datamodules.errors import InputError
    from datamodules.folder import PairedFolderDataModule
    from datamodules.phantom.datamodule import PhantomDataModule
    from datamodules.ultrasound import UltrasoundDataModule
    from datamodules.us3m import US3M
    from datamodules.usenhance import USenhance

HOMES = {
    "BUSI": "busi",
    "Batch": "batch",
    "DeviceFolders": "devices",
    "InputError": "errors",
    "PairedFolderDataModule": "folder",
    "PhantomDataModule": "phantom.datamodule",
    "Signal": "batch",
    "Task": "batch",
    "US3M": "us3m",
    "USenhance": "usenhance",
    "UltrasoundDataModule": "ultrasound",
}

__all__ = [
    "BUSI",
    "US3M",
    "Batch",
    "DeviceFolders",
    "InputError",
    "PairedFolderDataModule",
    "PhantomDataModule",
    "Signal",
    "Task",
    "USenhance",
    "UltrasoundDataModule",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'datamodules' has no attribute '{name}'")
    return getattr(import_module(f"datamodules.{HOMES[name]}"), name)
