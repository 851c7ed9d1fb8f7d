"""Trials in threads of one process, as on a GPU where processes would take turns; here on the CPU."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from edfstat import Trial
from tests.trainers.test_packing import processes, spoil_first, trial, wait_for
from tests.trainers.trials import outcome
from trainers import devices, packing, train, train_many

EDGES = [["sep_conv_3x3", 0], ["skip_connect", 1]]
CELLS = {
    "genotype": {"normal": EDGES, "normal_concat": [2], "reduce": EDGES, "reduce_concat": [2]},
    "width": 4, "depth": 3, "aux": True,
}  # fmt: skip


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """All trials at a time in one process."""
    monkeypatch.setattr(packing, "_room", lambda number, *_, **__: number)


def enhanced(seed: int) -> Trial:
    """With everything that is drawn while it trains."""
    recipe = {"base": "enhanced", "cutout": 2}
    return Trial("any", CELLS, "digits", recipe, {"max_ep": 3}, seed, {"train_images": 256})


@pytest.mark.usefixtures("threads")
def test_threads_give_the_records_of_training_one_by_one(tmp_path: Path) -> None:
    trials = [*(trial(seed) for seed in (1, 2, 3)), *(enhanced(seed) for seed in (4, 5))]
    seen: list[int] = []
    together = {}
    for record in train_many(trials, device="cpu", workers=3, directory=tmp_path):
        together[record["rng_seed"]] = outcome(record)
        seen.append(len(processes()))
    assert set(seen) == {1}
    assert together == {one.seed: outcome(train(one, device="cpu")) for one in trials}
    assert not processes()


def test_trainings_in_threads_do_not_see_what_others_draw() -> None:
    """Two trainings in threads of this process, which begin together: what one draws the other does not see."""
    found: dict[int, Any] = {}
    together = threading.Barrier(2)

    def work(seed: int) -> None:
        together.wait()
        found[seed] = outcome(train(enhanced(seed), device="cpu"))

    running = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    drawn = torch.get_rng_state()
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert found == {seed: outcome(train(enhanced(seed), device="cpu")) for seed in (1, 2)}
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.usefixtures("threads")
def test_what_a_process_had_when_it_died_is_tried_again_alone(
    tmp_path: Path, hold: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Killed from outside after the first epochs: which of its trials was to blame nobody knows."""
    first, second, third = trials = [trial(1, 4), trial(2, 4), trial(3, 1)]
    hold(first, second)

    def kill() -> None:
        for one in (first, second):
            wait_for(tmp_path / one.id / "checkpoint.pt")
        os.kill(processes()[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    records = list(train_many(trials, device="cpu", workers=2, directory=tmp_path))
    killer.join()
    assert sorted(r["rng_seed"] for r in records) == [1, 2, 3]
    assert {r["rng_seed"]: outcome(r) for r in records} == {
        one.seed: outcome(train(one, device="cpu")) for one in trials
    }
    assert caplog.text.count("again alone at the end") == 2
    assert all(one.id[:12] in caplog.text for one in (first, second))
    assert "SIGKILL" in caplog.text
    assert third.id[:12] not in caplog.text
    assert not processes()


@pytest.mark.usefixtures("threads")
def test_leaving_the_loop_ends_the_threads_and_a_later_call_goes_on(tmp_path: Path, hold: Callable[..., None]) -> None:
    long = trial(1, 4)
    hold(long)
    stream = train_many([trial(2, 1), long], device="cpu", workers=2, directory=tmp_path)
    assert next(stream)["rng_seed"] == 2
    wait_for(tmp_path / long.id / "checkpoint.pt")
    stream.close()
    assert not processes()
    (again,) = train_many([long], device="cpu", workers=1, directory=tmp_path)
    assert outcome(again) == outcome(train(long, device="cpu"))


@pytest.mark.usefixtures("threads")
def test_a_trial_that_fails_beside_others_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / trial(1).id).mkdir()
    (tmp_path / trial(1).id / "record.json").write_text('{"trial_id": "another"}')
    records = {r["rng_seed"]: r for r in train_many([trial(1), trial(2)], device="cpu", workers=2, directory=tmp_path)}
    assert {seed: record["status"] for seed, record in records.items()} == {1: "error", 2: "ok"}
    assert "another trial" in records[1]["message"]


@pytest.mark.usefixtures("threads")
def test_a_trial_that_fails_in_a_thread_beside_others_is_tried_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What others do may spoil the capture of its graph."""
    spoil_first(monkeypatch, tmp_path, status="error", message="operation failed during capture")
    trials = [trial(seed, 1) for seed in (1, 2)]
    records = list(train_many(trials, device="cpu", workers=2, directory=tmp_path))
    assert [(record["rng_seed"], record["status"]) for record in records] == [(2, "ok"), (1, "ok")]
    assert f"trial {trials[0].id[:12]}: operation failed during capture; again alone" in caplog.text


@pytest.mark.parametrize(
    ("device", "state", "compiled", "room"),
    [
        ("cuda", "started", False, 1),
        ("cuda", "running", False, 1),
        ("cuda", "nvidia-cuda-mps-control is not on the PATH", False, 8),
        ("cuda", "nvidia-cuda-mps-control failed (1)", True, 1),
        ("cpu", "not wanted", False, 1),
    ],
)
def test_threads_are_used_where_processes_would_take_turns(device: str, state: str, compiled: bool, room: int) -> None:
    assert packing._room(8, torch.device(device), state, compile=compiled) == room


def test_weights_are_drawn_by_one_thread_at_a_time() -> None:
    begun, done = threading.Event(), []

    def other() -> None:
        begun.set()
        with devices.drawing(1):
            done.append(torch.rand(1).item())

    with devices.drawing(1):
        waiting = threading.Thread(target=other)
        waiting.start()
        begun.wait()
        time.sleep(0.05)
        first = torch.rand(1).item()
        assert not done
    waiting.join()
    assert done == [first]


@pytest.mark.usefixtures("threads")
def test_what_a_process_had_answered_before_it_died_is_not_lost(
    tmp_path: Path, hold: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """It dies while whoever reads the records is busy with the first: one answer is in the pipe, one trial not done."""
    trials = [trial(1, 4), *(trial(seed, 1) for seed in (2, 3, 4, 5))]
    hold(trials[0])
    records = []
    for record in train_many(trials, device="cpu", workers=2, directory=tmp_path):
        records.append(record)
        if len(records) == 1:
            wait_for(tmp_path / trials[2].id / "record.json")
            dying = processes()[0]
            os.kill(dying.pid, signal.SIGKILL)
            dying.join()
    assert sorted(record["rng_seed"] for record in records) == [1, 2, 3, 4, 5]
    assert {record["status"] for record in records} == {"ok"}
    assert f"trial {trials[0].id[:12]}: its process died (signal SIGKILL" in caplog.text
