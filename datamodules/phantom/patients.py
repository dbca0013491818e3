"""How the patients of each task are simulated: from tissue and scanners to a pair of images, and to what a perfect
method would make of the source: the ceiling."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from datamodules.batch import Signal
from datamodules.elasticity import shear_wave_speed
from datamodules.phantom.cirs_object import draw_cirs_object
from datamodules.phantom.deformation import displaced, displaced_tissue, displacement
from datamodules.phantom.elastography import noiseless_modulus, shear_wave_map, strain_image
from datamodules.phantom.organs import Draw
from datamodules.phantom.scanner import CART, FIVE_SCANNERS, Scanner, TissueBatch, b_mode
from datamodules.phantom.tissue import Field, Tissue, draw_tissue

CONFIDENCE = 0.75  # the threshold of the sSWE paper
GAIN_DB = 1.5  # standard deviation of the gain that an operator sets for a patient
TARGET_SCANNER = FIVE_SCANNERS[-1]  # that harmonization brings all others to


@dataclass(frozen=True)
class Patient:
    """One simulated pair: images in [0, 1] as float32 ``(H, W, C)``, the target of ``swe`` in kPa / full scale.

    ``target_lesion`` is there where the target is another patient, ``ceiling`` where it was asked for.
    """

    source: np.ndarray
    target: np.ndarray
    valid: np.ndarray
    lesion: np.ndarray
    label: str
    kind: str
    outcome: int
    device: str
    target_lesion: np.ndarray | None = None
    ceiling: np.ndarray | None = None


@dataclass(frozen=True)
class Request:
    """Images to simulate together.

    ``images`` has one generator an image. Where a patient has several, ``patients`` has one an image too, in the same
    state for all of a patient's: what they share is drawn from it. ``scanners`` are the sources' own, one an image.
    ``ceiling`` asks for that of every pair; it is drawn after the pair, which is the same with it and without.
    """

    images: list[np.random.Generator]
    patients: list[np.random.Generator]
    scanners: list[Scanner]
    view: Field
    device: torch.device | str = "cpu"
    ceiling: bool = False

    def scan(self, tissues: list[Tissue], scanners: list[Scanner], gain_db: float = GAIN_DB) -> list[torch.Tensor]:
        """B-mode ``(H, W)`` of each tissue by its scanner, on the CPU; those of one scanner go through it together.
        The gain differs from image to image by ``gain_db``."""
        images: list[torch.Tensor] = [torch.empty(0)] * len(tissues)
        gains = [rng.normal(0, gain_db) for rng in self.images]
        for scanner in dict.fromkeys(scanners):
            members = [index for index, own in enumerate(scanners) if own == scanner]
            batch = TissueBatch.of([tissues[index] for index in members], self.view, self.device)
            offset = torch.tensor([gains[index] for index in members], dtype=torch.float32)
            scanned = b_mode(batch, scanner, [self.images[index] for index in members], offset).cpu()
            for index, image in zip(members, scanned, strict=True):
                images[index] = image
        return images

    def scan_by_one(self, tissues: list[Tissue], scanner: Scanner, gain_db: float = GAIN_DB) -> list[torch.Tensor]:
        return self.scan(tissues, [scanner] * len(tissues), gain_db)


Simulate = Callable[[Request], list[Patient]]


def strain(request: Request) -> list[Patient]:
    """B-mode to the strain image laid over it. Ceiling: the same without the elastograph's noise."""
    tissues = [draw_tissue(rng, request.view) for rng in request.images]
    patients = []
    for tissue, scan, rng, scanner in zip(
        tissues, request.scan(tissues, request.scanners), request.images, request.scanners, strict=True
    ):
        target = strain_image(tissue, scan, request.view, rng)
        ceiling = strain_image(tissue, scan, request.view, None) if request.ceiling else None
        patients.append(_patient(tissue, scan, target, scanner, ceiling=ceiling))
    return patients


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
    """Modulus or speed, as ``target`` has it, valid where the confidence is above the threshold. Ceiling: the true one
    through the elastograph's resolution, without its noise."""

    def shown(modulus: torch.Tensor) -> torch.Tensor:
        values = shear_wave_speed(modulus) if target.unit == "m/s" else modulus
        return (values / target.high).clamp(0, 1)[None]

    scans, patients = request.scan(tissues, request.scanners), []
    for tissue, scan, rng, scanner in zip(tissues, scans, request.images, request.scanners, strict=True):
        modulus, confidence = shear_wave_map(tissue, request.view, rng)
        valid = torch.from_numpy(~tissue.fluid) if threshold is None else confidence > threshold
        ceiling = shown(noiseless_modulus(tissue, request.view)) if request.ceiling else None
        patients.append(_patient(tissue, scan, shown(modulus), scanner, valid, ceiling=ceiling))
    return patients


