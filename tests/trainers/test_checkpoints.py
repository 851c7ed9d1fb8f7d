"""Checkpoints: those that are refused, set aside or kept, and what is left of a write that was cut short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from edfstat import InputError, TrialInterrupted, backends
from submit.running import run_trial
from tests.trainers.trials import outcome, trial
from trainers import checkpoints, train, whole_files
from trainers.session import Session
from trainers.whole_files import remove_parts, replace_file


def test_foreign_checkpoints_are_refused_and_damaged_ones_set_aside(tmp_path: Path) -> None:
    with pytest.raises(TrialInterrupted):
        train(trial(), device="cpu", directory=tmp_path, should_stop=lambda: True)
    with pytest.raises(InputError, match="belongs to trial"):
        train(trial(seed=9), device="cpu", directory=tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(checkpoints.DamagedCheckpoint):
        checkpoints.load(path, trial_id=trial().id)
    assert train(trial(), device="cpu", directory=tmp_path)["status"] == "ok"
    assert (tmp_path / "checkpoint.pt.refused").exists()


def test_a_checkpoint_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"format": "edfstat checkpoint 1", "trial_id": trial().id, "state": {}}, path)
    with pytest.raises(InputError, match="is not a checkpoint of this program"):
        train(trial(), device="cpu", directory=tmp_path)
    assert path.exists()


def stopped(folder: Path) -> Path:
    """The checkpoint of a trial that was stopped after its first epoch."""
    with pytest.raises(TrialInterrupted):
        train(trial(), device="cpu", directory=folder, should_stop=lambda: True)
    return folder / "checkpoint.pt"


def test_a_flipped_bit_of_a_weight_is_noticed(tmp_path: Path) -> None:
    """Torch reads it without a word."""
    path = stopped(tmp_path)
    content = torch.load(path, weights_only=True)
    weight = content["state"]["net"]["classifier.weight"]
    data = bytearray(path.read_bytes())
    place = data.index(weight.numpy().tobytes())
    data[place + 2] ^= 4
    path.write_bytes(data)
    torch.load(path, weights_only=True)
    with pytest.raises(checkpoints.DamagedCheckpoint, match="is not what was written"):
        checkpoints.load(path, trial_id=trial().id)


@pytest.mark.parametrize(
    "damage",
    ["a weight less", "a weight more", "another shape", "no curves", "curves apart", "curves too long", "no state"],
)
def test_a_checkpoint_that_does_not_fit_is_set_aside_and_changes_nothing(tmp_path: Path, damage: str) -> None:
    whole = outcome(train(trial(), device="cpu"))
    path = stopped(tmp_path)
    content = torch.load(path, weights_only=True)
    state = content["state"]
    last = list(state["net"])[-1]
    if damage == "a weight less":
        del state["net"][last]
    elif damage == "a weight more":
        state["net"]["another.weight"] = torch.zeros(3)
    elif damage == "curves apart":
        state["curves"]["test_ep_top1"].append(1.0)
    elif damage == "curves too long":
        for name in ("train_ep_loss", "train_ep_top1", "test_ep_top1"):
            state["curves"][name] *= 50
    elif damage == "another shape":
        state["net"][last] = torch.zeros(3)
    elif damage == "no curves":
        del state["curves"]
    else:
        del content["state"]
    torch.save(content, path)
    assert outcome(train(trial(), device="cpu", directory=tmp_path)) == whole
    assert path.with_name("checkpoint.pt.refused").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full needs Linux")
def test_a_full_disk_is_named_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_files, "token_hex", lambda _: "same")
    (tmp_path / f"checkpoint.pt.same.{os.getpid()}.part").symlink_to("/dev/full")
    record = train(trial(), device="cpu", directory=tmp_path)
    assert record["status"] == "error"
    assert record["message"] == "OSError: [Errno 28] No space left on device"


def test_no_room_for_a_checkpoint_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of a GPU that others fill: the work done is kept for another try."""
    path = stopped(tmp_path)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Session, "load_state", full)
    assert train(trial(), device="cpu", directory=tmp_path)["status"] == "oom"
    assert path.exists()


def test_a_checkpoint_that_cannot_be_read_now_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that is away for a moment has damaged nothing."""
    path = stopped(tmp_path)

    def stale(*_: object, **__: object) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(torch, "load", stale)
    with pytest.raises(InputError, match=r"cannot be read .\[Errno 116\]"):
        train(trial(), device="cpu", directory=tmp_path)
    assert path.exists()
    # To a worker of a sweep it is a trouble of the disk: the trial goes back, and waits.
    outcome = run_trial(backends()["torch"], trial(), str(tmp_path), "cpu", lambda: False)
    assert outcome["kind"] == "trouble"


def test_a_file_is_on_the_disk_before_it_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a machine that crashes then has neither the old one nor the new."""
    path, seen = tmp_path / "checkpoint.pt", []
    path.write_text("old")
    monkeypatch.setattr("os.fsync", lambda n: seen.append((Path(f"/proc/self/fd/{n}").read_text(), path.read_text())))
    replace_file(path, lambda part: part.write_text("new"))
    assert seen == [("new", "old")]
    assert path.read_text() == "new"


def test_what_was_half_written_is_removed_once_its_writer_is_gone(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, young, ours = (
        tmp_path / f"checkpoint.pt.0a1b.{name}.part" for name in (ended.pid, ended.pid + 2**23, os.getpid())
    )
    for part in (left, young, ours):
        part.touch()
    for part in (left, ours):
        os.utime(part, (0, 0))
    remove_parts(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([young, ours])
