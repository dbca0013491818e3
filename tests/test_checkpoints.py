"""A checkpoint that is damaged, foreign or not whole is refused in one line, and nothing that it names is imported."""

import copy
import math
import sys
import zipfile

import pytest
import torch

from datamodules import InputError
from tests import tiny
from zoo.checkpoints import read_checkpoint
from zoo.cli import main
from zoo.image_pool import ImagePool
from zoo.resuming import STEPPED
from zoo.translations import load_translator

GONE = object()
FIRST, WEIGHT = "network.encoder.0.0.weight", (4, 1, 3, 3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The checkpoint of one epoch, as the command line writes it."""
    folder = tmp_path_factory.mktemp("trained")
    assert main(tiny.command("sswe", folder, "--trainer.max_epochs=1")) == 0
    return folder / "lightning_logs" / "version_0" / "checkpoints" / "last.ckpt"


@pytest.fixture
def changed(trained, tmp_path):
    """Writes it with something changed, and says where."""
    content = copy.deepcopy(torch.load(trained, weights_only=True))

    def write(keys, value, path=tmp_path / "bad.ckpt"):
        *parents, last = keys.split("/") if isinstance(keys, str) else keys
        place = content
        for key in parents:
            place = place[int(key) if str(key).isdigit() else key]
        last = int(last) if last.isdigit() else last
        if value is GONE:
            del place[last]
        else:
            place[last] = value(place[last]) if callable(value) else value
        torch.save(content, path)
        return path

    return write


def resumed(path, folder):
    trainer = tiny.trainer(folder, max_epochs=2)
    trainer.fit(tiny.method("sswe"), tiny.data("swe"), ckpt_path=path, weights_only=True)
    return trainer


def command(subcommand, folder, *more):
    return [subcommand, *tiny.command("sswe", folder, *more)[1:]]


def said(capsys) -> str:
    """The one line of an error."""
    lines = [line for line in capsys.readouterr().err.splitlines() if "rror" in line]
    assert len(lines) == 1
    return lines[0]


def filled(value):
    def fill(tensor):
        tensor.view(-1)[0] = value
        return tensor

    return fill


MOMENT = "optimizer_states/0/state/0/exp_avg"
RESUMED = {
    "no optimizers": ("optimizer_states", GONE, "has no optimizer_states, without which a training cannot go on"),
    "an optimizer too few": ("optimizer_states", [], "has 0 optimizer states, and this training has 1 optimizers"),
    "an optimizer of no weights": ("optimizer_states/0/state", {}, "has states of 0 of its 22 weights, .* were 22"),
    "an optimizer that lacks a weight": ("optimizer_states/0/state/3", GONE, "has states of 21 of its 22 weights"),
    "an optimizer that lacks a moment": ("optimizer_states/0/state/3/exp_avg", GONE, "weight 3 is not step, exp_avg, "),
    "a moment of another shape": (MOMENT, torch.zeros(2), r"exp_avg of weight 0 is \(2,\), and has to be \(4, 1, 3, "),
    "a moment that is no tensor": (MOMENT, "x", "exp_avg of weight 0 is str, and has to be"),
    "a moment of NaN": (MOMENT, filled(math.nan), "exp_avg of weight 0 holds NaN or infinite numbers"),
    "a rate that is a word": ("optimizer_states/0/param_groups/0/lr", "x", "param_groups.0.lr is 'x'"),
    "a rate of NaN": ("optimizer_states/0/param_groups/0/lr", math.nan, "param_groups.0.lr is 'nan'"),
    "no rate": ("optimizer_states/0/param_groups/0/lr", GONE, "param_groups.0 has no lr"),
    "a group too few": ("optimizer_states/0/param_groups", [], "param_groups is list of 0"),
    "a group of other weights": ("optimizer_states/0/param_groups/0/params", [5] * 22, "is one of other weights"),
    "no schedules": ("lr_schedulers", GONE, "has no lr_schedulers"),
    "a schedule too few": ("lr_schedulers", [], "lr_schedulers is list of 0"),
    "a schedule that lacks its epoch": ("lr_schedulers/0/last_epoch", GONE, "lr_schedulers.0 has no last_epoch"),
    "no loops": ("loops", GONE, "has no loops"),
    "loops of nothing": ("loops/fit_loop", {}, "fit_loop has no state_dict"),
    "a count that is a word": ("loops/fit_loop/epoch_progress/current/completed", "x", "current.completed is 'x'"),
    "another epoch": ("loops/fit_loop/epoch_progress/current/completed", 5, "is of epoch 0, and counts another"),
    "no callbacks": ("callbacks", GONE, "has no callbacks"),
    "no random state": ("random_state", GONE, "has no random_state"),
    "a random state of nothing": ("random_state", {}, "random_state cpu cannot be set"),
    "a short random state": (
        "random_state/cpu",
        torch.zeros(3, dtype=torch.uint8),
        "random_state cpu .*found the inpu",
    ),
    "a random state of floats": ("random_state/cpu", torch.zeros(5056), "random_state cpu cannot be set .*ByteTensor"),
    "a random state of zeros": ("random_state/cpu", torch.zeros(5056, dtype=torch.uint8), "Invalid mt19937 state"),
    "no arguments": ("hyper_parameters", GONE, "has no hyper_parameters"),
    "another argument": ("hyper_parameters/lr", 0.5, "was trained with lr 0.5, not 0.001"),
    "another method": ("method", "Pix2Pix", "is one of Pix2Pix, not of SSWE"),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_training_goes_on_with_all_that_was_saved_or_not_at_all(name, changed, tmp_path):
    keys, value, words = RESUMED[name]
    path = changed(keys, value)
    with pytest.raises(InputError, match=rf"^{path}: .*{words}") as caught:
        resumed(path, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_without_what_only_training_needs_can_be_tested(changed, tmp_path):
    changed("optimizer_states", GONE)
    changed("random_state", GONE)
    path = changed("lr_schedulers", GONE)
    assert main(command("test", tmp_path, f"--ckpt_path={path}")) == 0


def test_a_checkpoint_of_an_earlier_version_goes_on(changed, tmp_path):
    """It did not count of how many weights each optimizer keeps something."""
    assert torch.load(changed("epoch", 0), weights_only=True)[STEPPED] == [22]
    assert resumed(changed(STEPPED, GONE), tmp_path).global_step == 6


@pytest.fixture(scope="module")
def gan(tmp_path_factory):
    """What a checkpoint of two optimizers holds, and a place for one that is changed."""
    path = tmp_path_factory.mktemp("gan") / "gan.ckpt"
    trainer = tiny.trainer(path.parent, limit_train_batches=1)
    trainer.fit(tiny.method("pix2pix"), tiny.data("elastography"))
    trainer.save_checkpoint(path)
    return torch.load(path, weights_only=True), path


def test_a_side_without_its_optimizer_is_named(gan, tmp_path):
    """Lightning would let one side of a GAN start anew."""
    content, path = gan
    torch.save(content | {"optimizer_states": content["optimizer_states"][:1]}, path)
    again = tiny.trainer(tmp_path, max_epochs=2)
    with pytest.raises(InputError, match="has 1 optimizer states, and this training has 2 optimizers"):
        again.fit(tiny.method("pix2pix"), tiny.data("elastography"), ckpt_path=path, weights_only=True)


def test_a_rate_by_which_no_optimizer_can_be_made_is_the_checkpoints(gan, tmp_path, capsys):
    content, path = gan
    torch.save(content | {"hyper_parameters": content["hyper_parameters"] | {"lr": -1.0}}, path)
    assert main(tiny.command("pix2pix", tmp_path, f"--ckpt_path={path}")) == 2
    assert f"{path}: cannot be used as a checkpoint (ValueError: Invalid learning rate: -1.0)" in said(capsys)


WEIGHTS = {
    "a weight of another shape": (FIRST, torch.zeros(3, 3), rf"weight '{FIRST}' is \(3, 3\), and .* is \(4, 1, 3, 3\)"),
    "a missing weight": (FIRST, GONE, f"weight '{FIRST}' of this SSWE is missing"),
    "an unknown weight": ("more", torch.zeros(3), "weight 'more' is none of this SSWE"),
    "NaN": (FIRST, filled(math.nan), f"weight '{FIRST}' holds NaN or infinite numbers"),
    "infinity": (FIRST, filled(-math.inf), f"weight '{FIRST}' holds NaN or infinite numbers"),
    "a weight that is none": (FIRST, None, f"weight '{FIRST}' is no tensor"),
    "a number for a million million": (FIRST, torch.zeros(1).expand(10**12), f"weight '{FIRST}' is no dense tensor"),
    "a sparse weight": (FIRST, torch.zeros(WEIGHT).to_sparse(), f"weight '{FIRST}' is no dense tensor"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_do_not_fit_are_refused_wherever_a_checkpoint_is_used(name, changed, tmp_path):
    weight, value, words = WEIGHTS[name]
    path = changed(["state_dict", weight], value)
    for use in (lambda: load_translator(path, 1, 1), lambda: resumed(path, tmp_path)):
        with pytest.raises(InputError, match=rf"^{path}: {words}; use another checkpoint$"):
            use()


ARGUMENTS = {
    "a class": (
        "width",
        {"class_path": "torch.nn.Linear"},
        "width '{'class_path': 'torch.nn.Linear'}' is no finite num",
    ),
    "a word for a number": ("width", "abc", "hyper-parameter width 'abc': SSWE takes none like it"),
    "an unknown one": ("wdith", 3, "hyper-parameter wdith '3': SSWE takes none like it"),
    "NaN": ("lr", math.nan, "hyper-parameter lr 'nan' is no finite number"),
    "none of its words": ("variant", "foo", "hyper-parameter variant 'foo': SSWE takes none like it"),
    "a width below zero": ("width", -3, r"no SSWE can be made of its hyper-parameters \(.*negative.*width -3"),
    "a width beyond memory": ("width", 10**9, r"no SSWE can be made of its hyper-parameters \(.*width 1000000000"),
    "another width": ("width", 8, rf"weight '{FIRST}' is \(4, 1, 3, 3\), and that of this SSWE is \(8, 1, 3, 3\)"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_which_no_method_can_be_made_are_named(name, changed):
    key, value, words = ARGUMENTS[name]
    path = changed(["hyper_parameters", key], value)
    with pytest.raises(InputError, match=rf"^{path}: .*{words}"):
        load_translator(path, 1, 1)


CONTENTS = {
    "arguments that are a list": ("hyper_parameters", [1], "its hyper-parameters are no values by name"),
    "weights that are a list": ("state_dict", [1], "its weights are no tensors by name"),
    "a method that is a number": ("method", 3, "does not name its method"),
    "patients that are a number": ("patients", 3, "its patients are no lists of names"),
    "no version": ("pytorch-lightning_version", GONE, "does not say its version of Lightning"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_of_another_kind_are_named(name, changed):
    keys, value, words = CONTENTS[name]
    with pytest.raises(InputError, match=f"bad.ckpt: {words}"):
        read_checkpoint(changed(keys, value))


FILES = {
    "torn": (lambda raw: raw[: len(raw) // 2], "not a checkpoint; it is damaged"),
    "empty": (lambda raw: b"", "not a checkpoint; it is damaged"),
    "text": (lambda raw: b"hello", "not a checkpoint; it is damaged"),
    "a byte changed": (lambda raw: raw[: len(raw) // 3] + bytes([raw[len(raw) // 3] ^ 255]) + raw[len(raw) // 3 + 1 :],
                       "in it is damaged; copy it again"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_damaged_is_named(name, trained, tmp_path):
    """torch itself would read changed weights as if nothing were."""
    change, words = FILES[name]
    (tmp_path / "bad.ckpt").write_bytes(change(trained.read_bytes()))
    with pytest.raises(InputError, match=f"bad.ckpt: .*{words}"):
        read_checkpoint(tmp_path / "bad.ckpt")


def test_a_checkpoint_that_would_grow_when_it_is_read_is_refused(trained, tmp_path):
    with zipfile.ZipFile(trained) as whole, zipfile.ZipFile(tmp_path / "a.ckpt", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    with pytest.raises(InputError, match=r"a.ckpt: is compressed, which torch.save never does"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_what_a_checkpoint_names_is_never_imported(changed, tmp_path, monkeypatch):
    """Not by the path of a checkpoint, not by a word for one, and not for a translator."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')\n")
    changed("hyper_parameters/_class_path", "evil.Evil")
    path = changed("hyper_parameters/_instantiator", "evil.run", tmp_path / "last.ckpt")
    assert load_translator(path, 1, 1).network.encoder[0][0].weight.shape == WEIGHT
    assert main(command("test", tmp_path, f"--ckpt_path={path}")) == 0
    assert main(command("fit", tmp_path, f"--ckpt_path={path}")) == 0
    by_word = ["--ckpt_path=last", f"--last_checkpoint.dirpath={tmp_path}", "--trainer.max_epochs=3"]
    assert main(command("fit", tmp_path, *by_word)) == 0
    assert read_checkpoint(path)["epoch"] == 2, "it went on from the second epoch"
    assert "evil" not in sys.modules
    assert not (tmp_path / "owned").exists()


