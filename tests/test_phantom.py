"""The phantom as data: patients by their seeds, pairs, ceilings, scanners, organs, and files."""

import hashlib
import json
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from datamodules import PairedFolderDataModule, PhantomDataModule
from datamodules.cache import open_or_build
from datamodules.errors import InputError
from datamodules.phantom import UNPAIRED
from datamodules.phantom.__main__ import main as write_phantoms
from datamodules.phantom.organs import draw_prostate
from datamodules.phantom.scenarios import SCENARIOS, TASKS, TaskName
from datamodules.phantom.simulate import PhantomSource, phantom_rows, simulate_patients
from datamodules.phantom.tissue import FULL_FIELD, Field
from datamodules.splits import split_patients
from tests.conftest import ROOT
from zoo.metrics.lncc import LNCC


@pytest.mark.parametrize("task", TASKS)
def test_a_patient_is_determined_by_its_seed_not_by_its_batch(task):
    alone, again = (simulate_patients(task, [2], seed=5)[0] for _ in range(2))
    batched = simulate_patients(task, [0, 1, 2], seed=5)[2]
    other = simulate_patients(task, [2], seed=6)[0]
    assert alone.source.tobytes() == again.source.tobytes()
    assert alone.target.tobytes() == again.target.tobytes()
    assert np.allclose(alone.source, batched.source, atol=1e-4)  # a batched FFT rounds differently
    assert np.allclose(alone.target, batched.target, atol=1e-4)
    assert alone.source.tobytes() != other.source.tobytes()


# Of one image a task in the phantom's version 2, of 32 x 32 pixels and seed 5: its number, the start of its lesion's
# SHA-256, and the means of the upper and lower half of source and target. Pictures themselves differ in their last bits
# between processors.
RECORDED = {
    "elastography": (2, "1d367699611f9c1e", [-0.2287, -0.5872, -0.0072, -0.2693]),
    "swe": (2, "942cec1163dbef25", [-0.2491, -0.5560, -0.7547, -0.6346]),
    "enhancement": (2, "fffbc3637aa5e088", [-0.3455, -0.4511, -0.2883, -0.3738]),
    "harmonization": (2, "98b631affbbee90c", [-0.4082, -0.7532, -0.4337, -0.4177]),
    "test_object": (2, "0b2fd1d97eea9151", [-0.3610, -0.4815, -0.1913, -0.1843]),
    "prostate": (305, "537bf4c814a50ba2", [-0.2423, -0.3405, -0.4657, -0.7011]),
    "thyroid": (501, "87e920af8b04e424", [-0.3507, -0.6357, -0.3991, -0.2505]),
}


@pytest.mark.parametrize("task", RECORDED)
def test_phantoms_are_those_of_all_releases_since_their_version(task):
    number, lesion, means = RECORDED[task]
    source = PhantomSource(task, 6, (32, 32), seed=5)
    images = source.read(source.numbers.index(number))
    assert hashlib.sha256(images["lesion"].tobytes()).hexdigest().startswith(lesion)
    halves = [half.mean() for side in ("source", "target") for half in np.split(images[side], 2)]
    assert halves == pytest.approx(means, abs=2e-4)


def test_a_task_is_one_entry_with_a_number_of_its_own():
    numbers = {name: scenario.number for name, scenario in SCENARIOS.items()}
    assert numbers == {"elastography": 0, "swe": 1, "enhancement": 2, "harmonization": 3, "test_object": 4,
                       "prostate": 5, "thyroid": 6}  # fmt: skip
    assert get_args(TaskName) == TASKS
    assert tuple(name for name, scenario in SCENARIOS.items() if not scenario.task.paired) == UNPAIRED
    page = (ROOT / "datamodules" / "README.md").read_text()
    assert all(f"| `{name}` |" in page for name in TASKS)


