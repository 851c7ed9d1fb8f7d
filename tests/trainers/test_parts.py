"""Trials that stop within an epoch: they go on from the step where they stopped, as if nothing had been."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from edfstat import Trial, TrialInterrupted
from tests.trainers import test_parallel
from tests.trainers.test_parallel import photographs, port, started
from tests.trainers.trials import outcome, trial
from trainers import loop, train
from trainers.__main__ import main
from trainers.signals import noted_signals

__all__ = ["photographs", "port"]  # fixtures

PATIENCE = loop.PATIENCE

EDGES = [["sep_conv_3x3", 0], ["skip_connect", 1]]
CELLS = {
    "genotype": {"normal": EDGES, "normal_concat": [2], "reduce": EDGES, "reduce_concat": [2]},
    "width": 16, "depth": 4, "aux": True, "drop_prob": 0.2,
}  # fmt: skip
#: Plain; with everything that is drawn in a step, and a rate that changes with each.
CASES = {
    "stages": trial(2),
    "cells, enhanced": trial(2, net=CELLS, recipe={"base": "enhanced", "cutout": 4, "lr_step": "iteration"}),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked after every step, however short the epoch."""
    monkeypatch.setattr(loop, "PATIENCE", 0.0)


def at(*asked: int) -> Callable[[], bool]:
    """Says yes only when asked for the so-manieth time."""
    times = count(1)
    return lambda: next(times) in asked


def in_parts(made: Trial, folder: Path, every: int, **options: Any) -> tuple[dict[str, Any], int]:
    """The record of a trial that was stopped whenever it had been asked so often, and how often that was."""
    for stops in count():
        try:
            return train(made, device="cpu", directory=folder, should_stop=at(every), **options), stops
        except TrialInterrupted:
            torch.rand(3)  # the state of the global generator must not matter
    raise AssertionError


@pytest.mark.parametrize(
    ("case", "every", "stopped"),
    [("stages", 2, 5), ("stages", 3, 3), ("cells, enhanced", 2, 5), ("cells, enhanced", 4, 2)],
)
def test_the_record_is_that_of_an_uninterrupted_trial(
    tmp_path: Path, impatient: None, case: str, every: int, stopped: int
) -> None:
    """Bit for bit, and its epochs are told once each.

    Asked after 3 steps of 128 of the 400 images, between 2 batches of test images, and after the first epoch.
    """
    whole = train(CASES[case], device="cpu")
    record, stops = in_parts(CASES[case], tmp_path, every)
    assert outcome(record) == outcome(whole)
    assert stops == stopped
    rows = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert not (tmp_path / "checkpoint.pt").exists()


def test_photographs_from_disk_go_on_as_well(tmp_path: Path, photographs: Path, impatient: None) -> None:
    made = test_parallel.trial()
    whole = train(made, device="cpu", root=photographs)
    record, stops = in_parts(made, tmp_path, 1, root=photographs)
    assert (outcome(record), stops) == (outcome(whole), 5)


def test_short_epochs_are_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only after ten seconds within one: where a look takes 3 s, at the fourth."""
    monkeypatch.setattr(loop, "PATIENCE", PATIENCE)
    clock = count(0, 3)
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(clock))
    with pytest.raises(TrialInterrupted, match="stopped after epoch 1 of 2"):
        train(trial(2, options={"train_images": 256}), device="cpu", should_stop=lambda: True)
    with pytest.raises(TrialInterrupted, match="stopped after step 3 of 3 of epoch 1"):  # among the test images
        train(trial(2), device="cpu", should_stop=lambda: True)
    made = trial(2, options={"train_images": 1280})
    with pytest.raises(TrialInterrupted, match="stopped after step 4 of 10 of epoch 1"):
        train(made, device="cpu", directory=tmp_path, should_stop=lambda: True)


def partly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint of a trial that was stopped after the second step of its second epoch."""
    with monkeypatch.context() as patch:
        patch.setattr(loop, "PATIENCE", 0.0)
        with pytest.raises(TrialInterrupted, match="step 2 of 3 of epoch 2"):
            train(
                trial(2), device="cpu", directory=folder, should_stop=at(7)
            )  # three steps, test images, the end, two steps
    return folder / "checkpoint.pt"


