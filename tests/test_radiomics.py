"""Radiomics features: the IBSI's reference values, the cache, and regions that cannot be used."""

import numpy as np
import pytest

from benchmarks.analyses.radiomics import extraction as radiomics
from benchmarks.analyses.radiomics.extraction import Region, Settings, extract, features
from datamodules import InputError

# The digital phantom of the IBSI (Zwanenburg et al., Radiology 295:328, 2020), slice by slice; 0 is outside the region.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ]
)
# Its reference values of texture features, aggregated "2D, averaged", as printed there: three digits.
REFERENCE = {
    "glcm_Autocorrelation": 5.09, "glcm_JointEnergy": 0.368, "glcm_ClusterProminence": 79.1, "glcm_ClusterShade": 7.0,
    "glcm_ClusterTendency": 5.47, "glcm_Contrast": 5.28, "glcm_Correlation": -0.0121, "glcm_DifferenceAverage": 1.42,
    "glcm_DifferenceEntropy": 1.4, "glcm_DifferenceVariance": 2.9, "glcm_Id": 0.678, "glcm_Idn": 0.851,
    "glcm_Idm": 0.619, "glcm_Idmn": 0.899, "glcm_Imc1": -0.155, "glcm_Imc2": 0.487, "glcm_SumAverage": 4.28,
    "glcm_SumEntropy": 1.6,
    "glrlm_ShortRunEmphasis": 0.641, "glrlm_LongRunEmphasis": 3.78, "glrlm_LowGrayLevelRunEmphasis": 0.604,
    "glrlm_HighGrayLevelRunEmphasis": 9.82, "glrlm_ShortRunLowGrayLevelEmphasis": 0.294,
    "glrlm_ShortRunHighGrayLevelEmphasis": 8.57, "glrlm_LongRunLowGrayLevelEmphasis": 3.14,
    "glrlm_LongRunHighGrayLevelEmphasis": 17.4, "glrlm_GrayLevelNonUniformity": 5.2,
    "glrlm_GrayLevelNonUniformityNormalized": 0.46, "glrlm_RunLengthNonUniformity": 6.12,
    "glrlm_RunLengthNonUniformityNormalized": 0.492, "glrlm_RunPercentage": 0.627, "glrlm_GrayLevelVariance": 3.35,
    "glrlm_RunVariance": 0.761, "glrlm_RunEntropy": 2.17,
    "glszm_SmallAreaEmphasis": 0.363, "glszm_LargeAreaEmphasis": 43.9, "glszm_LowGrayLevelZoneEmphasis": 0.371,
    "glszm_HighGrayLevelZoneEmphasis": 16.4, "glszm_SmallAreaLowGrayLevelEmphasis": 0.0259,
    "glszm_SmallAreaHighGrayLevelEmphasis": 10.3, "glszm_LargeAreaLowGrayLevelEmphasis": 40.4,
    "glszm_LargeAreaHighGrayLevelEmphasis": 113, "glszm_GrayLevelNonUniformity": 1.41,
    "glszm_GrayLevelNonUniformityNormalized": 0.323, "glszm_SizeZoneNonUniformity": 1.49,
    "glszm_SizeZoneNonUniformityNormalized": 0.333, "glszm_ZonePercentage": 0.24, "glszm_GrayLevelVariance": 3.97,
    "glszm_ZoneVariance": 21.0, "glszm_ZoneEntropy": 1.93,
    "ngtdm_Coarseness": 0.121, "ngtdm_Contrast": 0.925, "ngtdm_Busyness": 2.99, "ngtdm_Complexity": 10.4,
    "ngtdm_Strength": 2.88,
}  # fmt: skip
# First-order features of the whole phantom, which has 74 pixels of interest.
WHOLE = {
    "Mean": 2.15, "Variance": 3.05, "Skewness": 1.08, "Median": 1.0, "Minimum": 1.0, "10Percentile": 1.0,
    "90Percentile": 4.0, "Maximum": 6.0, "InterquartileRange": 3.0, "Range": 5.0, "MeanAbsoluteDeviation": 1.55,
    "RobustMeanAbsoluteDeviation": 1.11, "Energy": 567.0, "RootMeanSquared": 2.77, "Entropy": 1.27, "Uniformity": 0.512,
}  # fmt: skip
PLAIN = Settings(bin_width=1.0, wavelet="")


def printed(value: float) -> float:
    return float(f"{value:.3g}")