def test_a_scanner_may_be_chosen_unless_the_task_has_its_own():
    assert PhantomSource("swe", 1, (32, 32)).scanner.name == "cart"
    assert PhantomSource("thyroid", 1, (32, 32)).scanner.name == "scanner A"
    assert PhantomSource("swe", 1, (32, 32), scanner="handheld").scanner.name == "handheld"
    with pytest.raises(InputError, match="scanner 'x' is none of cart, handheld, scanner A"):
        PhantomSource("swe", 1, (32, 32), scanner="x")
    message = "scanner 'handheld': the task 'enhancement' has scanners of its own; choose elastography, swe, prostate"
    with pytest.raises(InputError, match=message):
        PhantomSource("enhancement", 1, (32, 32), scanner="handheld")


def test_parallel_workers_give_the_same_bytes_and_a_second_run_does_not_simulate(tmp_path, monkeypatch):
    source = PhantomSource("swe", 66, (32, 32), view=Field(40, 40, 64, 64))
    caches = [open_or_build(source, tmp_path / str(jobs), jobs) for jobs in (1, 2)]
    for name in ("source", "target", "valid"):
        assert caches[0].arrays[name].tobytes() == caches[1].arrays[name].tobytes()
        assert isinstance(caches[0].arrays[name], np.memmap)
    monkeypatch.setattr(PhantomSource, "read", None)
    assert len(open_or_build(source, tmp_path / "1").arrays["source"]) == 66


def test_tasks_have_the_channels_and_ranges_that_they_declare():
    for task, scenario in SCENARIOS.items():
        patients = 1 if scenario.planes else 8
        data = PhantomDataModule(task, patients=patients, size=(32, 32), batch_size=2, fractions=(0, 0, 1))
        batch = next(iter(data.predict_dataloader()))
        assert batch["target"].shape == (2, data.task.target.channels, 32, 32)
        for side in ("source", "target"):
            assert -1 <= float(batch[side].min()) < float(batch[side].max()) <= 1
    assert PhantomDataModule("swe").task.target.unit == "kPa"
    assert not PhantomDataModule("harmonization").task.paired


def test_enhancement_pairs_show_one_patient_slightly_displaced():
    pair, other = simulate_patients("enhancement", [0, 1])

    def smooth(image):
        return torch.nn.functional.avg_pool2d(torch.from_numpy(image[None, ..., 0]), 8)[0].flatten()

    def alike(a, b):
        return float(torch.corrcoef(torch.stack([smooth(a), smooth(b)]))[0, 1])

    assert alike(pair.source, pair.target) > 0.75
    assert alike(pair.source, pair.target) > alike(pair.source, other.target) + 0.1


def test_a_perfect_enhancer_has_an_lncc_of_95_percent():
    """At the size of the measured suites; the deformation of the pairs is chosen for it."""
    data = PhantomDataModule("enhancement", patients=32, size=(128, 128), batch_size=32, fractions=(0, 0, 1))
    batch = next(iter(data.test_dataloader()))
    lncc = LNCC()
    source, target, ceiling = ((x + 1) / 2 for x in (batch["source"], batch["target"], data.ceilings(batch["id"])))
    assert float(lncc.per_image(ceiling, target, batch["valid"]).mean()) == pytest.approx(0.95, abs=0.01)
    assert float(lncc.per_image(source, target, batch["valid"]).mean()) < 0.8


@pytest.mark.parametrize("task", TASKS)
def test_a_ceiling_is_nearer_to_the_target_than_any_other_and_leaves_the_pair_alone(task):
    (with_it, other), (without,) = (simulate_patients(task, n, ceiling=c) for n, c in (([3, 5], True), ([3], False)))
    assert without.ceiling is None
    assert np.allclose(with_it.source, without.source, atol=1e-4)
    assert np.allclose(with_it.target, without.target, atol=1e-4)
    assert with_it.ceiling.shape == with_it.target.shape
    assert 0 <= with_it.ceiling.min() < with_it.ceiling.max() <= 1
    of_same = with_it.source if task == "harmonization" else with_it.target  # whose target is another patient

    def alike(image, wanted):
        valid = with_it.valid.any(-1)
        return np.corrcoef(image.mean(-1)[valid], wanted.mean(-1)[valid])[0, 1]

    assert alike(with_it.ceiling, of_same) > max(0.6, alike(other.ceiling, of_same) + 0.1)


