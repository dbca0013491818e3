"""The harmonizer paper's analyses on features whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.analyses.radiomics.comparison import COMBAT, correlations, distances, predictions
from benchmarks.analyses.radiomics.likeness import frechet_distance

NAMES = [f"original_f{n}" for n in range(12)]


def features(patients: int = 80, seed: int = 0) -> pd.DataFrame:
    """Two rows: ``original`` is off by what its device does, ``full`` is the target with a little noise. The first
    three features of a lesion tell the outcome."""
    rng = np.random.default_rng(seed)
    outcome = rng.random(patients) < 0.4
    devices = np.array(["a", "b"])[np.arange(patients) % 2]
    true = rng.normal(size=(patients, len(NAMES)))
    true[:, :3] += 1.5 * outcome[:, None]
    whole = rng.normal(size=(patients, len(NAMES)))
    tables = []
    for row, noise, gain in (("original", 1.5, 4.0), ("full", 0.2, 1.0)):
        for region, base in (("part 0", true), ("image", whole)):
            shift = np.where(devices == "a", 3.0, -3.0)[:, None] if row == "original" else 0.0
            made = gain * base + shift + noise * rng.normal(size=base.shape)
            for of, values in (("made", made), ("target", base)):
                facts = {"id": [f"p{n}" for n in range(patients)], "patient": [f"p{n}" for n in range(patients)]}
                table = pd.DataFrame(facts | {"device": devices, "outcome": outcome.astype(int)})
                table = table.assign(row=row, fold=0, seed=0, region=region, of=of)
                tables.append(pd.concat([table, pd.DataFrame(values, columns=NAMES)], axis=1))
    return pd.concat(tables, ignore_index=True)


def test_correlations_are_over_the_regions_of_pairs():
    found = correlations(features())
    assert set(found) == {"original", "full"}
    assert found["full"].mean > 0.95 > found["original"].mean > 0
    assert found["original"].low < found["original"].mean < found["original"].high


def test_distances_are_those_of_whole_images():
    table = features()
    found = distances(table)
    assert found["full"][0] < 0.1 * found["original"][0]
    table.loc[table["region"] == "part 0", NAMES] = 0.0
    assert distances(table) == found


def test_all_rows_are_measured_on_the_scale_of_what_the_scanners_measured():
    table = features()
    made = table[(table["of"] == "made") & (table["row"] == "original")]
    source = pd.concat([made.assign(row=row, of="source") for row in ("original", "full")])
    whole = table[(table["row"] == "full") & (table["region"] == "image")]
    own, target = (whole[whole["of"] == of][NAMES].reset_index(drop=True) for of in ("made", "target"))
    measured = pd.concat([made.loc[made["region"] == "image", NAMES], target])
    found = distances(pd.concat([table, source], ignore_index=True))["full"][0]
    assert found == pytest.approx(frechet_distance(own, target, measured))
    assert found != pytest.approx(frechet_distance(own, target))


def test_predictions_share_their_split_and_combat_mends_the_original():
    found = predictions(features(200), "original")
    assert set(found) == {"original", COMBAT, "full"}
    cohorts = {row: tuple(own.scores["cohort"]) for row, own in found.items()}
    assert len(set(cohorts.values())) == 1
    parts = found["full"].scores.groupby("cohort")["outcome"].agg(["size", "mean"])
    assert parts.loc["training", "size"] == pytest.approx(140, abs=2)
    assert parts.loc["training", "mean"] == pytest.approx(parts.loc["validation", "mean"], abs=0.03)
    area = {row: own.results["validation"]["AUC"] for row, own in found.items()}
    assert area["full"] > 0.8
    assert area[COMBAT] > area["original"]
    assert set(found["full"].model.coefficients.index) >= set(NAMES[:3])


def test_only_the_first_run_makes_a_cohort():
    twice = pd.concat([features(), features(seed=1).assign(fold=1)], ignore_index=True)
    assert len(predictions(twice, "original")["full"].scores) == 80
    assert len(distances(twice)["full"]) == 2
