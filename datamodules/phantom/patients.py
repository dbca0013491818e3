"""How the patients of each task are simulated: from tissue and scanners to a pair of images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import map_coordinates

from datamodules.batch import Signal
from datamodules.elasticity import shear_wave_speed
from datamodules.phantom.cirs_object import draw_cirs_object
from datamodules.phantom.elastography import shear_wave_map, strain_image
from datamodules.phantom.organs import Draw
from datamodules.phantom.scanner import CART, FIVE_SCANNERS, Scanner, TissueBatch, b_mode
from datamodules.phantom.tissue import Field, Tissue, draw_tissue, random_field

CONFIDENCE = 0.75  # the threshold of the sSWE paper
DEFORMATION_MM = 0.6  # between the handheld's and the cart's image of one patient
TARGET_SCANNER = FIVE_SCANNERS[-1]  # that harmonization brings all others to


@dataclass(frozen=True)
class Patient:
    """One simulated pair: images in [0, 1] as float32 ``(H, W, C)``, the target of ``swe`` in kPa / full scale."""

    source: np.ndarray
    target: np.ndarray
    valid: np.ndarray
    lesion: np.ndarray
    label: str
    kind: str
    outcome: int
    device: str


@dataclass(frozen=True)
class Request:
    """Images to simulate together.

    ``images`` has one generator an image. Where a patient has several, ``patients`` has one an image too, in the same
    state for all of a patient's: what they share is drawn from it. ``scanners`` are the sources' own, one an image.
    """

    images: list[np.random.Generator]
    patients: list[np.random.Generator]
    scanners: list[Scanner]
    view: Field
    device: torch.device | str = "cpu"

    def scan(self, tissues: list[Tissue], scanners: list[Scanner]) -> list[torch.Tensor]:
        """B-mode ``(H, W)`` of each tissue by its scanner, on the CPU; those of one scanner go through it together."""
        images: list[torch.Tensor] = [torch.empty(0)] * len(tissues)
        gains = [rng.normal(0, 1.5) for rng in self.images]
        for scanner in dict.fromkeys(scanners):
            members = [index for index, own in enumerate(scanners) if own == scanner]
            batch = TissueBatch.of([tissues[index] for index in members], self.view, self.device)
            offset = torch.tensor([gains[index] for index in members], dtype=torch.float32)
            scanned = b_mode(batch, scanner, [self.images[index] for index in members], offset).cpu()
            for index, image in zip(members, scanned, strict=True):
                images[index] = image
        return images

    def scan_by_one(self, tissues: list[Tissue], scanner: Scanner) -> list[torch.Tensor]:
        return self.scan(tissues, [scanner] * len(tissues))


Simulate = Callable[[Request], list[Patient]]


def strain(request: Request) -> list[Patient]:
    """B-mode to the strain image laid over it."""
    tissues = [draw_tissue(rng, request.view) for rng in request.images]
    scans = request.scan(tissues, request.scanners)
    return [
        _patient(tissue, scan, strain_image(tissue, scan, request.view, rng), scanner)
        for tissue, scan, rng, scanner in zip(tissues, scans, request.images, request.scanners, strict=True)
    ]


def shear_wave(target: Signal, request: Request) -> list[Patient]:
    """B-mode to the shear-wave map of the breast."""
    return _with_map(target, [draw_tissue(rng, request.view) for rng in request.images], request)


def shear_wave_of_planes(
    draw: Draw, target: Signal, request: Request, threshold: float | None = CONFIDENCE
) -> list[Patient]:
    """Likewise of an organ in several planes of one patient. Without a ``threshold`` of confidence the whole field,
    which is the region of interest, is valid; but for fluid, in which nothing is measured."""
    rngs = zip(request.patients, request.images, strict=True)
    return _with_map(target, [draw(patient, plane, request.view) for patient, plane in rngs], request, threshold)


def _with_map(
    target: Signal, tissues: list[Tissue], request: Request, threshold: float | None = CONFIDENCE
) -> list[Patient]:
    """Modulus or speed, as ``target`` has it, valid where the confidence is above the threshold."""
    scans, patients = request.scan(tissues, request.scanners), []
    for tissue, scan, rng, scanner in zip(tissues, scans, request.images, request.scanners, strict=True):
        modulus, confidence = shear_wave_map(tissue, request.view, rng)
        values = shear_wave_speed(modulus) if target.unit == "m/s" else modulus
        shown = (values / target.high).clamp(0, 1)[None]
        valid = torch.from_numpy(~tissue.fluid) if threshold is None else confidence > threshold
        patients.append(_patient(tissue, scan, shown, scanner, valid))
    return patients


def low_and_high_quality(request: Request) -> list[Patient]:
    """One patient, slightly displaced between the source's scanner and the cart."""
    tissues = [draw_tissue(rng, request.view) for rng in request.images]
    moved = [_deform(tissue, request.view, rng) for tissue, rng in zip(tissues, request.images, strict=True)]
    low, high = request.scan(moved, request.scanners), request.scan_by_one(tissues, CART)
    return [_patient(*images) for images in zip(tissues, low, (h[None] for h in high), request.scanners, strict=True)]


