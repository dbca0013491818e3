"""The phantom as physics: speckle, beams, attenuation, points, shear waves, and the statistics of its patients."""

import numpy as np
import pytest
import torch

from datamodules.elasticity import shear_wave_speed, youngs_modulus
from datamodules.phantom.cirs_object import draw_cirs_object
from datamodules.phantom.elastography import MAX_MODULUS, shear_wave_map
from datamodules.phantom.scanner import (
    CART,
    FIVE_SCANNERS,
    HANDHELD,
    OVERSAMPLING,
    Scanner,
    TissueBatch,
    b_mode,
    decibel,
    envelope,
)
from datamodules.phantom.tissue import Field, Tissue, draw_tissue

VIEW = Field(40.0, 40.0, 256, 256)
PLAIN = Scanner("plain", 7.0, 0.6, 2.0, 20.0, noise=-200.0, gain_slope=0.0)


def uniform(attenuation: float = 0.0, echo: float = 0.0, points=()) -> Tissue:
    shape = (VIEW.rows, VIEW.columns)
    return Tissue(
        echo=np.full(shape, echo, np.float32),
        youngs_modulus=np.full(shape, 20.0, np.float32),
        attenuation=np.full(shape, attenuation, np.float32),
        fluid=np.zeros(shape, bool),
        lesion=np.zeros(shape, bool),
        points=np.array(points, np.float32).reshape(-1, 3),
    )


def scan(tissue: Tissue, scanner: Scanner, seed: int = 0) -> torch.Tensor:
    return envelope(TissueBatch.of([tissue], VIEW), scanner, [np.random.default_rng(seed)])[0]


def test_speckle_is_fully_developed():
    """The envelope of many random scatterers is Rayleigh: mean over standard deviation is 1.91, power 1."""
    image = scan(uniform(), PLAIN)
    assert float(image.mean() / image.std()) == pytest.approx(1.913, abs=0.06)
    assert float(image.square().mean()) == pytest.approx(1.0, abs=0.05)


def test_compounding_smooths_speckle_by_the_root_of_its_looks():
    from dataclasses import replace

    image = scan(uniform(), replace(PLAIN, looks=4))
    assert float(image.mean() / image.std()) == pytest.approx(2 * 1.913, rel=0.06)


def width_of_point(scanner: Scanner, depth: float) -> float:
    """Lateral full width at half maximum in mm of a wire in empty tissue."""
    image = scan(uniform(echo=-200, points=[(depth, 20.0, 40.0)]), scanner)
    profile = image[round(depth / VIEW.depth * VIEW.rows * OVERSAMPLING - 0.5)]
    x = np.arange(VIEW.columns)
    fine = np.interp(np.arange(0, VIEW.columns, 0.01), x, profile.numpy())
    return float((fine > fine.max() / 2).sum() * 0.01 * VIEW.column_mm)


def test_lateral_width_grows_with_f_number_and_away_from_the_focus():
    from dataclasses import replace

    widths = [width_of_point(replace(PLAIN, f_number=f), 20.0) for f in (1.5, 2.5, 4.0)]
    assert widths[0] < widths[1] < widths[2]
    at = [width_of_point(PLAIN, depth) for depth in (4.0, 12.0, 20.0, 28.0, 36.0)]
    assert at[0] > at[1] > at[2] < at[3] < at[4]
    expected = float(PLAIN.lateral_sigma(torch.tensor(20.0))) * 2.355
    assert width_of_point(PLAIN, 20.0) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("scanner", [PLAIN, CART, HANDHELD, *FIVE_SCANNERS], ids=lambda scanner: scanner.name)
def test_a_points_peak_lies_as_many_decibel_over_gland_as_it_says(scanner):
    """Whatever the beam; a grid of 0.16 mm catches the peak of the narrowest of them."""
    from dataclasses import replace

    clean = replace(scanner, noise=-200.0, gain_slope=0.0, looks=1)
    for depth in (8.0, 20.0, 34.0):
        peak = float(decibel(scan(uniform(echo=-200, points=[(depth, 20.0, 20.0)]), clean)).max())
        assert peak == pytest.approx(20.0, abs=0.01)


def test_a_points_echo_is_that_of_a_gaussian_of_unit_power():
    """(sqrt(pi) s)^(-1/2) along each axis, so that a point of amplitude 1 peaks at 1 / sqrt(pi s_axial s_lateral)."""
    from datamodules.phantom.scanner import MARGIN, _transfer

    depth = (torch.arange(256 * OVERSAMPLING + 2 * MARGIN) + 0.5) * VIEW.row_mm / OVERSAMPLING
    wide = Scanner("wide", 4.0, 0.3, 5.0, 20.0)
    beam, pulse = _transfer(wide, VIEW, depth, 256 + 2 * MARGIN)
    row = 256
    axial = wide.axial_sigma() / VIEW.row_mm * OVERSAMPLING
    lateral = float(wide.lateral_sigma(depth[row])) / VIEW.column_mm
    expected = 1 / np.sqrt(np.pi * axial * lateral)
    assert float(beam[row].mean() * pulse.mean()) == pytest.approx(expected, rel=1e-3)