def low_and_high_quality(request: Request) -> list[Patient]:
    """One patient, slightly displaced between the source's scanner and the cart. Ceiling: the cart's scan, displaced
    as the source is."""
    tissues = [draw_tissue(rng, request.view) for rng in request.images]
    shifts = [displacement(rng, request.view) for rng in request.images]
    moved = [displaced_tissue(tissue, shift, request.view) for tissue, shift in zip(tissues, shifts, strict=True)]
    low, high = request.scan(moved, request.scanners), request.scan_by_one(tissues, CART)

    def ceiling(scan: torch.Tensor, shift: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(displaced(scan.numpy(), shift, order=3)).clamp(0, 1)

    ceilings = [ceiling(*pair) for pair in zip(high, shifts, strict=True)] if request.ceiling else None
    return _scans(request, tissues, low, high, ceilings)


def two_patients(request: Request) -> list[Patient]:
    """Source: a patient on its scanner. Target: another patient on the target scanner. Ceiling: the first there."""
    tissues = [draw_tissue(rng, request.view) for rng in request.images]
    others = [draw_tissue(rng, request.view) for rng in request.images]
    own, other = request.scan(tissues, request.scanners), request.scan_by_one(others, TARGET_SCANNER)
    ceilings = request.scan_by_one(tissues, TARGET_SCANNER) if request.ceiling else None
    return _scans(request, tissues, own, other, ceilings, others)


def one_object(request: Request) -> list[Patient]:
    """The test object in one place, on its scanner and on the target scanner, each with the gain that a physicist has
    set for all its scans. Ceiling: the target scanner's second scan."""
    objects = [draw_cirs_object(rng, request.view) for rng in request.images]
    own = request.scan(objects, request.scanners, gain_db=0)
    other = request.scan_by_one(objects, TARGET_SCANNER, gain_db=0)
    ceilings = request.scan_by_one(objects, TARGET_SCANNER, gain_db=0) if request.ceiling else None
    return _scans(request, objects, own, other, ceilings)


def _scans(
    request: Request,
    tissues: list[Tissue],
    sources: list[torch.Tensor],
    targets: list[torch.Tensor],
    ceilings: list[torch.Tensor] | None,
    others: list[Tissue] | None = None,
) -> list[Patient]:
    """Pairs of B-mode images ``(H, W)``; ``others`` are the targets' patients where these are not the sources'."""
    none = [None] * len(tissues)
    pairs = zip(tissues, sources, targets, request.scanners, strict=True)
    beside = zip(others or none, ceilings or none, strict=True)
    return [_patient(*pair, other=other, ceiling=ceiling) for pair, (other, ceiling) in zip(pairs, beside, strict=True)]


def _patient(
    tissue: Tissue,
    scan: torch.Tensor,
    target: torch.Tensor,
    scanner: Scanner,
    valid: torch.Tensor | None = None,
    other: Tissue | None = None,
    ceiling: torch.Tensor | None = None,
) -> Patient:
    trusted = np.ones_like(tissue.lesion) if valid is None else valid.numpy()
    return Patient(
        source=_picture(scan),
        target=_picture(target),
        valid=trusted[..., None],
        lesion=tissue.lesion[..., None],
        label=tissue.label,
        kind=tissue.kind,
        outcome=tissue.outcome,
        device=scanner.name,
        target_lesion=None if other is None else other.lesion[..., None],
        ceiling=None if ceiling is None else _picture(ceiling),
    )


def _picture(image: torch.Tensor) -> np.ndarray:
    """``(C, H, W)`` or ``(H, W)`` to ``(H, W, C)``."""
    return np.moveaxis(image.numpy().reshape(-1, *image.shape[-2:]), 0, -1)
