"""The harmonizer paper's analyses on features whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.analyses.radiomics.comparison import (
    TARGET,
    by_combat,
    combat_prediction,
    correlations,
    distances,
    in_training,
    numbers,
    predict,
    predictions,
    radiomics_distances,
    reference_of,
)
from benchmarks.analyses.radiomics.likeness import ComBat, correlation, frechet_distance, frechet_radiomics_distance
from benchmarks.analyses.radiomics.likeness_table import likeness_findings
from benchmarks.analyses.radiomics.measurement import TARGET_LESION
from benchmarks.analyses.radiomics.outcome_table import COMBAT, outcome_findings
from benchmarks.analyses.radiomics.settings import Asked
from benchmarks.plan import PlannedTable
from benchmarks.tables.printing import Printed
from benchmarks.vocabulary import Paper
from datamodules import InputError

NAMES = [f"original_f{n}" for n in range(12)]


def features(patients: int = 80, seed: int = 0) -> pd.DataFrame:
    """Two rows: ``original`` is off by what its device does, ``full`` is the target with a little noise. The first
    three features of a lesion tell the outcome. The target scanner's own patients, others, stand beside."""
    rng = np.random.default_rng(seed)
    outcome = rng.random(patients) < 0.4
    devices = np.array(["a", "b"])[np.arange(patients) % 2]
    true = rng.normal(size=(patients, len(NAMES)))
    true[:, :3] += 1.5 * outcome[:, None]
    whole, others = rng.normal(size=(patients, len(NAMES))), rng.normal(size=(patients, len(NAMES)))
    others[:, :3] += 1.5 * (rng.random(patients) < 0.4)[:, None]
    names = [f"p{n}" for n in range(patients)]
    facts = pd.DataFrame({"id": names, "patient": names, "device": devices, "outcome": outcome.astype(int)})
    tables = []

    def add(of: str, region: str, row: str, values: np.ndarray) -> None:
        table = facts.assign(row=row, fold=0, seed=0, region=region, of=of, column="A>B", bin_width=4.0)
        tables.append(pd.concat([table, pd.DataFrame(values, columns=NAMES)], axis=1))

    def scanned(base: np.ndarray) -> np.ndarray:
        shift = np.where(devices == "a", 3.0, -3.0)[:, None]
        return 4.0 * base + shift + 1.5 * rng.normal(size=base.shape)

    for region, base in (("part 0", true), ("image", whole)):
        source = scanned(base)
        for row, made in (("original", source), ("full", base + 0.2 * rng.normal(size=base.shape))):
            for of, values in (("source", source), ("made", made), ("target", base)):
                add(of, region, row, values)
    for row in ("original", "full"):
        add("target", TARGET_LESION, row, others)
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
    whole = table[(table["row"] == "full") & (table["region"] == "image")]
    source, made, target = (
        whole[whole["of"] == of][NAMES].reset_index(drop=True) for of in ("source", "made", "target")
    )
    (found,) = distances(table)["full"]
    assert found == pytest.approx(frechet_distance(made, target, pd.concat([source, target])))
    assert found != pytest.approx(frechet_distance(made, target))
    assert radiomics_distances(table)["full"] == [pytest.approx(frechet_radiomics_distance(made, target))]