def test_axial_resolution_follows_the_bandwidth():
    narrow, broad = Scanner("n", 7.0, 0.3, 2, 20).axial_sigma(), Scanner("b", 7.0, 0.6, 2, 20).axial_sigma()
    assert narrow == pytest.approx(2 * broad)


@pytest.mark.parametrize("attenuation", [0.3, 0.7])
def test_log_amplitude_falls_with_depth_by_the_attenuation(attenuation):
    """2 f alpha dB a cm, there and back."""
    level = decibel(scan(uniform(attenuation), PLAIN).square().mean(1).sqrt())
    depth_cm = (np.arange(len(level)) + 0.5) * VIEW.row_mm / OVERSAMPLING / 10
    slope = np.polyfit(depth_cm, level.numpy(), 1)[0]
    assert slope == pytest.approx(-2 * PLAIN.frequency * attenuation, rel=0.03)


def test_the_gain_curve_makes_up_for_its_slope():
    from dataclasses import replace

    level = decibel(scan(uniform(0.5), replace(PLAIN, gain_slope=0.5)).square().mean(1).sqrt())
    assert abs(float(level[:100].mean() - level[-100:].mean())) < 1.0


def test_speed_and_modulus_obey_their_relation():
    """c = sqrt(E / (3 rho)): 30 kPa is 3.162 m/s, 100 kPa is 5.774 m/s."""
    assert shear_wave_speed(torch.tensor([30.0, 100.0])).tolist() == pytest.approx([3.1623, 5.7735], abs=1e-4)
    modulus = torch.linspace(1, 180, 50)
    assert torch.allclose(youngs_modulus(shear_wave_speed(modulus)), modulus, rtol=1e-5)


def test_the_shear_wave_map_measures_the_modulus_and_trusts_it_less_with_depth():
    modulus, confidence = shear_wave_map(uniform(0.5), VIEW, np.random.default_rng(0))
    assert float(modulus[:128].mean()) == pytest.approx(20.0, rel=0.05)
    assert modulus[:64].std() < modulus[-64:].std()
    assert confidence[:64].mean() > confidence[96:160].mean() > confidence[-64:].mean()
    assert 0 <= float(modulus.min()) <= float(modulus.max()) <= MAX_MODULUS


def test_no_shear_wave_runs_in_fluid():
    tissue = uniform(0.5)
    tissue.fluid[60:100, 100:150] = True
    _, confidence = shear_wave_map(tissue, VIEW, np.random.default_rng(0))
    assert float(confidence[70:90, 115:135].max()) < 0.01


@pytest.fixture(scope="module")
def many() -> list[Tissue]:
    return [draw_tissue(np.random.default_rng(seed), Field(40, 40, 64, 64)) for seed in range(300)]


def test_class_stiffness_echo_and_outcome_are_correlated_not_tied(many):
    stiff = {kind: [] for kind in ("benign", "malignant", "cyst")}
    for tissue in many:
        stiff[tissue.kind].append(float(tissue.youngs_modulus[tissue.lesion].mean()))
        assert tissue.label == ("malignant" if tissue.kind == "malignant" else "benign")
        assert (tissue.kind == "cyst") == bool(tissue.fluid.any())
    assert 100 < len(stiff["malignant"]) < 200
    assert np.median(stiff["malignant"]) > 2 * np.median(stiff["benign"])
    assert min(stiff["malignant"]) < max(stiff["benign"]), "some lesions must be hard"
    outcome = {label: np.mean([t.outcome for t in many if t.label == label]) for label in ("benign", "malignant")}
    assert 0.05 < outcome["benign"] < outcome["malignant"] < 0.95


def test_a_cyst_is_black_and_bright_behind():
    from dataclasses import replace

    tissue = uniform(0.6)
    rows, columns = np.mgrid[:256, :256]
    cyst = (rows - 100) ** 2 + (columns - 128) ** 2 < 30**2
    tissue.echo[cyst], tissue.attenuation[cyst] = -70, 0.02
    batch = TissueBatch.of([tissue], VIEW)
    image = b_mode(batch, replace(CART, gain_slope=0.6), [np.random.default_rng(0)])[0]
    assert float(image[95:105, 120:136].mean()) < 0.02
    assert float(image[140:170, 118:138].mean()) > 1.1 * float(image[140:170, 20:60].mean())


def test_scanners_differ_and_the_test_object_shows_its_contrasts():
    tissue = draw_cirs_object(np.random.default_rng(1))
    images = [b_mode(TissueBatch.of([tissue], VIEW), s, [np.random.default_rng(0)])[0] for s in FIVE_SCANNERS]
    means = [float(image.mean()) for image in images]
    assert len({round(mean, 2) for mean in means}) >= 4
    echo, image = torch.from_numpy(tissue.echo), images[-1]
    levels = [float(image[(echo - (-4.0 + contrast)).abs() < 0.5].mean()) for contrast in (-9, -6, -3, 0, 3, 6, 15)]
    assert levels == sorted(levels)
    assert float(image[torch.from_numpy(tissue.fluid)].mean()) < levels[0]
