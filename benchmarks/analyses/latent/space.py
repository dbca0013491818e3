"""Do two scanners' images meet in a network's latent space? Kept while it is tested: ``latent.csv.gz``."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl

from datamodules.batch import Batch
from datamodules.errors import InputError
from datamodules.writers import write_atomically

FILE = "latent.csv.gz"
COMPONENTS = 50  # principal ones, which t-SNE is usually given
NEIGHBOURS = 10
FACTS = ("column", "id", "patient", "device")


class LatentKeeper(pl.Callback):
    """The latent map of every test image, flattened."""

    def __init__(self) -> None:
        self.facts: list[dict[str, str]] = []
        self.maps: list[np.ndarray] = []

    def on_test_batch_end(self, trainer, pl_module, outputs, batch: Batch, batch_idx, dataloader_idx=0) -> None:
        if not hasattr(pl_module, "latent"):
            raise InputError(f"{type(pl_module).__name__} has no latent space to look at; leave out 'latent'")
        maps = pl_module.latent(batch["source"]).flatten(1).float().cpu().numpy()
        for index, image_id in enumerate(batch["id"]):
            self.facts.append({name: batch[name][index] for name in ("patient", "device")} | {"id": image_id})
            self.maps.append(maps[index])


def write_latent(folder: Path, keepers: dict[str, LatentKeeper]) -> None:
    """The principal components of all columns' maps together, a row an image."""
    facts = pd.concat([pd.DataFrame(keeper.facts).assign(column=column) for column, keeper in keepers.items()])
    sizes = {len(image) for keeper in keepers.values() for image in keeper.maps}
    if len(sizes) > 1:
        raise InputError(f"latent: {', '.join(keepers)} have images of different sizes; name columns of one size")
    components = principal_components(np.stack([image for keeper in keepers.values() for image in keeper.maps]))
    table = facts[list(FACTS)].reset_index(drop=True)
    table = table.join(pd.DataFrame(components, columns=[f"c{n}" for n in range(components.shape[1])]))
    write_atomically(
        folder / FILE, lambda file: table.to_csv(file, index=False, compression={"method": "gzip", "mtime": 1})
    )


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


def read_latent(folder: Path) -> pd.DataFrame | None:
    path = folder / FILE
    return pd.read_csv(path, dtype={"id": str, "patient": str, "device": str}) if path.is_file() else None


def points_of(table: pd.DataFrame) -> np.ndarray:
    return table.filter(regex=r"^c\d+$").to_numpy()


def tsne(table: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """``(N, 2)``."""
    from sklearn.manifold import TSNE

    points = points_of(table)
    return TSNE(perplexity=min(30.0, (len(points) - 1) / 3), random_state=seed, init="pca").fit_transform(points)
