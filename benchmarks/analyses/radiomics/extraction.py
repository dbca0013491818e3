"""Radiomics features of 2-D regions, by pyradiomics: IBSI definitions, original and wavelet images.

Feature values depend on how grey levels are binned; see :class:`Settings`. pyradiomics differs from the IBSI in two
documented points: kurtosis is not in excess of 3, and first-order features of a wavelet image are those of its
coefficients.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.cache import available_cpus, default_cache_dir, with_progress
from datamodules.errors import InputError
from datamodules.writers import write_text_atomically

VERSION = 1  # raise it when the features change their meaning
LEAST_SIDE = 3  # pixels: a texture matrix needs neighbours in both directions
HOW_TO_INSTALL = "pip install 'sonozoo[radiomics]' (it needs a C compiler)"


@dataclass(frozen=True)
class Settings:
    """How features are computed.

    Args:
        bin_width: of grey levels from 0 to 255 in first-order and texture features. The library's default of 25 is
            meant for wider ranges: in 8-bit images it leaves a region of a test object three levels, in a wavelet band
            two.
        wavelet: mother wavelet of the four bands (LL, LH, HL, HH); empty for the original image alone.
    """

    bin_width: float = 4.0
    wavelet: str = "coif1"


@dataclass(frozen=True)
class Region:
    """``image`` is ``(H, W)`` with grey levels from 0 to 255, ``mask`` bool ``(H, W)``; ``name`` stands in messages."""

    name: str
    image: np.ndarray
    mask: np.ndarray


def check(region: Region) -> None:
    """Raises InputError: a mask of another size, an empty one, or one too small for a texture matrix."""
    image, mask = region.image, region.mask
    if image.shape != mask.shape:
        raise InputError(
            f"{region.name}: its mask is {mask.shape[0]} x {mask.shape[1]} but the image {image.shape[0]} x "
            f"{image.shape[1]}; a region needs a mask of the image's size"
        )
    if not mask.any():
        raise InputError(f"{region.name}: its mask is empty; draw the region, or leave the image out")
    sides = [int(np.ptp(where)) + 1 for where in np.nonzero(mask)]
    if min(sides) < LEAST_SIDE:
        raise InputError(
            f"{region.name}: its region is {sides[0]} x {sides[1]} pixels, under the {LEAST_SIDE} x {LEAST_SIDE} that "
            "texture needs; enlarge it, or leave the image out"
        )


def features(region: Region, settings: Settings = Settings()) -> dict[str, float]:
    """Every feature of one region by name, ``original_glcm_Contrast`` and so on.

    Raises:
        InputError: the region cannot be used (see :func:`check`), or pyradiomics is not installed.
    """
    check(region)
    extractor = _extractor(settings)
    import SimpleITK as sitk

    image, mask = (
        sitk.GetImageFromArray(array[None]) for array in (region.image.astype(np.float32), region.mask.astype(np.uint8))
    )
    found = extractor.execute(image, mask)
    return {name: float(value) for name, value in found.items() if not name.startswith("diagnostics")}


def _extractor(settings: Settings):
    try:
        from radiomics import featureextractor, setVerbosity
    except ImportError:
        raise InputError(f"radiomics features need pyradiomics; {HOW_TO_INSTALL}") from None
    setVerbosity(50)
    extractor = featureextractor.RadiomicsFeatureExtractor(
        binWidth=settings.bin_width, force2D=True, force2Ddimension=0, label=1, correctMask=False
    )
    extractor.disableAllFeatures()
    for kind in ("firstorder", "shape2D", "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        extractor.enableFeatureClassByName(kind)
    extractor.enableImageTypes(Original={}, **({"Wavelet": {"wavelet": settings.wavelet}} if settings.wavelet else {}))
    return extractor


def extract(
    regions: Sequence[Region],
    settings: Settings = Settings(),
    cache_dir: Path | None = None,
    jobs: int | None = None,
) -> pd.DataFrame:
    """A row of features a region, indexed by name; in parallel, and each computed once: kept by image, mask, settings.

    Raises:
        InputError: with every region that cannot be used.
    """
    faults = []
    for region in regions:
        try:
            check(region)
        except InputError as error:
            faults.append(str(error))
    InputError.raise_for(faults)
    folder = (cache_dir or default_cache_dir()) / "radiomics"
    paths = [folder / f"{_key(region, settings)}.json" for region in regions]
    missing = [(region, path) for region, path in zip(regions, paths, strict=True) if not path.is_file()]
    results = _computed([region for region, _ in missing], settings, jobs)
    for (_, path), found in zip(missing, with_progress(results, len(missing), "radiomics"), strict=True):
        write_text_atomically(path, json.dumps(found))
    rows = [json.loads(path.read_text()) for path in paths]
    return pd.DataFrame(rows, index=[region.name for region in regions])


def _key(region: Region, settings: Settings) -> str:
    digest = hashlib.sha256(json.dumps([VERSION, asdict(settings), region.image.shape]).encode())
    digest.update(np.ascontiguousarray(region.image, np.float32).tobytes())
    digest.update(np.packbits(region.mask).tobytes())
    return digest.hexdigest()[:24]


def _computed(regions: list[Region], settings: Settings, jobs: int | None) -> Iterable[dict[str, float]]:
    jobs = min(jobs or available_cpus(), max(1, len(regions) // 8))
    if jobs == 1:
        yield from (features(region, settings) for region in regions)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    try:
        parallel = Parallel(n_jobs=jobs, return_as="generator", inner_max_num_threads=1, backend="loky")
        yield from parallel(delayed(features)(region, settings) for region in regions)
    finally:
        get_reusable_executor().shutdown(wait=True)