def two_patients(request: Request) -> list[Patient]:
    """Source: a patient on its scanner. Target: another patient on the target scanner."""
    tissues = [draw_tissue(rng, request.view) for rng in request.images]
    others = [draw_tissue(rng, request.view) for rng in request.images]
    own, other = request.scan(tissues, request.scanners), request.scan_by_one(others, TARGET_SCANNER)
    return [_patient(*images) for images in zip(tissues, own, (o[None] for o in other), request.scanners, strict=True)]


def one_object(request: Request) -> list[Patient]:
    """The test object in one place, on its scanner and on the target scanner."""
    objects = [draw_cirs_object(rng, request.view) for rng in request.images]
    own, other = request.scan(objects, request.scanners), request.scan_by_one(objects, TARGET_SCANNER)
    return [_patient(*images) for images in zip(objects, own, (o[None] for o in other), request.scanners, strict=True)]


def _patient(
    tissue: Tissue, scan: torch.Tensor, target: torch.Tensor, scanner: Scanner, valid: torch.Tensor | None = None
) -> Patient:
    trusted = np.ones_like(tissue.lesion) if valid is None else valid.numpy()
    return Patient(
        source=scan.numpy()[..., None],
        target=target.permute(1, 2, 0).numpy(),
        valid=trusted[..., None],
        lesion=tissue.lesion[..., None],
        label=tissue.label,
        kind=tissue.kind,
        outcome=tissue.outcome,
        device=scanner.name,
    )


def _deform(tissue: Tissue, view: Field, rng: np.random.Generator) -> Tissue:
    """The same tissue under another probe: displaced by a smooth field of about DEFORMATION_MM."""
    shift = [DEFORMATION_MM * random_field(rng, view, 8.0, 8.0) / mm for mm in (view.row_mm, view.column_mm)]
    rows, columns = np.mgrid[: view.rows, : view.columns].astype(np.float32)
    where = np.stack([rows + shift[0], columns + shift[1]])
    points = tissue.points.copy()
    for point in points:
        row, column = int(point[0] / view.row_mm), int(point[1] / view.column_mm)
        if 0 <= row < view.rows and 0 <= column < view.columns:
            point[:2] -= shift[0][row, column] * view.row_mm, shift[1][row, column] * view.column_mm

    def move(image: np.ndarray) -> np.ndarray:
        return map_coordinates(image, where, order=1, mode="nearest")

    return Tissue(
        move(tissue.echo), move(tissue.youngs_modulus), move(tissue.attenuation), tissue.fluid, tissue.lesion,
        tissue.label, tissue.kind, tissue.outcome, points,
    )  # fmt: skip
