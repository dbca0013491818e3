"""US3M, B-mode, colour Doppler and elastography of breast lesions (Yan et al., Information Fusion, 2024, CC BY-NC 4.0).

``python -m datamodules.us3m ROOT --out DIR`` undoes the elastograms' overlay by their colour bar: values for colours.
"""

import argparse
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning.utilities import rank_zero_warn

from datamodules.batch import RGB, Signal
from datamodules.elastogram.cli import add_options, intake_of
from datamodules.elastogram.intake import write_pairs
from datamodules.errors import InputError
from datamodules.folder import FileDataModule
from datamodules.manifest import Manifest, make_manifest, read_manifest
from datamodules.matching import files_by_name
from datamodules.patients import unnamed
from datamodules.us3m_labels import CLASSES, labels_of

PICTURE = re.compile(r"(BUS|EUS)_(\d+)", re.IGNORECASE)  # DUS, colour Doppler, is no side of a translation
DEPTH = 3  # folders between the root and a case, at most
BAR = "part of the bar"  # unit of strain, whose bar runs from soft to hard without numbers
REMARK = "Pairs of US3M are B-mode and elastogram of one patient and number; it does not say that they show one plane."
ABOUT = """Undoes the overlay of every elastogram by the colour bar in it, as python -m datamodules.elastogram does, and
writes a data set of the B-mode beside or under it and of values, with US3M's patients and labels, for --data.root.
Values are parts of the bar from 0 to 1 unless --high and --unit say more."""