def test_a_ceiling_of_elastography_is_the_map_without_its_noise():
    """What differs from the measured map is noise alone: small, without bias, less above than below."""
    (patient,) = simulate_patients("swe", [4], ceiling=True)
    valid = patient.valid[..., 0]
    error = (patient.target / patient.ceiling)[..., 0] - 1
    upper, lower = (half[where] for half, where in zip(np.split(error, 2), np.split(valid, 2), strict=True))
    assert abs(np.median(error[valid])) < 0.02
    assert 0.02 < upper.std() < lower.std() < 0.3


def test_a_physicist_sets_the_gain_once():
    """Two scans of a test object by one scanner are as bright but for speckle; an operator's differ by 1.5 dB."""
    objects = simulate_patients("test_object", list(range(12)), view=Field(40, 40, 128, 128), ceiling=True)
    assert np.abs([float(scan.target.mean() - scan.ceiling.mean()) for scan in objects]).max() < 0.004


def test_unpaired_training_draws_targets_anew_and_from_its_own_split():
    data = PhantomDataModule("harmonization", patients=20, size=(32, 32), batch_size=10)
    train = data.dataset("train")
    own = {train.cache.image("target", row).tobytes() for row in train.indices}
    drawn = [train[(0, seed)]["target"].permute(1, 2, 0).numpy().tobytes() for seed in range(30)]
    assert len(set(drawn)) > 3
    assert set(drawn) <= own
    test = data.dataset("test")
    assert torch.equal(test[(0, 1)]["target"], test[(0, 2)]["target"])


@pytest.mark.parametrize("task", ["harmonization", "test_object"])
def test_one_source_scanner_is_its_own_part_of_the_patients(task):
    pooled = PhantomDataModule(task, patients=20, size=(32, 32), batch_size=20)
    alone = PhantomDataModule(task, patients=20, size=(32, 32), batch_size=20, source_devices=["scanner B"])
    batches = [next(iter(data.predict_dataloader())) for data in (pooled, alone)]
    own = [index for index, device in enumerate(batches[0]["device"]) if device == "scanner B"]
    assert batches[1]["id"] == [batches[0]["id"][index] for index in own]
    assert torch.equal(batches[1]["source"], batches[0]["source"][own])
    assert {device for batch in alone.train_dataloader() for device in batch["device"]} == {"scanner B"}
    with pytest.raises(InputError, match="has scanner A, scanner B, scanner C, scanner D; name of these"):
        PhantomDataModule(task, patients=8, size=(32, 32), source_devices=["cart"]).prepare_data()


def test_the_command_writes_pictures_that_read_back(tmp_path, capsys):
    out = tmp_path / "set"
    arguments = ["--out", str(out), "--patients", "24", "--task", "swe", "--size", "32", "32"]
    assert write_phantoms(arguments) == 0
    assert capsys.readouterr().out.strip() == str(out / "manifest.csv")
    rows = pd.read_csv(out / "manifest.csv")
    assert len(rows) == 24
    assert set(rows["split"]) == {"train", "val", "test"}
    assert np.asarray(Image.open(out / rows["target"][0])).dtype == np.uint16
    from datamodules.phantom.scenarios import YOUNGS_MODULUS

    data = PairedFolderDataModule(out, target=YOUNGS_MODULUS, size=(32, 32), batch_size=24, cache_dir=tmp_path)
    read = next(iter(data.predict_dataloader()))
    made = next(iter(PhantomDataModule("swe", patients=24, size=(32, 32), batch_size=24).predict_dataloader()))
    assert torch.allclose(read["target"], made["target"], atol=1e-4)
    assert torch.allclose(read["source"], made["source"], atol=0.6 / 127.5)
    assert torch.equal(read["valid"], made["valid"])
    assert write_phantoms(arguments) == 2, "nothing is overwritten"
    assert "exists already" in capsys.readouterr().err
    if not torch.cuda.is_available():
        assert write_phantoms(["--out", str(tmp_path / "gpu"), "--device", "cuda"]) == 2
        assert "torch sees no GPU" in capsys.readouterr().err