def test_the_time_of_both_parts_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = partly(tmp_path, monkeypatch)
    content = torch.load(path, weights_only=True)
    assert (content["state"]["part"]["step"], len(content["state"]["curves"]["test_ep_top1"])) == (2, 1)
    assert content["state"]["part"]["seconds"] > 0
    content["state"]["part"]["seconds"] += 1000
    before = content["state"]["curves"]["train_seconds"]
    torch.save(content, path)
    record = train(trial(2), device="cpu", directory=tmp_path)
    assert record["iter_time"] * 6 == pytest.approx(1000 + before, rel=0.02)


@pytest.mark.parametrize(
    "damage",
    [{"step": 0}, {"step": 4}, {"drawn": {"own, cpu": "text"}}, {"drawn": 5}, {"loss": None}, {"wrong": "x"}, None],
)
def test_a_part_that_makes_no_sense_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: dict[str, Any] | None
) -> None:
    path = partly(tmp_path, monkeypatch)
    content = torch.load(path, weights_only=True)
    if damage is None:
        del content["state"]["part"]["seconds"]
    else:
        content["state"]["part"] |= damage
    torch.save(content, path)
    assert outcome(train(trial(2), device="cpu", directory=tmp_path)) == outcome(train(trial(2), device="cpu"))
    assert (tmp_path / "checkpoint.pt.refused").exists()


def test_checkpoints_of_whole_epochs_of_the_format_before_are_read(tmp_path: Path) -> None:
    with pytest.raises(TrialInterrupted):
        train(trial(), device="cpu", directory=tmp_path, should_stop=lambda: True)
    path = tmp_path / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    del content["state"]["part"]
    torch.save({**content, "format": "edfstat checkpoint 2"}, path)
    lines: list[str] = []
    assert outcome(train(trial(), device="cpu", directory=tmp_path, listener=lines.append)) == outcome(
        train(trial(), device="cpu")
    )
    assert len(lines) == 2


CODE = """
import json, sys
from itertools import count
from pathlib import Path
from edfstat import Trial, TrialInterrupted
from trainers import loop, parallel, session, train
folder, root, stop = sys.argv[1:]
loop.PATIENCE, session.ASKED = 0.0, 2
times = count(1)
rank, _ = parallel.join(__import__("torch").device("cpu"))
made = Trial.from_dict(json.loads(Path("trial.json").read_text()))
try:
    record = train(made, device="cpu", directory=folder, root=root, should_stop=lambda: next(times) == int(stop))
    print(json.dumps(record) if rank == 0 else "")
except TrialInterrupted as error:
    print(error)
parallel.leave(together=True)
"""


