"""USenhance 2023, low- and high-quality ultrasound of five organs (MICCAI challenge; public on request).

``python -m datamodules.usenhance ROOT`` prints what is on disk, as in Table 1 of Athreya et al. (2023).
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.counts import ALL, ORGANS, count_images
from datamodules.errors import InputError
from datamodules.folder import FileDataModule
from datamodules.manifest import Manifest, make_manifest
from datamodules.matching import files_by_name
from datamodules.patients import unnamed, with_patients
from datamodules.splits import split_patients

LOW, HIGH = "low_quality", "high_quality"
TRAIN, TEST = "train_datasets", "test_datasets"
FRACTIONS = (0.9, 0.1, 0.0)  # the paper's 10 % for validation; the challenge keeps its test targets
NAMED = 10  # of the pictures without a partner in one message
HEADS = {"train": "train", "val": "validation", "test": "test", "total": "total"}  # of Table 1
ABOUT = "Table 1 of the paper for what is on disk: patients and pairs of each organ by part."


class USenhance(FileDataModule):
    """The released layout: ``train_datasets/<organ>/low_quality/NNNN.png`` and ``high_quality/NNNN.png``.

    Ids are ``organ_NNNN``. Without ``high_quality`` folders, as for the challenge's test images, the data can only be
    predicted on. A tenth of the patients of every organ is for validation; for a test set, give it a fraction.

    Args:
        root: the folder that holds ``train_datasets``, or the organs' folders themselves.
        part: which of its folders to use: ``train_datasets`` or ``test_datasets``.
        organs: which organs to use; those that are not on disk are left out.
        patients: CSV with the columns ``id, patient``; without it every image counts as a patient of its own,
            which every table then says.

    The other arguments are those of :class:`datamodules.folder.FileDataModule`.
    """

    name = "USenhance 2023"

    def __init__(
        self,
        root: Path,
        part: str = TRAIN,
        organs: tuple[str, ...] = tuple(ORGANS),
        patients: Path | None = None,
        fractions: tuple[float, float, float] = FRACTIONS,
        **kwargs: Any,
    ) -> None:
        unknown = [name for name in organs if name not in ORGANS]
        InputError.raise_for(f"organs: '{name}' is none of {', '.join(ORGANS)}; correct it" for name in unknown)
        super().__init__(fractions=fractions, **kwargs)
        self.root, self.part, self.organs, self.patients = Path(root), part, organs, patients
        self.remark = "" if patients is not None else unnamed(self.name)

    def manifest(self) -> Manifest:
        return make_manifest(read_rows(self.root, self.part, self.organs, self.patients), self.root, self.name)


def read_rows(root: Path, part: str, organs: tuple[str, ...], patients: Path | None = None) -> pd.DataFrame:
    """The manifest's rows of one part.

    Raises:
        InputError: no images, organs whose low- and high-quality images are not the same, or patients that are missing.
    """
    folder = root / part
    if not folder.is_dir():  # the organs may lie in the root itself
        folder = root
    found = {organ: (files_by_name(folder / organ / LOW), files_by_name(folder / organ / HIGH)) for organ in organs}
    paired = any(high for _, high in found.values())
    InputError.raise_for(_lonely(folder, found) if paired else ())
    rows = [row for organ, files in found.items() for row in _rows_of(root, folder, organ, *files)]
    if not rows:
        raise InputError(f"{folder}: holds no images such as 'thyroid/{LOW}/0001.png'; check the folder")
    table = pd.DataFrame(rows)
    return table if patients is None else with_patients(table, patients)


def _rows_of(
    root: Path, folder: Path, organ: str, low: dict[str, str], high: dict[str, str]
) -> Iterator[dict[str, str]]:
    """One organ's images, each a patient of its own; without ``high`` they have no targets."""
    for stem, file in sorted(low.items()):
        name = f"{organ}_{stem}"
        yield {
            "id": name,
            "organ": organ,
            "device": ORGANS[organ].low,
            "patient": f"{folder.name}/{name}",
            "source": (folder / organ / LOW / file).relative_to(root).as_posix(),
            "target": (folder / organ / HIGH / high[stem]).relative_to(root).as_posix() if high else "",
        }


def _lonely(folder: Path, found: dict[str, tuple[dict[str, str], dict[str, str]]]) -> Iterator[str]:
    for organ, (low, high) in found.items():
        lonely = [f"{LOW}/{low[stem]}" for stem in sorted(low.keys() - high.keys())]
        lonely += [f"{HIGH}/{high[stem]}" for stem in sorted(high.keys() - low.keys())]
        if lonely:
            more = f" and {len(lonely) - NAMED} more" if len(lonely) > NAMED else ""
            yield (
                f"{folder / organ}: {len(low)} low-quality and {len(high)} high-quality images; without a partner are "
                f"{', '.join(lonely[:NAMED])}{more}; complete or drop them"
            )


def summary(root: Path, patients: Path | None = None) -> pd.DataFrame:
    """Table 1 of the paper for what is on disk: patients and pairs of each organ by part.

    Of ``train``, ``validation`` is the part that the default split sets aside. Patients are counted where a patient
    table is given, and left empty elsewhere.
    """
    images = _of_both_parts(root, patients)
    by_part = count_images(images)
    by_split = count_images(_split_by_default(images))
    counts = pd.concat([by_part[by_part["split"] != "val"], by_split[by_split["split"] == "val"]])
    scanners = {organ.group: organ for organ in ORGANS.values()}
    groups = [*scanners, ALL]
    table = pd.DataFrame({"organ": groups})
    table["low quality"] = [scanners[group].low if group in scanners else "" for group in groups]
    table["high quality"] = [scanners[group].high if group in scanners else "" for group in groups]
    for kind in ("patients", "pairs"):
        counted = counts.pivot(index="group", columns="split", values=kind).reindex(groups, fill_value=0)
        for split, head in HEADS.items():
            known = kind == "pairs" or patients is not None
            table[f"{kind}, {head}"] = counted[split].to_numpy() if known else ""
    return table


def _of_both_parts(root: Path, patients: Path | None) -> pd.DataFrame:
    """The rows of all images, ``split`` their part; ids are made unique, since both parts number their images alike."""
    parts = {name: part for name, part in (("train", TRAIN), ("test", TEST)) if (root / part).is_dir()}
    rows = [
        read_rows(root, part, tuple(ORGANS), patients).assign(split=name)
        for name, part in (parts or {"train": TRAIN}).items()
    ]
    images = pd.concat(rows, ignore_index=True)
    return images.assign(id=images["split"] + "/" + images["id"])


def _split_by_default(images: pd.DataFrame) -> pd.DataFrame:
    """The images of the training part as the data module splits them."""
    train = images[images["split"] == "train"]
    if train.empty:
        return images
    split = split_patients(train.assign(label=""), FRACTIONS)
    return images.assign(split=split.reindex(images.index, fill_value="test"))


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m datamodules.usenhance", description=ABOUT)
    parser.add_argument("root", type=Path, help="the folder that holds train_datasets")
    parser.add_argument("--patients", type=Path, metavar="CSV", help="with the columns id, patient")
    options = parser.parse_args(args)
    try:
        print(summary(options.root, options.patients).to_string(index=False))
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
