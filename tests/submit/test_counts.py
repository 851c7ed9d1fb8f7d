"""What status and collect make of records that come twice, late, or not at all; written by hand, counted by hand."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edfstat.errors import InputError
from submit import opening
from submit.collecting import gather
from submit.directory import Round, Sweep, open_sweep
from submit.presence import Presence, WorkerInfo
from submit.status import Tally, read_status, status_lines
from tests.submit.sweeps import fake, write


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    opening.prepare(write(tmp_path, fake(4, epochs=1)))
    return open_sweep(tmp_path / "sweep")


def record(sweep: Sweep, shard: str, trial: int, **provenance: Any) -> None:
    line = {"trial_id": sweep.trial(trial).id, "status": "ok", "provenance": {"attempt": 1, **provenance}}
    with (sweep.path / "records" / f"{shard}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def test_the_newest_attempt_counts_and_of_one_the_first_record(sweep: Sweep) -> None:
    record(sweep, "a", 0, ended=20.0, worker="late")
    record(sweep, "b", 0, ended=10.0, worker="first")
    record(sweep, "c", 0, ended=30.0, worker="last")
    record(sweep, "a", 1, attempt=2, ended=50.0, worker="again")
    record(sweep, "b", 1, attempt=1, ended=5.0, worker="before")
    found = gather(sweep)
    assert [one["provenance"]["worker"] for one in found.records] == ["first", "again"]
    assert (found.duplicates, found.superseded) == (2, 1)


def test_all_time_is_counted_and_only_equal_attempts_are_duplicates(sweep: Sweep) -> None:
    record(sweep, "a", 0, seconds=10.0, gpus=0.5)
    record(sweep, "a", 0, seconds=30.0, gpus=0.5)
    record(sweep, "a", 1, attempt=2, seconds=5.0)
    record(sweep, "a", 1, attempt=1, seconds=7.0, gpus=1.0)
    tally = Tally(sweep)
    assert tally.update() == 2
    assert tally.duplicates == 1
    assert tally.seconds.tolist() == [40, 12, 0, 0]
    assert tally.gpus.tolist() == [20, 7, 0, 0]


def test_rounds_beyond_a_thousand_follow_the_others(sweep: Sweep) -> None:
    first = sweep.round_file(0).read_bytes()
    for number in range(1, 999):
        sweep.round_file(number).write_bytes(first)
    for attempt in (2, 3, 4):
        sweep.add_round(Round(attempt, 1, [(0, 1)], [1]))
    assert [each.attempt for each in Sweep(sweep.path).rounds()[-4:]] == [1, 2, 3, 4]


def test_a_round_is_added_though_the_file_server_lost_its_first_answer(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)  # asked again, the server finds the name there

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", twice)
        sweep.add_round(Round(2, 1, [(0, 1)], [1]))
    assert [each.attempt for each in sweep.rounds()] == [1, 2]
    monkeypatch.setattr(sweep.__class__, "round_files", lambda _: [sweep.round_file(0)])  # a list from before
    with pytest.raises(InputError, match="in this moment"):
        sweep.add_round(Round(3, 1, [(0, 1)], [1]))


def test_a_trial_of_another_round_is_finished_by_a_record_of_it(sweep: Sweep) -> None:
    record(sweep, "a", 0)
    record(sweep, "a", 1)
    sweep.add_round(Round(2, 1, [(0, 1)], [1]))
    tally = Tally(sweep)
    tally.update()
    assert tally.finished().tolist() == [True, False, False, False]
    record(sweep, "b", 1, attempt=2)
    tally.update()
    assert tally.finished().tolist() == [True, True, False, False]


def test_a_count_that_a_shard_does_not_bear_out_begins_anew(sweep: Sweep) -> None:
    for trial, shard in enumerate("ab"):
        record(sweep, shard, trial)
    tally = Tally(sweep)
    tally.update()
    tally.keep()
    assert Tally.kept(sweep).finished().tolist() == [True, True, False, False]
    (sweep.path / "records" / "b.jsonl").unlink()
    again = Tally.kept(sweep)
    assert not again.finished().any()
    assert again.update() == 1


def test_what_is_left_is_shared_by_the_workers_that_live(sweep: Sweep) -> None:
    record(sweep, "a", 0, seconds=100.0, gpus=0.5)
    costs = [sweep.trial(i).cost for i in range(4)]
    for name in ("one", "two"):
        Presence(sweep.folder("workers"), WorkerInfo(worker=name, trials=[sweep.trial(1).id]), 60).announce()
    found = read_status(sweep, ask_scheduler=False)
    rest = 100 * sum(costs[1:]) / costs[0]
    assert found.workers == 2
    assert found.left == pytest.approx(rest / 2)
    assert (found.hours, found.hours_left) == pytest.approx((100 / 3600, rest / 3600))
    assert (found.gpu_hours, found.gpu_hours_left) == pytest.approx((50 / 3600, rest / 7200))
    assert np.isclose(found.images_per_second, sweep.trial(0).images / 100 * 2)


def test_before_any_trial_has_ended_its_epochs_tell_what_is_left(sweep: Sweep) -> None:
    """Trial 1 took 30 s for 3 of 10 epochs, trial 2 a minute for half of them; of trial 3 nothing is known."""
    costs = [sweep.trial(i).cost for i in range(4)]
    names = [sweep.trial(i).id for i in range(4)]
    Presence(sweep.folder("workers"), WorkerInfo(worker="one", trials=names[1:]), 60).announce()
    assert read_status(sweep, ask_scheduler=False).left is None
    for trial, lines in ((1, [[1, 11.0], [3, 30.0]]), (2, [[5, 60.0]]), (3, [])):
        folder = sweep.path / "checkpoints" / names[trial]
        folder.mkdir()
        rows = [json.dumps({"epoch": epoch, "epochs": 10, "elapsed": seconds, "lr": 0.1}) for epoch, seconds in lines]
        (folder / "progress.jsonl").write_text("".join(f"{row}\n" for row in rows))
    found = read_status(sweep, ask_scheduler=False)
    behind = 0.3 * costs[1] + 0.5 * costs[2]
    assert found.left == pytest.approx(90 / behind * (sum(costs) - behind))
    assert found.epochs == {names[1]: (3, 10), names[2]: (5, 10)}
    assert "epochs     3/10 to 5/10 of those that run" in status_lines(found)
    # Torn by a crash, foreign, or without sense: as if there were none.
    none, beyond = (json.dumps({"epoch": epoch, "epochs": 3, "elapsed": 5}) for epoch in (0, 9))
    for text in ('{"epoch": 3, "ep', "[]", none, beyond):
        (sweep.path / "checkpoints" / names[1] / "progress.jsonl").write_text(text)
        assert list(read_status(sweep, ask_scheduler=False).epochs) == [names[2]]
    # Measured, it is no longer guessed.
    record(sweep, "a", 0, seconds=100.0)
    found = read_status(sweep, ask_scheduler=False)
    assert (found.left, found.epochs) == (pytest.approx(100 * sum(costs[1:]) / costs[0]), {})


def test_the_last_trial_is_not_shared_by_workers_without_one(sweep: Sweep) -> None:
    costs = [sweep.trial(i).cost for i in range(4)]
    for trial in range(3):
        record(sweep, "a", trial, seconds=100.0 * costs[trial])
    for name in ("one", "two", "three"):
        Presence(sweep.folder("workers"), WorkerInfo(worker=name), 60).announce()
    assert read_status(sweep, ask_scheduler=False).left == pytest.approx(100 * costs[3])
