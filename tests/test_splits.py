"""Splits never share a patient, are exact, stratified, seeded, and their folds' test sets never meet."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules import InputError
from datamodules.splits import number_of_folds, split_patients

THREE = (0.5, 0.2, 0.3)


def rows(patients: list[str], labels: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"patient": patients, "label": labels})


@st.composite
def datasets(draw):
    patients = draw(st.lists(st.integers(0, 40), min_size=30, max_size=120))
    labels = {patient: draw(st.sampled_from(["benign", "malignant"])) for patient in sorted(set(patients))}
    return rows([f"p{patient}" for patient in patients], [labels[patient] for patient in patients])


@settings(max_examples=60, deadline=None)
@given(datasets(), st.integers(0, 2), st.integers(0, 5))
def test_no_patient_is_on_two_sides(data, fold, seed):
    try:
        split = split_patients(data, THREE, fold, seed)
    except InputError:  # too few patients for three splits
        assert data["patient"].nunique() < 20
        return
    assert (data.assign(split=split).groupby("patient")["split"].nunique() == 1).all()
    assert set(split) == {"train", "val", "test"}


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 5))
def test_tens_of_patients_split_exactly_5_2_3_in_every_class(benign, malignant, seed):
    data = rows(
        [f"p{i}" for i in range(10 * (benign + malignant))], ["benign"] * 10 * benign + ["malignant"] * 10 * malignant
    )
    tests = []
    for fold in range(3):
        split = split_patients(data, THREE, fold, seed)
        for label, tens in (("benign", benign), ("malignant", malignant)):
            counts = split[data["label"] == label].value_counts()
            assert (counts["train"], counts["val"], counts["test"]) == (5 * tens, 2 * tens, 3 * tens)
        tests.append(set(data["patient"][split == "test"]))
    assert not (tests[0] & tests[1])
    assert not (tests[0] & tests[2])
    assert not (tests[1] & tests[2])


def test_a_seed_decides_the_split_and_the_order_of_rows_does_not():
    data = rows([f"p{i}" for i in range(50)], ["benign", "malignant"] * 25)
    split = split_patients(data, THREE, 0, 1)
    assert split.equals(split_patients(data, THREE, 0, 1))
    assert not split.equals(split_patients(data, THREE, 0, 2))
    shuffled = data.sample(frac=1, random_state=0)
    assert split_patients(shuffled, THREE, 0, 1).sort_index().equals(split)


def test_folds_of_other_protocols():
    assert [number_of_folds(f) for f in (THREE, (0.6, 0.2, 0.2), (0.7, 0.0, 0.3), (0.0, 0.0, 1.0))] == [3, 5, 3, 1]


@pytest.mark.parametrize(
    ("fractions", "fold", "patients", "message"),
    [
        (THREE, 3, 30, "fold 3 does not exist: there are 3 folds, 0 to 2"),
        (THREE, -1, 30, "fold -1 does not exist"),
        ((0.5, 0.2, 0.2), 0, 30, "add up to 1"),
        (THREE, 0, 2, "is empty"),
    ],
)
def test_what_cannot_be_split_is_said(fractions, fold, patients, message):
    with pytest.raises(InputError, match=message):
        split_patients(rows([f"p{i}" for i in range(patients)], [""] * patients), fractions, fold)


def test_a_fraction_of_zero_leaves_a_split_out():
    split = split_patients(rows([f"p{i}" for i in range(10)], [""] * 10), (0.7, 0.0, 0.3))
    assert split.value_counts().to_dict() == {"train": 7, "test": 3}
