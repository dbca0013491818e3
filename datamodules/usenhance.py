"""USenhance 2023, low- and high-quality ultrasound of five organs (MICCAI challenge; public on request).

``python -m datamodules.usenhance ROOT`` prints what is on disk, as in Table 1 of Athreya et al. (2023);
``--public-split FILE`` writes the split that is public, see :func:`public_split`.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
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
from datamodules.tables import csv_text
from datamodules.writers import write_text_atomically

LOW, HIGH = "low_quality", "high_quality"
TRAIN, TEST = "train_datasets", "test_datasets"
FRACTIONS = (0.9, 0.1, 0.0)  # the paper's 10 % for validation; the challenge keeps its test targets
NAMED = 10  # of the pictures without a partner in one message
HEADS = {"train": "train", "val": "validation", "test": "test", "total": "total"}  # of Table 1
ABOUT = "Table 1 of the paper for what is on disk: patients and pairs of each organ by part."
HELD_OUT, SEED = 0.2, 42  # of the public split


class USenhance(FileDataModule):
    """The released layout: ``train_datasets/<organ>/low_quality/NNNN.png`` and ``high_quality/NNNN.png``.

    Ids are ``organ_NNNN``. Without ``high_quality`` folders, as for the challenge's test images, the data can only be
    predicted on. A tenth of the patients of every organ is for validation; for a test set, give it a fraction, or take
    the public one by ``split_file="usenhance_public"`` (:func:`public_split`).

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


def public_split(ids: Iterable[str]) -> pd.DataFrame:
    """The one public split of the training pairs with targets to test on: four fifths to train, one to test, as
    ``id, split``.

    By the rule of ReX-MLE (rajpurkarlab/ReX-MLE, ``challenges/usenhance/prepare.py``), scikit-learn's
    ``train_test_split(ids, test_size=0.2, random_state=42)``. Of the 1,500 pairs that the challenge announced these are
    1200 and 300; of the 1,050 that are in its archive, 840 and 210: ``datamodules/published/usenhance_public.csv``. The
    rule takes the organs in the order in which a disk lists them, so it differs from machine to machine; here they are
    in the alphabet's. It parts images, not patients, who are not public.
    """
    from sklearn.model_selection import train_test_split

    ordered = sorted(ids)
    _, test = train_test_split(ordered, test_size=HELD_OUT, random_state=SEED)
    held_out = set(test)
    return pd.DataFrame({"id": ordered, "split": ["test" if name in held_out else "train" for name in ordered]})


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m datamodules.usenhance", description=ABOUT)
    parser.add_argument("root", type=Path, help="the folder that holds train_datasets")
    parser.add_argument("--patients", type=Path, metavar="CSV", help="with the columns id, patient")
    parser.add_argument(
        "--public-split", type=Path, metavar="FILE", help="write the public split of the training pairs"
    )
    options = parser.parse_args(args)
    try:
        if options.public_split is not None:
            ids = read_rows(options.root, TRAIN, tuple(ORGANS))["id"]
            write_text_atomically(options.public_split, csv_text(public_split(ids)))
        print(summary(options.root, options.patients).to_string(index=False))
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
