"""A results folder for the page: known scores and pictures, names that would be markup, and what goes wrong."""

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.results import Results
from benchmarks.vocabulary import Paper
from tests.facts import METRIC

EVIL = "<img src=x onerror=alert(1)>"
IMAGES = [EVIL, *(f"image-{number:02d}" for number in range(1, 40))]
ROWS = {"identity": "identity", "Pix2Pix": "Pix2Pix", "HSC-T": "HSC-T", "broken": "broken", "ceiling": "ceiling"}
SSIM = {"identity": 0.2, "Pix2Pix": 0.5, "HSC-T": 0.7, "ceiling": 0.9}  # of the first image; later ones are better
STEP = 0.002


def make_results(folder, side: int = 16) -> Results:
    """One table of two folds: 40 test images each, 20 of them benign; a row that failed, and a ceiling."""
    table = PlannedTable(
        "t",
        "B-mode to strain",
        ["SSIM", "PSNR", "LPIPS"],
        ROWS,
        ["benign", "malignant"],
        paper=Paper("hsct", "II", "MTUSI"),
        compare="HSC-T",
        ceilings=["ceiling"],
        candidates=["Pix2Pix", "HSC-T", "broken"],
    )
    cells = [PlannedCell("t", row, fold, 0, f"{number}-{fold}") for number, row in enumerate(ROWS) for fold in (0, 1)]
    results = Results(folder)
    results.write_plan(Plan("own", "A page", {"t": table}, cells, ["BUSI=my scans"]))
    for cell in cells:
        if cell.row == "broken":
            results.cell(cell.hash).mark_failed("the loss is not finite")
        else:
            write_cell(results, cell, side)
    return results


def write_cell(results: Results, cell: PlannedCell, side: int) -> None:
    """A picture an image, of the row's own grey level; the third image's PSNR is no number, the fourth's infinite."""
    own = results.cell(cell.hash)
    number = np.arange(len(IMAGES))
    scores = pd.DataFrame({"id": IMAGES, "patient": [f"p{n}" for n in number], "organ": "breast", "device": "cart"})
    scores["label"] = number % 2
    scores["SSIM"] = SSIM[cell.row] + STEP * number
    scores["PSNR"] = np.where(number == 2, np.nan, np.where(number == 3, np.inf, 20.0 + number))
    own.write_scores(scores.assign(LPIPS=0.5), [METRIC[name] for name in ("SSIM", "PSNR", "LPIPS")])
    own.write_text("config.yaml", f"model:\n  class_path: {cell.row}\nseed_everything: 0\n")
    trained = {"updates": 1250, "fit_s": 75.0} if cell.row in ("Pix2Pix", "HSC-T") else {}
    own.write_timings({"parameters_in_use": 54_400_000} | trained)
    own.write_environment({"date": "2026-11-29T12:44:44+00:00", "device": "2 CPU cores", "torch": "2.9"})
    data = {"data": "phantoms", "task": "elastography", "unit": "RGB", "size": [side, side], "images": {"test": 40}}
    own.mark_finished(data | {"pretrained": {}}, "")
    own.samples().mkdir(parents=True)
    level = [*ROWS].index(cell.row) * 40 + 20
    for image in IMAGES:
        picture = np.concatenate([np.full((side, side, 3), value, np.uint8) for value in (10, 250, level, 128)], axis=1)
        Image.fromarray(picture).save(own.sample(image))