def test_batches_on_a_device_write_the_same_pictures_as_workers_do(tmp_path):
    """`--device cuda` takes this path; "cpu:0" takes it without a GPU."""
    for name, device in (("workers", "cpu"), ("batches", "cpu:0")):
        arguments = ["--out", str(tmp_path / name), "--patients", "3", "--size", "32", "32", "--device", device]
        assert write_phantoms(arguments) == 0
    rows = [pd.read_csv(tmp_path / name / "manifest.csv") for name in ("workers", "batches")]
    assert rows[0].equals(rows[1])
    for file in [*rows[0]["source"], *rows[0]["target"]]:
        pictures = [np.asarray(Image.open(tmp_path / name / file)).astype(int) for name in ("workers", "batches")]
        assert np.abs(pictures[0] - pictures[1]).max() <= 1


def test_the_command_writes_all_planes_of_a_patient(tmp_path):
    assert (
        write_phantoms(["--out", str(tmp_path / "set"), "--patients", "2", "--task", "thyroid", "--size", "32", "32"])
        == 0
    )
    rows = pd.read_csv(tmp_path / "set" / "manifest.csv")
    numbers = PhantomSource("thyroid", 2, (32, 32)).numbers
    assert list(rows["id"]) == [f"thyroid-0-{number:05d}" for number in numbers]
    assert rows["patient"].nunique() == 2 < len(rows) == len(list((tmp_path / "set" / "target").iterdir()))


def test_the_cache_says_what_it_holds(tmp_path):
    cache = open_or_build(PhantomSource("swe", 2, (16, 16)), tmp_path)
    assert json.loads((cache.folders[0] / "key.json").read_text())["key"]["task"] == "swe"


@pytest.mark.parametrize(("organ", "fewest", "most"), [("prostate", 9, 15), ("thyroid", 2, 4)])
def test_organs_have_several_planes_of_one_patient(organ, fewest, most):
    source = PhantomSource(organ, 10, (32, 32))
    splits = phantom_rows(source, np.zeros((len(source), 1, 1, 2), bool))
    splits["split"] = split_patients(splits)
    counts = splits.groupby("patient").size()
    assert len(counts) == 10
    assert fewest <= counts.min() < counts.max() <= most
    assert (splits.groupby("patient")["split"].nunique() == 1).all()
    assert (splits["organ"] == organ).all()


def test_planes_share_their_patients_tissue_and_differ_in_what_they_show():
    patients = [[draw_prostate(*rngs(n, plane), FULL_FIELD).youngs_modulus for plane in range(3)] for n in range(8)]
    medians = np.array([[np.median(plane) for plane in planes] for planes in patients])
    assert medians.std(axis=1).mean() < 0.5 * medians.mean(axis=1).std()
    assert not np.array_equal(patients[0][0], patients[0][1])


def rngs(patient: int, plane: int):
    return np.random.default_rng([patient]), np.random.default_rng([patient, plane, 1])


def test_organs_have_the_scales_of_the_papers():
    prostate, thyroid = (PhantomDataModule(organ, patients=2, size=(32, 32)) for organ in ("prostate", "thyroid"))
    assert (prostate.task.target.high, prostate.task.target.unit) == (100.0, "kPa")
    assert (thyroid.task.target.high, thyroid.task.target.unit) == (10.0, "m/s")
    values = {}
    for name, data in (("prostate", prostate), ("thyroid", thyroid)):
        batch = next(iter(data.predict_dataloader()))
        values[name] = data.task.target.to_physical(batch["target"])[batch["valid"]]
    assert 8 < float(values["prostate"].median()) < 40, "kPa"
    assert 1.5 < float(values["thyroid"].median()) < 5, "m/s"
    assert set(thyroid.rows["device"]) == {"scanner A"}


def test_a_wider_field_shows_more_of_the_same_tissue():
    wide = PhantomDataModule("prostate", patients=2, size=(96, 96), field_mm=(60, 60))
    usual = PhantomDataModule("prostate", patients=2, size=(64, 64))
    assert wide.source.view.row_mm == usual.source.view.row_mm
    with pytest.raises(InputError, match="give depth and width between 20 and 120 mm"):
        PhantomDataModule("prostate", patients=2, field_mm=(5, 60))
