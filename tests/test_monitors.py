"""What training is stopped by, or a checkpoint kept by: refused at the start where it is not there or upside down."""

import pytest
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from datamodules import InputError
from tests import tiny
from zoo.cli import main
from zoo.metrics import METRICS

STOP = f"--config={tiny.ROOT / 'configs' / 'trainer' / 'early_stopping.yaml'}"


def fit(folder, name, callback, data=None, **settings) -> None:
    """Of no training batch; what is refused is refused before."""
    data = data or tiny.data(tiny.task_of(name))
    callbacks = [tiny.evaluation(data.task, folder), callback]
    settings = {"limit_val_batches": 1, "limit_train_batches": 1, "max_epochs": 1} | settings
    trainer = tiny.trainer(folder, callbacks=callbacks, enable_checkpointing=True, **settings)
    trainer.fit(tiny.method(name, 1, data.task.target.channels), data)


def fault(folder, *given, **settings) -> str:
    with pytest.raises(InputError) as caught:
        fit(folder, *given, **settings)
    return str(caught.value)


def test_stopping_where_nothing_is_validated_is_refused(tmp_path):
    stop = EarlyStopping("val/unpaired")
    assert fault(tmp_path, "harmonizer", stop, limit_val_batches=0) == (
        "EarlyStopping waits for val/unpaired, and nothing is validated; raise trainer.limit_val_batches above 0, or "
        "monitor another value"
    )
    empty = tiny.data("harmonization", fractions=[0.8, 0.0, 0.2])
    assert fault(tmp_path, "harmonizer", stop, empty, limit_val_batches=1.0) == (
        "EarlyStopping waits for val/unpaired, and there is no image to validate on; give data.fractions a part for "
        "it, or monitor another value"
    )
    fit(tmp_path, "harmonizer", EarlyStopping("loss/generator/total"), empty, limit_val_batches=1.0)
    fit(tmp_path, "harmonizer", ModelCheckpoint(tmp_path, monitor="val/unpaired"), limit_val_batches=0)


@pytest.mark.parametrize("name", ["pix2pix", "hsct"])
def test_the_criterion_of_cyclegans_is_not_waited_for_elsewhere(name, tmp_path, capsys):
    assert main(tiny.command(name, tmp_path, STOP)) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: EarlyStopping waits for val/unpaired, and this run logs val/")
    assert "val/SSIM" in line
    assert not list(tmp_path.rglob("*.ckpt"))


def test_without_images_to_validate_on_the_shipped_config_is_refused_in_one_line(tmp_path, capsys):
    assert main(tiny.command("harmonizer", tmp_path, STOP, "--data.fractions=[0.8,0.0,0.2]")) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: EarlyStopping waits for val/unpaired, and there is no image to validate on")


@pytest.mark.parametrize("kind", [EarlyStopping, ModelCheckpoint])
def test_a_mode_against_the_direction_is_refused(kind, tmp_path):
    for monitor, wrong, right, better in (
        ("val/SSIM", "min", "max", "higher"),
        ("val/unpaired", "max", "min", "lower"),
    ):
        data = tiny.data("enhancement")
        assert fault(tmp_path, "cyclegan", kind(monitor=monitor, mode=wrong), data) == (
            f"{kind.__name__} monitors {monitor} by mode {wrong}, and the {better} is the better; set mode {right}"
        )
        fit(tmp_path, "cyclegan", kind(monitor=monitor, mode=right), data)


def test_a_score_that_is_not_logged_is_named_with_those_that_are(tmp_path):
    known = "val/Frechet texture, val/MI_source, val/cycle, val/structure, val/unpaired"
    keep = ModelCheckpoint(tmp_path, monitor="val/SSIM", mode="max")
    said = f"ModelCheckpoint waits for val/SSIM, and this run logs {known}; monitor one of these"
    assert fault(tmp_path, "harmonizer", keep) == said


@pytest.mark.parametrize("name", sorted(set(tiny.TINY) - {"fda"}))  # which no fit validates
def test_what_is_said_to_be_logged_is_what_is_logged(name, tmp_path):
    _logs_what_it_says(name, tmp_path, **({"second": "source"} if name == "diagnosis" else {}))


def test_so_with_confidence(tmp_path):
    assert "AUC_confidence" in _logs_what_it_says("sswe", tmp_path, confidence=0.1)


def _logs_what_it_says(name, folder, **arguments) -> dict[str, bool | None]:
    data = tiny.data(tiny.task_of(name))
    evaluation, model = tiny.evaluation(data.task, folder), tiny.method(name, **arguments)
    trainer = tiny.trainer(folder, callbacks=[evaluation])
    trainer.limit_val_batches = 1
    trainer.validate(model, data, verbose=False)
    said = evaluation.logged(model)
    assert {f"val/{score}" for score in said} == {key for key in trainer.callback_metrics if key.startswith("val/")}
    assert all(better is METRICS[score].higher_is_better for score, better in said.items() if score in METRICS)
    return said