class US3M(FileDataModule):
    """US3M as released: a folder a patient, in it ``BUS_1.jpg``, ``BUS_2.jpg``, ... and ``EUS_1.jpg``, ... of a lesion.

    ``BUS_k``, B-mode, is the source, ``EUS_k``, elastography as the scanner draws it, the target; ``DUS_k`` is not
    read. Patients have not as many of both (781 and 498 of 248 patients): those without a partner of their number are
    left out, which a warning says. Labels are those of a folder ``benign`` or ``malignant`` about the patients', or of
    the table that comes with the set; pictures that lie in these two folders themselves are of a patient a number.
    Without any ``EUS_k`` the data can only be predicted on.

    The layout is that of the authors' code (TimesXY/TDF_Net) and of a catalogue that has counted the files
    (TIanCat/open-medical-ultrasound-datasets); it has not been tried on the files themselves. The set has no split of
    its own. Its pictures are the scanner's, with whatever stands about the panels.

    Args:
        root: the folder that holds the patients' folders, at most three folders down; or one that
            ``python -m datamodules.us3m`` has written.
        labels: CSV with the columns ``id, label``, of the patients' folders; by default ``BD3M.csv`` or the released
            ``BD3M.xlsx`` in the root or beside it.
        target: channels, range and unit of the elastograms.

    The other arguments are those of :class:`datamodules.folder.FileDataModule`.
    """

    name = "US3M"

    def __init__(self, root: Path, labels: Path | None = None, target: Signal = RGB, **kwargs: Any) -> None:
        super().__init__(target=target, **kwargs)
        self.root, self.labels = Path(root), labels

    def manifest(self) -> Manifest:
        if (self.root / "manifest.csv").is_file():
            return read_manifest(self.root / "manifest.csv")
        cases = read_cases(self.root, self.labels)
        paired = any(case.elastograms for case in cases)
        remarks = [REMARK] * paired + [unnamed(self.name)] * any(case.of_several for case in cases)
        self.remark = " ".join(remarks)
        if paired:
            _check_pairs(cases)
        rows = [
            case.facts(number)
            | {"source": self._cell(case.b_modes[number])}
            | {"target": self._cell(case.elastograms[number]) if paired else ""}
            for case in cases
            for number in (case.pairs if paired else case.b_modes)
        ]
        return make_manifest(pd.DataFrame(rows), self.root, self.name)

    def _cell(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix()


@dataclass(frozen=True)
class Case:
    """A patient's folder: its name in the set, and the files of both kinds by number."""

    folder: Path
    name: str
    label: str
    b_modes: dict[int, Path]
    elastograms: dict[int, Path]

    @property
    def pairs(self) -> list[int]:
        """Numbers of which there are both."""
        return sorted(self.b_modes.keys() & self.elastograms.keys())

    @property
    def lonely(self) -> list[Path]:
        """Files without a partner of their number."""
        files = [*self.b_modes.items(), *self.elastograms.items()]
        return [file for number, file in files if number not in self.pairs]

    @property
    def of_several(self) -> bool:
        """Whether it is no patient's folder but that of a class, in which every number stands for a patient."""
        return self.folder.name.lower() in CLASSES

    def facts(self, number: int) -> dict[str, str]:
        """What a manifest says of a picture beside its files."""
        name = f"{self.name}_{number}"
        patient = name if self.of_several else self.name
        return {"id": name, "patient": patient, "label": self.label, "organ": "breast"}


def read_cases(root: Path, labels: Path | None = None) -> list[Case]:
    """Every patient of the set, in the order of their numbers.

    Raises:
        InputError: no such folder, no pictures of these names, two of one kind and number, or labels that are missing.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; name the one that holds the patients' folders of US3M")
    found = {folder: kinds for folder in _folders(root) if any((kinds := _pictures(folder)).values())}
    if not found:
        raise InputError(f"{root}: holds no US3M images such as '1/BUS_1.jpg' and '1/EUS_1.jpg'; check the folder")
    label = labels_of(root, list(found), labels)
    top = os.path.commonpath([folder.parent for folder in found])
    return [
        Case(folder, folder.relative_to(top).as_posix(), label[folder], kinds["BUS"], kinds["EUS"])
        for folder, kinds in found.items()
    ]


def is_us3m(root: Path) -> bool:
    """Whether there are elastograms or B-mode by the set's names."""
    patterns = ("*/" * depth + f"{kind}_[0-9]*" for depth in range(DEPTH + 1) for kind in ("BUS", "EUS"))
    return any(next(root.glob(pattern), None) for pattern in patterns)


def _folders(root: Path) -> list[Path]:
    """The root and the folders in it, numbers in their order."""
    below = [path for depth in range(1, DEPTH + 1) for path in root.glob("/".join("*" * depth)) if path.is_dir()]
    return [root, *sorted(below, key=lambda path: (path.parent, len(path.name), path.name))]


def _pictures(folder: Path) -> dict[str, dict[int, Path]]:
    """By kind and number."""
    found: dict[str, dict[int, Path]] = {"BUS": {}, "EUS": {}}
    faults = []
    for stem, file in files_by_name(folder).items():
        if match := PICTURE.fullmatch(stem):
            files, number = found[match[1].upper()], int(match[2])
            if number in files:
                faults.append(
                    f"{folder / file}: '{files[number].name}' is of the same kind and number; keep one of them"
                )
            files[number] = folder / file
    InputError.raise_for(faults)
    return found


def _check_pairs(cases: list[Case]) -> None:
    """Raise InputError if there is no pair at all; warn of the pictures that have no partner."""
    lonely = [file for case in cases for file in case.lonely]
    if not any(case.pairs for case in cases):
        raise InputError(
            f"{cases[0].folder.parent}: no BUS_k has an EUS_k of its number, as '{lonely[0].name}'; complete the set"
        )
    if lonely:
        first, more = "/".join(lonely[0].parts[-2:]), ", ..." if len(lonely) > 1 else ""
        rank_zero_warn(
            f"{US3M.name}: {len(lonely)} of the B-mode and elastography pictures have no partner of their number "
            f"('{first}'{more}) and are left out"
        )


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m datamodules.us3m", description=ABOUT)
    parser.add_argument("root", type=Path, help="the folder that holds the patients' folders")
    parser.add_argument("--labels", type=Path, metavar="CSV", help="with the columns id, label")
    add_options(parser)
    parser.set_defaults(high=1.0, unit=BAR)
    options = vars(parser.parse_args(args))
    try:
        cases = read_cases(options.pop("root"), options.pop("labels"))
        facts = {file: case.facts(number) for case in cases for number, file in sorted(case.elastograms.items())}
        print(write_pairs(list(facts), options.pop("out"), intake_of(options), facts))
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