def test_shape_is_neither_in_the_correlation_nor_in_a_distance_but_in_the_model():
    table = features(40)
    shaped = table.assign(original_shape2D_Sphericity=np.tile(np.arange(40.0), len(table) // 40))
    (one, other), found = (correlations(own)["full"] for own in (table, shaped)), correlations(shaped)["full"]
    assert other.mean == one.mean
    assert list(found.by_feature.index) == NAMES
    assert distances(shaped) == distances(table)
    told = shaped.assign(original_shape2D_Sphericity=shaped["outcome"] + 0.1 * shaped["original_f5"])
    model = predictions(told[told["row"] == "full"])["full"].model
    assert "original_shape2D_Sphericity" in model.coefficients


def test_the_interval_draws_patients_with_all_their_regions_and_seeds():
    table = features()
    lesion = table[table["region"] == "part 0"]
    seeds = pd.concat([lesion, lesion.assign(seed=1)], ignore_index=True)
    regions = pd.concat([lesion, lesion.assign(region="part 1")], ignore_index=True)
    one, *more = (correlations(own)["original"] for own in (lesion, seeds, regions))
    pairs = table[(table["row"] == "original") & (table["region"] == "part 0")].set_index("id")
    made, target = (pairs[pairs["of"] == of][NAMES] for of in ("made", "target"))
    expected = correlation(made.sort_index(), target.sort_index(), np.sort(made.index))
    assert (one.mean, one.low, one.high) == (expected.mean, expected.low, expected.high)
    for again in more:
        assert (again.mean, again.low, again.high) == pytest.approx((one.mean, one.low, one.high))


def test_a_row_with_two_regions_has_no_correlation():
    table = features()
    few = table[(table["row"] == "full") | table["id"].isin(["p0", "p1"])]
    assert set(correlations(few)) == {"full"}


def test_predictions_share_their_split_and_combat_mends_the_measured():
    table = features(200)
    found = predictions(table) | {COMBAT: combat_prediction(table)}
    assert set(found) == {"original", "full", COMBAT}
    cohorts = {row: tuple(own.scores["cohort"]) for row, own in found.items()}
    assert len(set(cohorts.values())) == 1
    parts = found["full"].scores.groupby("cohort")["outcome"].agg(["size", "mean"])
    assert parts.loc["training", "size"] == pytest.approx(140, abs=2)
    assert parts.loc["training", "mean"] == pytest.approx(parts.loc["validation", "mean"], abs=0.03)
    area = {row: own.results["validation"]["AUC"] for row, own in found.items()}
    assert area["full"] > 0.8
    assert area[COMBAT] > area["original"]
    assert set(found["full"].model.coefficients.index) >= set(NAMES[:3])


def lesions(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Those of the sources and of the target scanner's patients, and which sources train."""
    own = table[table["row"] == "original"]
    sources = own[(own["of"] == "source") & (own["region"] == "part 0")].reset_index(drop=True)
    return sources, own[own["region"] == TARGET_LESION].reset_index(drop=True), in_training(sources, 0)


def test_combat_is_fitted_on_the_training_patients_and_the_target_scanner():
    sources, targets, train = lesions(features(200))
    devices = np.concatenate([sources.loc[train, "device"], np.repeat(TARGET, len(targets))])
    fitted = ComBat.fit(pd.concat([sources.loc[train, NAMES], targets[NAMES]], ignore_index=True), devices, TARGET)
    mended = by_combat(sources, targets, train)
    assert np.allclose(mended, fitted.apply(sources[NAMES], sources["device"].to_numpy()))
    for device in ("a", "b"):
        own = mended[(sources["device"] == device).to_numpy()]
        assert np.abs(own.mean() - targets[NAMES].mean()).max() < 0.7
        assert (own.std() / targets[NAMES].std()).between(0.7, 1.4).all()
        assert np.abs(sources.loc[sources["device"] == device, NAMES[3:]].mean()).min() > 2, "as measured"


def test_no_validation_patient_and_no_target_beside_one_reaches_combat():
    table = features(40)
    sources, _, train = lesions(table)
    before = combat_prediction(table)
    left_out = table["id"].isin(sources.loc[~train, "id"])
    strange = table.copy()
    strange.loc[left_out & (strange["region"] == TARGET_LESION), NAMES] *= 1e3
    after = combat_prediction(strange)
    assert after.model.coefficients.equals(before.model.coefficients)
    assert after.scores.equals(before.scores)
    strange.loc[left_out, NAMES] = strange.loc[left_out, NAMES] * -50 + 9
    moved = combat_prediction(strange)
    assert moved.model.coefficients.equals(before.model.coefficients)
    assert moved.scores["probability"][train].equals(before.scores["probability"][train])
    assert not moved.scores["probability"][~train].equals(before.scores["probability"][~train])
    beside = table.copy()
    beside.loc[~left_out & (beside["region"] == TARGET_LESION), NAMES] *= 3
    assert not combat_prediction(beside).scores.equals(before.scores), "the others are its reference"


def in_turn(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The target scanner has so few patients that they stand beside the sources in turn."""
    where = table["region"] == TARGET_LESION
    first = table.loc[where & (table["row"] == "original"), NAMES].to_numpy()[:count]
    few = table.copy()
    few.loc[where, NAMES] = np.resize(first, (where.sum(), len(NAMES)))
    return few


def test_a_target_that_several_patients_have_beside_them_counts_once_and_not_beside_validation():
    _, targets, train = lesions(in_turn(features(40), 30))
    image = np.arange(40) % 30
    left = sorted(set(image[train]) - set(image[~train]))
    assert 2 < len(left) < len(set(image[train])) < train.sum()
    found = reference_of(targets, pd.Series(train))
    assert found[NAMES].to_numpy().tolist() == targets[NAMES].to_numpy()[left].tolist()


def test_targets_beside_validation_patients_serve_where_no_others_are_left():
    _, targets, train = lesions(in_turn(features(40), 3))
    assert set(np.arange(40)[train] % 3) == set(np.arange(40)[~train] % 3) == {0, 1, 2}
    found = reference_of(targets, pd.Series(train))
    assert sorted(found[NAMES[0]]) == sorted(targets[NAMES[0]][:3])


def test_combat_takes_such_a_reference():
    table = in_turn(features(40), 30)
    sources, targets, train = lesions(table)
    mended = by_combat(sources, reference_of(targets, pd.Series(train)), train)
    expected = predict(sources, mended, 0)
    assert combat_prediction(table).scores.equals(expected.scores)


def test_features_that_are_not_finite_do_not_reach_combat():
    sources, targets, train = lesions(features())
    first = int(np.flatnonzero(train)[0])
    sources.loc[first, "original_f7"] = np.nan
    mended = by_combat(sources, targets, train)
    assert list(mended) == [name for name in NAMES if name != "original_f7"]
    assert np.isfinite(mended.to_numpy()).all()


def test_combat_needs_the_target_scanners_lesions_and_every_device_in_training():
    table = features()
    with pytest.raises(InputError, match="where the target scanner's patients have their lesions is not known"):
        combat_prediction(table[table["region"] != TARGET_LESION])
    sources, _, train = lesions(table)
    rare = table["id"] == sources.loc[~train, "id"].iloc[0]
    with pytest.raises(InputError, match="device 'rare' has no images in the cohort that ComBat is fitted on"):
        combat_prediction(table.assign(device=table["device"].where(~rare, "rare")))


def test_only_the_first_run_makes_a_cohort():
    twice = pd.concat([features(40), features(40, seed=1).assign(fold=1)], ignore_index=True)
    assert len(predictions(twice)["full"].scores) == 40
    assert combat_prediction(twice).scores.equals(combat_prediction(features(40)).scores)
    assert len(distances(twice)["full"]) == 2


def planned(**kwargs) -> PlannedTable:
    rows = {"full": "CycleGAN + SN + SE + Mix", "original": "original", "rescanned": "rescanned"}
    return PlannedTable("t", "T", ["PSNR"], rows, paper=Paper("harmonizer", 2), ceilings=["rescanned"], **kwargs)


def with_ceiling(table: pd.DataFrame) -> pd.DataFrame:
    """A third row that is better than any: the target itself."""
    own = table[table["row"] == "full"].assign(row="rescanned")
    for region in ("part 0", "image"):
        where = own["region"] == region
        made, target = (where & (own["of"] == of) for of in ("made", "target"))
        own.loc[made, NAMES] = own.loc[target, NAMES].to_numpy() + 1e-3 * own.loc[made, NAMES].to_numpy()
    return pd.concat([own, table], ignore_index=True)


def likeness(table: pd.DataFrame, **kwargs) -> Printed:
    (printed,) = likeness_findings(planned(), table, Asked("A>B", "A>B", **kwargs)).tables
    return printed


def test_a_ceiling_stands_last_and_is_never_the_best():
    table = with_ceiling(features(40))
    (outcome,) = outcome_findings(planned(), table).tables
    for printed, rows in (
        (likeness(table), ["full", "original", "rescanned"]),
        (outcome, ["full", "original", COMBAT, "rescanned"]),
    ):
        assert list(printed.wide().index) == rows
        assert {entry.row for entry in printed.entries if entry.best} <= {"full", "original", COMBAT}
    mean = {entry.row: entry for entry in likeness(table).entries if entry.head == "mean r"}
    assert mean["rescanned"].mean > 0.999 > mean["full"].mean
    assert mean["full"].best
    assert {entry.row for entry in likeness(table).entries if entry.head == "FRD" and entry.best} == {"full"}


def test_rows_that_are_not_worse_than_the_best_are_bold_in_mean_r_alone():
    table = features(40)
    near = table[table["row"] == "full"].assign(row="near")
    where = near["of"] == "made"
    near.loc[where, NAMES] += 0.02 * np.random.default_rng(1).normal(size=(where.sum(), len(NAMES)))
    ceiling = near.assign(row="ceiling")
    plan = PlannedTable(
        "t", "T", ["PSNR"], {row: row for row in ("full", "near", "original", "ceiling")}, ceilings=["ceiling"]
    )

    def bold(own: pd.DataFrame, head: str) -> set[str]:
        (printed,) = likeness_findings(plan, own, Asked("A>B", "A>B")).tables
        assert "Bold: of mean r the best and every row whose difference" in " ".join(printed.notes)
        return {entry.row for entry in printed.entries if entry.head == head and entry.best}

    both = pd.concat([table, near, ceiling], ignore_index=True)
    assert bold(both, "mean r") == {"full", "near"}
    assert len(bold(both, "Frechet distance")) == len(bold(both, "FRD")) == 1
    fewer = pd.concat([table, near[near["id"] != "p0"]], ignore_index=True)
    assert len(bold(fewer, "mean r")) == 1, "of other objects the best alone"


def test_every_source_scanner_has_a_correlation_of_its_own_beside_the_pooled():
    table = features()
    wide = likeness(table).wide()
    assert list(wide) == ["mean r", "mean r, paper", "mean r, a", "mean r, b", "Frechet distance", "FRD"]
    for device in ("a", "b"):
        found = correlations(table[table["device"] == device])["original"]
        assert wide.loc["original", f"mean r, {device}"] == f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"
    alone = table[table["device"] == "a"]
    assert list(likeness(alone).wide()) == ["mean r", "mean r, paper", "Frechet distance", "FRD"], "one is all"


def test_the_papers_number_stands_beside_the_single_source_scanner():
    table = features()
    single = table[(table["device"] == "b") & (table["row"] == "full")].assign(column="B>C")
    printed = likeness(pd.concat([table, single], ignore_index=True), one_source="B>C")
    wide, head = printed.wide(), "mean r, one source scanner"
    assert "mean r, paper" not in wide
    assert wide.loc["full", f"{head}, paper"] == "0.81 (0.77 to 0.86)"
    assert wide.loc["full", head] == wide.loc["full", "mean r, b"]
    assert wide.loc["original", head] == ""
    notes = " ".join(printed.notes)
    assert "'one source scanner': a model of its own for b, 40 regions of 40 objects of 'B>C'" in notes
    assert "Fig 4b (of one source scanner, Voluson E8 to HI VISION Preirus)" in notes


def test_several_scanners_are_not_one():
    """Where a user's own data took the place of the single scanner's."""
    table = features()
    printed = likeness(pd.concat([table, table.assign(column="B>C")], ignore_index=True), one_source="B>C")
    assert "mean r, one source scanner" not in printed.wide()
    assert "mean r, paper" in printed.wide()
    assert "No 'one source scanner': 'B>C' is of a, b; name one by source_devices." in printed.notes
    assert "'B>C' is of none yet" in " ".join(likeness(table, one_source="B>C").notes)


def test_the_notes_tell_the_settings_and_what_was_counted():
    notes = " ".join(likeness(features(), wavelet="").notes)
    assert "12 features of grey levels: bin width 4 of 256 levels, wavelet none" in notes
    assert "80 regions of 80 objects of 'A>B' (a: 40, b: 40). 95 % interval of resampling objects" in notes
    assert "with the tails of t" in notes
    assert "features that hardly vary there dominate it where images are degenerate (flat)" in notes
    alone, bare = features(), features()
    bare = bare[(bare["region"] == "image") | (bare["patient"] != "p1")]
    assert "79 regions of 79 objects of 'A>B' (a: 40, b: 39)" in " ".join(likeness(bare).notes), "of regions compared"
    assert "40 objects of 'A>B'. 95 %" in " ".join(likeness(alone[alone["device"] == "a"]).notes)
    assert "the paper's: of resampling features" in notes
    assert "bin width 25 of 256" in " ".join(likeness(features().assign(bin_width=25.0)).notes)


def test_without_the_target_scanners_lesions_there_is_no_combat_row_and_a_note_says_why():
    table = features(40)
    (with_it,) = outcome_findings(planned(), table).tables
    assert "its reference on those of the target scanner's patients" in " ".join(with_it.notes)
    assert "Bold: the best alone." in with_it.notes
    assert "each image once, and none that stands beside a validation patient too unless" in " ".join(with_it.notes)
    (without,) = outcome_findings(planned(), table[table["region"] != TARGET_LESION]).tables
    assert list(without.wide().index) == ["full", "original"]
    (note,) = (note for note in without.notes if note.startswith("No 'ComBat on features'"))
    assert "where the target scanner's patients have their lesions is not known" in note


def test_one_object_is_said_to_have_no_interval():
    table = features().assign(patient="p0")
    assert likeness(table).wide().loc["full", "mean r"].endswith("(one object)")


@pytest.mark.filterwarnings("error")
def test_a_row_of_flat_images_has_no_correlation_whatever_its_objects():
    table = features(40)
    table.loc[(table["row"] == "full") & (table["of"] == "made") & (table["region"] == "part 0"), NAMES] = 2.0
    entries = {entry.row: entry for entry in likeness(table).entries if entry.head == "mean r"}
    assert entries["full"].text == "none (all constant)"
    assert entries["original"].best
    assert not entries["full"].best


def test_numbers_are_the_features_alone():
    assert list(numbers(features())) == NAMES