def test_several_processes_stop_at_the_same_step_and_go_on(tmp_path: Path, photographs: Path, port: int) -> None:
    """Two of them, then one, then two; four steps make an epoch, and two ask one another after the first and third."""
    base = test_parallel.trial()
    made = Trial(base.space, base.net, base.dataset, {**dict(base.recipe), "batch_size": 8}, base.optim)
    (tmp_path / "trial.json").write_text(json.dumps(made.to_dict()))
    alone = train(made, device="cpu", root=photographs)

    def together(stop: int) -> list[str]:
        command = [sys.executable, "-c", CODE, "folder", str(photographs), str(stop)]
        ended = [process.communicate(timeout=200) for process in started(command, tmp_path, port)]
        assert "stopped" in ended[0][0] or ended[0][0].startswith("{"), ended
        return [out.strip() for out, _ in ended]

    said = together(2)
    assert said == [f"trial {made.id[:12]} stopped after step 3 of 4 of epoch 1"] * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "PATIENCE", 0.0)
        # Asked after the last step, between two batches of test images, after the epoch and after the first step.
        with pytest.raises(TrialInterrupted, match="step 1 of 4 of epoch 2"):
            train(made, device="cpu", root=photographs, directory=tmp_path / "folder", should_stop=at(4))
    record = json.loads(together(99)[0])
    assert record["train_ep_loss"] == pytest.approx(alone["train_ep_loss"], abs=2e-4)
    assert record["train_ep_top1"] == alone["train_ep_top1"]
    assert record["test_ep_top1"] == alone["test_ep_top1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_that_end_jobs_let_the_command_save_its_work(tmp_path: Path, number: signal.Signals) -> None:
    made = trial(400)
    (tmp_path / "trial.json").write_text(json.dumps(made.to_dict()))
    command = [sys.executable, "-m", "trainers", str(tmp_path / "trial.json"), "--device", "cpu"]
    running = subprocess.Popen(
        [*command, "--directory", str(tmp_path / "run")], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    assert "epoch   1/400" in running.stderr.readline()
    running.send_signal(number)
    out, said = running.communicate(timeout=200)
    assert (running.returncode, out) == (128 + number, "")
    assert said.splitlines()[-1] == (
        f"stopped by {number.name}; the same command goes on from {tmp_path / 'run' / 'checkpoint.pt'}"
    )
    assert (tmp_path / "run" / "checkpoint.pt").exists()
    assert not (tmp_path / "run" / "record.json").exists()


def test_a_signal_to_one_of_several_processes_stops_all(tmp_path: Path, photographs: Path, port: int) -> None:
    """Some launchers tell the first process alone; the others learn of it from that one."""
    base = test_parallel.trial()
    made = Trial(base.space, base.net, base.dataset, base.recipe, {**dict(base.optim), "max_ep": 400})
    (tmp_path / "trial.json").write_text(json.dumps(made.to_dict()))
    command = [sys.executable, "-m", "trainers", "trial.json", "--device", "cpu", "--directory", "run"]
    first, second = started([*command, "--root", str(photographs)], tmp_path, port)
    assert first.stderr is not None
    while "epoch   1/400" not in (line := first.stderr.readline()):
        assert line, first.communicate(timeout=200)
    first.send_signal(signal.SIGUSR1)
    said = [process.communicate(timeout=200)[1].splitlines()[-1] for process in (first, second)]
    goes_on = f"; the same command goes on from {Path('run', 'checkpoint.pt')}"
    assert said == [f"stopped by SIGUSR1{goes_on}", f"stopped with the other processes{goes_on}"]
    assert [first.returncode, second.returncode] == [128 + signal.SIGUSR1, 128 + signal.SIGTERM]


def test_signals_are_noted_only_where_they_would_end_the_process() -> None:
    mine: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    handlers = (signal.SIG_DFL, signal.SIG_IGN, lambda number, frame: mine.append(number))
    before = [signal.signal(number, handler) for number, handler in zip(numbers, handlers)]
    try:
        with noted_signals() as came:
            for number in numbers:
                signal.raise_signal(number)
        assert (came, mine) == ([signal.SIGTERM], [signal.SIGUSR2])
        assert tuple(map(signal.getsignal, numbers)) == handlers
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def test_the_command_line_can_be_called_in_a_thread(tmp_path: Path) -> None:
    """Only the first thread of a process may handle signals."""
    (tmp_path / "trial.json").write_text(json.dumps(trial(1).to_dict()))
    command = [str(tmp_path / "trial.json"), "--device", "cpu", "--directory", str(tmp_path / "run")]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(main, command).result() == 0


def test_the_few_steps_left_of_an_epoch_are_profiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partly(tmp_path, monkeypatch)
    assert train(trial(2), device="cpu", directory=tmp_path, profile=True)["status"] == "ok"
    names = {event["name"] for event in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]}
    assert any("conv" in name for name in names)
