"""Do two scanners' images meet in a network's latent space? A number a row, and a t-SNE."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.analyses.base import Analysis, Figure, Findings, Measurement, Scores
from benchmarks.plan import PlannedTable
from benchmarks.report.drawing import panels, svg
from benchmarks.results import CellFolder, Results, read_images
from benchmarks.tables.printing import Entry, Printed
from benchmarks.vocabulary import Table
from datamodules.errors import InputError

if TYPE_CHECKING:
    from datamodules.batch import Batch
    from datamodules.ultrasound import UltrasoundDataModule
    from zoo.method import Method
    from zoo.output import Output

FILE = "latent.csv.gz"
COMPONENTS = 50  # principal ones, which t-SNE is usually given
NEIGHBOURS = 10
FACTS = ("column", "id", "patient", "device")
CAPTION = "t-SNE of the latent space of the test images; mixing 0 is apart, 1 is mixed."


class LatentSpace(Analysis):
    """``latent: [A>A, A>B]``: the columns whose images are looked at together."""

    key = "latent"

    def check(self, where: str, settings: Any, table: Table) -> None:
        if not isinstance(settings, list) or not settings:
            raise InputError(f"{where}: {self.key} is '{settings}', not a list of its columns")
        table.check_columns(where, settings)

    def of_cell(self, settings: list[str]) -> list[str]:
        return settings

    def measurement(self, of_cell: list[str]) -> "LatentMeasurement":
        return LatentMeasurement(of_cell)

    def findings(self, results: Results, table: PlannedTable) -> Findings:
        spaces = _spaces(results, table.key)
        if not spaces:
            return Findings()
        key = f"{table.key}_latent"
        mixed = {row: mixing_of(space) for row, space in spaces.items()}
        entries = [Entry(row, row, "mixing", text=f"{value:.3f}", mean=value) for row, value in mixed.items()]
        notes = [
            f"Of an image's {NEIGHBOURS} nearest neighbours of other patients, the part from another column over what "
            f"chance would give: 0 apart, 1 mixed. Columns {', '.join(table.analyses[self.key])}; first run."
        ]
        return Findings(
            [Printed(key, f"Latent space of: {table.title}", entries, notes)],
            [Figure(f"{key}_tsne", key, CAPTION, lambda: latent_plot(spaces))],
        )


class LatentMeasurement(Measurement):
    """The latent map of every test image of some columns, flattened; written as principal components."""

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns
        self.facts: list[dict[str, str]] = []
        self.maps: list[np.ndarray] = []

    def take(self, column: str, method: "Method", batch: "Batch", output: "Output") -> None:
        if column not in self.columns or not method.trainable:  # a trivial row or a ceiling has no such map
            return
        maps = method.latent(batch["source"]).flatten(1).float().cpu().numpy()
        for index, image_id in enumerate(batch["id"]):
            patient, device = batch["patient"][index], batch["device"][index]
            self.facts.append({"column": column, "id": image_id, "patient": patient, "device": device})
            self.maps.append(maps[index])

    def finish(self, column: str, data: "UltrasoundDataModule") -> Scores:
        if len({len(image) for image in self.maps}) > 1:
            raise InputError(
                f"latent: {', '.join(self.columns)} have images of different sizes; name columns of one size"
            )
        return {}

    def write(self, folder: CellFolder) -> None:
        """The principal components of all columns' maps together, a row an image."""
        if not self.maps:  # the cell has none of the columns
            return
        components = principal_components(np.stack(self.maps))
        table = pd.DataFrame(self.facts)[list(FACTS)]
        table = table.join(pd.DataFrame(components, columns=[f"c{n}" for n in range(components.shape[1])]))
        folder.write_table(FILE, table)


def principal_components(points: np.ndarray) -> np.ndarray:
    """``(N, at most COMPONENTS)`` of points ``(N, D)``, by their Gram matrix: N is much smaller than D."""
    centred = (points - points.mean(0)).astype(np.float64)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    most = np.argsort(values)[::-1][: min(COMPONENTS, len(points) - 1)]
    return vectors[:, most] * np.sqrt(values[most].clip(0))


def mixing(points: np.ndarray, groups: np.ndarray, patients: np.ndarray) -> float:
    """How often an image's nearest neighbours come from another group, over how often they would by chance: 0 is
    apart, 1 is mixed. A patient's own images are no neighbours, being alike anyhow."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    found, expected = [], []
    for index in range(len(points)):
        others = np.flatnonzero(patients != patients[index])
        nearest = others[np.argsort(distance[index, others])[:NEIGHBOURS]]
        found.append((groups[nearest] != groups[index]).mean())
        expected.append((groups[others] != groups[index]).mean())
    return float(np.mean(found) / np.mean(expected))


def mixing_of(space: pd.DataFrame) -> float:
    """The same, of the columns of one row's images."""
    return mixing(_points(space), space["column"].to_numpy(), space["patient"].to_numpy())


def latent_plot(spaces: dict[str, pd.DataFrame]) -> str:
    """t-SNE of every row's latent space, a colour a column of the table; how far they mix stands above."""
    figure, axes = panels(1, len(spaces), 3.4, 3.6)
    for axis, (row, space) in zip(axes[0], spaces.items(), strict=True):
        place = _tsne(_points(space))
        for column in dict.fromkeys(space["column"]):
            own = (space["column"] == column).to_numpy()
            axis.plot(*place[own].T, "o", markersize=3, alpha=0.7, label=column)
        axis.set(title=f"{row}\nmixing {mixing_of(space):.2f}", xticks=[], yticks=[])
    axes[0][0].legend(fontsize=7)
    return svg(figure)


def _spaces(results: Results, key: str) -> dict[str, pd.DataFrame]:
    """Of each row the images of its first finished cell that has some."""
    found: dict[str, pd.DataFrame] = {}
    for cell, folder in results.finished(key):
        if cell.row not in found and (folder / FILE).is_file():
            found[cell.row] = read_images(folder / FILE)
    return found


def _points(space: pd.DataFrame) -> np.ndarray:
    return space.filter(regex=r"^c\d+$").to_numpy()


def _tsne(points: np.ndarray, seed: int = 0) -> np.ndarray:
    """``(N, 2)``."""
    from sklearn.manifold import TSNE

    return TSNE(perplexity=min(30.0, (len(points) - 1) / 3), random_state=seed, init="pca").fit_transform(points)