WORDS = {
    "nothing of that name": (["test", "--ckpt_path=last"], "ckpt_path 'last': there is no such checkpoint"),
    "no best yet": (
        ["fit", "--ckpt_path=best"],
        "best: cannot be used as a checkpoint .*not configured to save",
    ),
    "no cluster's": (["test", "--ckpt_path=hpc"], "hpc: cannot be used as a checkpoint .*no HPC checkpoint was found"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_word_for_a_checkpoint_that_is_not_there(name, tmp_path, capsys):
    (subcommand, *more), words = WORDS[name]
    assert main(command(subcommand, tmp_path, *more)) == 2
    assert words.split(" .*")[0] in (line := said(capsys))
    assert words.split(" .*")[-1] in line


def test_whatever_else_lightning_stumbles_over_is_one_line(changed, tmp_path, capsys):
    path = changed("pytorch-lightning_version", "abc")
    assert main(command("fit", tmp_path, f"--ckpt_path={path}")) == 2
    line = (
        f"error: {path}: cannot be used as a checkpoint (InvalidVersion: Invalid version: 'abc'); use another checkpoin"
    )
    assert line in said(capsys)


def test_a_fault_of_ours_is_not_called_the_checkpoints(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.methods.sswe.SSWE.losses", lambda self, batch: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        main(command("fit", tmp_path, f"--ckpt_path={trained}"))
    assert InputError.behind(caught.value) is None


def test_a_word_for_a_checkpoint_is_no_way_round_what_is_asked_for(trained, tmp_path, capsys):
    (tmp_path / "last.ckpt").write_bytes(trained.read_bytes())
    more = ["--ckpt_path=last", f"--last_checkpoint.dirpath={tmp_path}", "--model.lr=0.5"]
    assert main(command("fit", tmp_path, *more)) == 2
    assert "last.ckpt: was trained with lr 0.001, not 0.5; go on with --model.lr 0.001" in said(capsys)


def test_a_pool_is_one_of_its_size():
    with pytest.raises(ValueError, match=r"a pool of 2 images cannot be \(3, 1, 4, 4\)"):
        ImagePool(2).set_extra_state(torch.zeros(3, 1, 4, 4))
    with pytest.raises(ValueError, match=r"cannot be \(4,\)"):
        ImagePool(2).set_extra_state(torch.zeros(4))