@pytest.fixture(scope="module")
def slices() -> list[dict[str, float]]:
    return [features(Region("slice", one, one > 0), PLAIN) for one in PHANTOM]


@pytest.mark.parametrize("name", REFERENCE)
def test_texture_of_the_ibsi_phantom(name, slices):
    mean = np.mean([one[f"original_{name}"] for one in slices])
    assert printed(mean) == REFERENCE[name]


def test_first_order_features_of_the_ibsi_phantom():
    flat = PHANTOM.reshape(4, -1)  # one region of all slices
    found = features(Region("whole", flat, flat > 0), PLAIN)
    for name, value in WHOLE.items():
        assert printed(found[f"original_firstorder_{name}"]) == value, name
    assert printed(found["original_firstorder_Kurtosis"] - 3) == -0.355, "the library does not subtract 3"


def regions(count: int) -> list[Region]:
    rng = np.random.default_rng(0)
    mask = np.zeros((40, 40), bool)
    mask[8:30, 10:32] = True
    return [Region(f"image {n}", rng.integers(0, 256, (40, 40)), mask) for n in range(count)]


def test_the_original_and_four_wavelet_bands_give_474_features():
    found = features(regions(1)[0])
    kinds = [name.split("_")[0] for name in found]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"original": 102} | {
        f"wavelet-{band}": 93 for band in ("LL", "LH", "HL", "HH")
    }
    assert np.isfinite(list(found.values())).all()


def test_eight_bits_are_binned_by_four_levels_unless_told():
    (region,) = regions(1)
    assert features(region, Settings(wavelet="")) == features(region, Settings(bin_width=4.0, wavelet=""))
    levels = {width: np.unique(region.image[region.mask] // width).size for width in (4, 25)}
    for width, count in levels.items():
        entropy = features(region, Settings(float(width), ""))["original_firstorder_Entropy"]
        assert np.log2(count) - 0.2 < entropy <= np.log2(count), "nearly all levels alike"
    assert (levels[4], levels[25]) == (64, 11)


def test_only_the_region_counts():
    region = regions(1)[0]
    outside = np.where(region.mask, region.image, 0)
    assert features(region, Settings(wavelet="")) == features(Region("", outside, region.mask), Settings(wavelet=""))


def test_each_region_is_computed_once_for_its_image_mask_and_settings(tmp_path, monkeypatch):
    settings, own = Settings(wavelet=""), regions(3)
    table = extract(own, settings, tmp_path, jobs=1)
    assert list(table.index) == [region.name for region in own]
    assert table.shape == (3, 102)
    assert dict(table.iloc[1]) == pytest.approx(features(own[1], settings))
    computed = []
    monkeypatch.setattr(radiomics, "features", lambda region, settings: computed.append(region.name) or {"f": 0.0})
    assert extract(own, settings, tmp_path, jobs=1).equals(table)
    assert computed == []
    moved = Region("image 1", own[1].image, np.roll(own[1].mask, 1))
    other = Region("image 2", own[2].image + 1, own[2].mask)
    extract([own[0], moved, other], settings, tmp_path, jobs=1)
    assert computed == ["image 1", "image 2"]
    extract(own[:1], Settings(bin_width=5.0, wavelet=""), tmp_path, jobs=1)
    assert computed[2:] == ["image 0"]


def test_several_processes_give_the_same_table(tmp_path):
    own, settings = regions(4), Settings(wavelet="")
    one, two = (extract(own, settings, tmp_path / str(jobs), jobs=jobs) for jobs in (1, 2))
    assert one.equals(two)


def test_regions_that_cannot_be_used_are_all_named(tmp_path):
    (good,) = regions(1)
    thin = np.zeros((40, 40), bool)
    thin[5:7, 5:30] = True
    bad = [
        good,
        Region("scan 7", good.image, np.zeros((40, 40), bool)),
        Region("scan 8", good.image, np.ones((30, 40), bool)),
        Region("scan 9", good.image, thin),
    ]
    with pytest.raises(InputError) as caught:
        extract(bad, cache_dir=tmp_path)
    empty, size, small = str(caught.value).splitlines()
    assert "scan 7: its mask is empty" in empty
    assert "scan 8: its mask is 30 x 40 but the image 40 x 40" in size
    assert "scan 9: its region is 2 x 25 pixels, under the 3 x 3" in small
    assert not any(tmp_path.rglob("*.json"))
