"""What one cell has measured of its cost, as it lies in its folder."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.reading import damaged, read_json, with_keys
from benchmarks.results import CellFolder
from datamodules.writers import write_text_atomically

FILE = "cost.json"


@dataclass(frozen=True)
class CellCost:
    """Measured in a cell.

    Attributes:
        device: in words.
        precision: as the trainer calls it.
        threads: of a CPU.
        batch: images at a time, in training and where several are translated together.
        costs: by the names of :data:`benchmarks.analyses.cost.columns.COLUMNS`; NaN where it could not be measured.
    """

    device: str
    precision: str
    threads: int
    batch: int
    costs: dict[str, float]

    def write(self, folder: CellFolder) -> None:
        known = {name: None if math.isnan(value) else value for name, value in self.costs.items()}
        write_text_atomically(folder / FILE, json.dumps(asdict(self) | {"costs": known}, indent=1))

    @classmethod
    def read(cls, folder: CellFolder) -> "CellCost | None":
        """None of a cell that has measured none.

        Raises:
            InputError: the file is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        kinds = {"device": str, "precision": str, "threads": int, "batch": int, "costs": dict}
        read = with_keys(path, read_json(path), kinds)
        costs: dict[str, Any] = read["costs"]
        if bad := [name for name, value in costs.items() if not isinstance(value, int | float | None)]:
            raise damaged(path, f"its '{bad[0]}' is no number")
        known = {name: float("nan") if value is None else float(value) for name, value in costs.items()}
        return cls(**{name: read[name] for name in kinds} | {"costs": known})
