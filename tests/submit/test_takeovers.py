"""Workers that die, freeze and come back: whose trial it is, and what is written."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edfstat import Trial
from edfstat.records import make_record
from submit import opening, operations
from submit.claims import Claims
from submit.collecting import gather
from submit.directory import Round, Sweep, open_sweep
from submit.feed import Feed
from submit.job import Worker, _Loop
from submit.presence import Presence, WorkerInfo, process_start
from submit.shards import Shard, read_lines
from submit.signals import cause, patience
from tests.submit.sweeps import fake, finished_once, holding, let_go, records, wait_until, write

ROOT = Path(__file__).resolve().parents[2]
WORK = "import sys; from submit.job import Worker; print(Worker(sys.argv[1], '000aaaaa', int(sys.argv[2]))())"


def start_worker(directory: Path, index: int) -> subprocess.Popen:
    """A worker as submitit runs it, without a scheduler."""
    with (directory / "logs" / f"{index}.out").open("w") as log:
        command = [sys.executable, "-c", WORK, str(directory), str(index)]
        return subprocess.Popen(command, cwd=ROOT, stdout=log)


def child_of(worker: subprocess.Popen) -> int:
    """The process in which a worker runs its trial."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    return next(int(child) for child in children if b"submit.child" in Path(f"/proc/{child}/cmdline").read_bytes())


def checkpoints(directory: Path) -> list[int]:
    """Epochs that are done of each trial that has no record yet."""
    done = []
    for path in (directory / "checkpoints").glob("*/checkpoint.json"):
        with contextlib.suppress(FileNotFoundError):
            done.append(json.loads(path.read_text())["epoch"])
    return done


def feed_of(sweep: Sweep, name: str, now: list[float]) -> tuple[Feed, Presence]:
    # Of another machine, so that only its silence can tell its death.
    presence = Presence(sweep.path / "workers", WorkerInfo(worker=name), 60, clock=lambda: now[0])
    presence.announce()
    return Feed(sweep, presence), presence


def test_a_frozen_worker_that_wakes_doubles_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, fake(8, epochs=3, epoch_seconds=0.2, lease=2, options=holding(tmp_path, but=1)))
    opening.prepare(path)
    directory = tmp_path / "sweep"
    frozen = start_worker(directory, 0)
    wait_until(lambda: records(directory) == 1 and checkpoints(directory) == [2], what="a running trial after another")
    os.kill(frozen.pid, signal.SIGSTOP)
    let_go(tmp_path)  # its child goes on for a while: the worst case
    other = start_worker(directory, 1)
    wait_until(lambda: records(directory) >= 6, what="records of the other worker")
    os.kill(frozen.pid, signal.SIGCONT)
    assert [frozen.wait(200), other.wait(200)] == [0, 0]
    finished_once(directory)
    writers = {r["provenance"]["worker"] for r in gather(open_sweep(directory)).records}
    assert writers == {"000aaaaa-0000-0", "000aaaaa-0001-0"}


def test_a_record_that_a_slow_worker_wrote_after_all_is_not_written_again(tmp_path: Path) -> None:
    opening.prepare(write(tmp_path, fake(1, epochs=1)))
    sweep, now = open_sweep(tmp_path / "sweep"), [0.0]
    slow, _ = feed_of(sweep, "slow", now)
    item = slow.next()
    assert item is not None
    # It has looked that the trial is its own, and then its disk hangs for longer than the lease.
    assert slow.holds(item)
    now[0] = 100.0
    other, _ = feed_of(sweep, "other", now)
    taken = other.next()
    assert taken is not None
    assert taken.planned.id == item.planned.id
    assert not other.recorded_before(taken)
    shard = Shard(sweep.path / "records" / "slow.jsonl")
    shard.append({"trial_id": item.planned.id, "provenance": {"attempt": 1}})
    slow.finished(item, 1.0)
    shard.close()
    assert not slow.holds(item)
    assert other.recorded_before(taken)
    other.finished(taken, 1.0)
    assert not other.outstanding()


def test_the_rest_of_a_batch_that_was_taken_over_is_not_begun(tmp_path: Path) -> None:
    opening.prepare(write(tmp_path, fake(60, epochs=1, workers=1)))
    sweep, now = open_sweep(tmp_path / "sweep"), [0.0]
    slow, _ = feed_of(sweep, "slow", now)
    item = slow.next()
    assert item is not None
    assert len(sweep.rounds()[0].indices(item.lease.batch)) > 1
    now[0] = 100.0  # it sleeps for longer than the lease
    other, _ = feed_of(sweep, "other", now)
    taken = [each.planned.index for each in iter(other.next, None)]
    assert sorted(taken) == list(range(60))
    assert slow.next() is None


def test_a_batch_that_another_finished_is_no_longer_held(tmp_path: Path) -> None:
    now = [0.0]
    presences = [Presence(tmp_path, WorkerInfo(worker=name), 60, clock=lambda: now[0]) for name in "ab"]
    slow, other = (Claims(tmp_path / "claims", Round(1, 1, [(0, 1), (1, 2)]), each) for each in presences)
    presences[0].announce()
    lease = slow.claim()
    assert lease is not None
    now[0] = 100.0
    presences[1].announce()
    taken = other.claim()
    assert taken is not None
    assert taken.batch == lease.batch
    # As if the other were stopped between saying done and clearing the earlier lease away.
    (tmp_path / "claims" / "000" / "000.2").rename(tmp_path / "claims" / "000" / "000.done")
    assert (tmp_path / "claims" / "000" / "000.1").exists()
    assert not slow.holds(lease)


def two_claims(tmp_path: Path, now: list[float]) -> tuple[Claims, Claims]:
    """Of two workers on other machines, of which only silence tells the death, on one batch."""
    presences = [Presence(tmp_path, WorkerInfo(worker=name), 60, clock=lambda: now[0]) for name in "ab"]
    for each in presences:
        each.announce()
    first, second = (Claims(tmp_path / "claims", Round(1, 1, [(0, 1)]), each) for each in presences)
    return first, second


def test_a_batch_that_another_took_over_and_gave_back_is_no_longer_held(tmp_path: Path) -> None:
    now = [0.0]
    slow, other = two_claims(tmp_path, now)
    lease = slow.claim()
    assert lease is not None
    now[0] = 100.0
    other._presence.beat()
    taken = other.claim()
    assert taken is not None
    assert taken.dead == ("a",)
    other.release(taken)
    assert not slow.holds(lease)
    # Who gave it back is one of those that had it, but did not die of it.
    again = slow.claim()
    assert again is not None
    assert (again.earlier, again.dead) == (("a", "b"), ("a",))


def test_a_lease_that_was_given_back_since_the_listing_is_not_taken_again(tmp_path: Path) -> None:
    first, second = two_claims(tmp_path, [0.0])
    lease = first.claim()
    assert lease is not None
    first.release(lease)
    assert second._take(0, 1) is None  # as it would from a listing before
    taken = second.claim()
    assert taken is not None
    assert taken.token == 2


def test_a_lease_is_had_though_the_file_server_lost_its_first_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_claims(tmp_path, [0.0])
    link = os.link

    def twice(source: str, target: str) -> None:
        link(source, target)
        link(source, target)  # asked again, the server finds the name there

    with monkeypatch.context() as patch:
        patch.setattr("submit.claims.os.link", twice)
        lease = first.claim()
    assert lease is not None
    assert first.holds(lease)
    assert second.claim() is None
    assert second._take(0, 1) is None


def test_a_folder_of_claims_is_said_to_be_done_before_it_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a worker that looks in between takes its batches for ones that nobody began."""
    first, _ = two_claims(tmp_path, [0.0])
    lease = first.claim()
    assert lease is not None
    first.complete(lease)
    marked = []
    monkeypatch.setattr(
        "submit.claims.shutil.rmtree", lambda *_, **__: marked.append((tmp_path / "claims" / "000.complete").exists())
    )
    assert not first.outstanding()
    assert marked == [True]


def test_a_lease_without_a_name_has_no_owner(tmp_path: Path) -> None:
    """A machine that crashes may leave the file, but not what was written."""
    first, second = two_claims(tmp_path, [0.0])
    assert first.claim() is not None
    (tmp_path / "claims" / "000" / "000.1").write_text("")
    taken = second.claim()
    assert taken is not None
    assert (taken.token, taken.earlier) == (2, ())


def test_a_trial_is_begun_if_there_is_time_for_it(tmp_path: Path) -> None:
    """A third more than is expected; a tenth of a worker's time where nothing is known, or no worker lives so long."""
    opening.prepare(write(tmp_path, fake(40, epochs=1)))
    sweep = open_sweep(tmp_path / "sweep")
    presence = Presence(sweep.path / "workers", WorkerInfo(worker="a"), 60)
    presence.announce()
    feed = Feed(sweep, presence, whole=1000)
    assert feed.next(99) is None
    assert feed.declined
    item = feed.next(101)
    assert item is not None
    assert not feed.declined
    rate = 100 / item.planned.cost
    feed.finished(item, item.planned.cost * rate)
    coming = feed.next()
    assert coming is not None
    feed.put_back(coming)
    seconds = coming.planned.cost * rate
    assert feed.expected(coming.planned) == pytest.approx(seconds)
    assert feed.next(1.29 * seconds) is None
    assert feed.declined
    assert feed.next(1.31 * seconds) == coming
    feed.put_back(coming)
    brief = Feed(sweep, presence, whole=seconds)
    brief.finished(item, item.planned.cost * rate)
    feed.release()
    assert brief.next(0.11 * seconds) is not None
    assert brief.next(0.09 * seconds) is None


def test_who_was_silent_for_a_lease_has_overslept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("submit.presence.time.monotonic", lambda: now[0])
    presence = Presence(tmp_path, WorkerInfo(worker="a"), 60)
    assert not presence.overslept(), "before its first sign"
    presence.announce()
    now[0] += 59
    assert not presence.overslept()
    now[0] += 2
    assert presence.overslept()
    presence.beat_if_due()
    assert not presence.overslept()


def test_a_process_that_only_waits_to_be_buried_is_dead() -> None:
    child = subprocess.Popen(["true"])
    wait_until(lambda: Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z", 20)
    assert process_start(child.pid) == 0
    child.wait()
    assert process_start(os.getpid()) > 0


def test_a_dead_batch_is_found_among_many_that_live_while_there_is_fresh_work(tmp_path: Path) -> None:
    now = [0.0]
    round_ = Round(1, 1, [(i, i + 1) for i in range(2000)])

    def claims(name: str) -> Claims:
        presence = Presence(tmp_path, WorkerInfo(worker=name), 60, clock=lambda: now[0])
        presence.announce()
        return Claims(tmp_path / "claims", round_, presence)

    names = [f"w{i}" for i in range(300)]
    each = [claims(name) for name in names]
    held = [worker.claim() for worker in each]
    dead = next(i for i, lease in enumerate(held) if lease is not None and lease.batch == 200)
    now[0] = 100.0
    for i, worker in enumerate(each):
        if i != dead:
            worker._presence.beat()
    found = []
    for i, worker in enumerate(each * 4):
        if i % len(each) != dead and (lease := worker.claim()) and lease.batch == 200:
            found.append(i)
            break
    assert found, "nobody looked at the dead worker's batch, though 1,200 claims were made"


def test_a_trial_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    opening.prepare(write(tmp_path, fake(1, epochs=1)))
    sweep, now = open_sweep(tmp_path / "sweep"), [0.0]
    for life in range(3):
        feed, presence = feed_of(sweep, f"w{life}", now)
        item = feed.next()
        assert item is not None
        assert item.deaths == life
        presence.announce(trials=[item.planned.id], marks={item.planned.id: item.mark})
        now[0] += 100.0
    loop = _Loop(sweep, Worker(str(sweep.path), "001bbbbb"))
    loop.presence = feed_of(sweep, "last", now)[1]
    loop.feed = Feed(sweep, loop.presence)
    loop.slots = [loop._slot()]
    loop._fill()
    assert not loop.running
    (record,) = gather(sweep).records
    assert record["status"] == "lost"
    assert "3 workers died at the trial" in record["message"]
    loop.shard.close()


def test_deaths_do_not_count_against_a_trial_that_gets_further(tmp_path: Path) -> None:
    opening.prepare(write(tmp_path, fake(1, epochs=1)))
    sweep, now = open_sweep(tmp_path / "sweep"), [0.0]
    for life in range(5):
        feed, presence = feed_of(sweep, f"w{life}", now)
        item = feed.next()
        assert item is not None
        assert item.deaths == 0
        presence.announce(trials=[item.planned.id], marks={item.planned.id: item.mark})
        checkpoint = sweep.path / "checkpoints" / item.planned.id / "checkpoint"
        checkpoint.parent.mkdir(exist_ok=True)
        checkpoint.write_text("x")
        os.utime(checkpoint, (life + 1, life + 1))
        now[0] += 100.0


def test_trials_share_a_device_only_with_as_many_as_each_allows(tmp_path: Path) -> None:
    loop = SimpleNamespace(running={}, feed=SimpleNamespace(slots=lambda item: item))
    four, two = Round(1, 4, []), Round(2, 2, [])

    def fits(round_: Round, *running: int) -> bool:
        loop.running = {i: SimpleNamespace(item=slots) for i, slots in enumerate(running)}
        return _Loop._fits(loop, round_)

    assert fits(four, 4, 4, 4)
    assert not fits(four, 4, 4, 4, 4)
    assert fits(two, 4)
    assert not fits(two, 4, 4)
    # A trial that ran out of memory among four now shares with one other, whatever that one is.
    assert fits(four, 2)
    assert not fits(four, 2, 4)


def test_an_epoch_may_end_within_the_warning() -> None:
    assert patience("signal", 1200) == 1185
    assert patience("signal", 10) == 5  # a requeue has to be asked for before the end
    assert patience("stop", 1200) == 60


def test_a_record_is_on_the_disk_before_its_trial_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening.prepare(write(tmp_path, fake(1, epochs=1)))
    sweep = open_sweep(tmp_path / "sweep")
    happened: list[str] = []
    real = {name: getattr(os, name) for name in ("write", "fsync", "rename")}

    def kind(handle: int) -> str:
        return Path(f"/proc/self/fd/{handle}").readlink().suffix or "folder"

    def write_(handle: int, data: bytes) -> int:
        if kind(handle) == ".jsonl":
            happened.append("write")
        return real["write"](handle, data)

    def fsync(handle: int) -> None:
        happened.append(f"sync {kind(handle)}")
        real["fsync"](handle)

    def rename(source: str, target: str) -> None:
        if str(target).endswith(".done"):
            happened.append("done")
        real["rename"](source, target)

    monkeypatch.setattr("os.write", write_)
    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr("os.rename", rename)
    Worker(str(sweep.path), "000aaaaa", isolate=False)()
    # The name of the new shard, then the line in it, and only then the claim says done.
    assert happened == ["sync folder", "write", "sync .jsonl", "done"]


def test_a_line_that_a_full_disk_tore_does_not_spoil_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = Shard(tmp_path / "a.jsonl")
    shard.append({"trial_id": "1"})
    real = os.write

    def half(handle: int, data: bytes) -> int:
        if len(data) < 8:
            raise OSError(28, "No space left on device")
        return real(handle, data[: len(data) // 2])

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("os.write", half)
        patch.setattr("os.ftruncate", refuse)
        with pytest.raises(OSError, match="No space"):
            shard.append({"trial_id": "2"})
    shard.append({"trial_id": "3"})
    shard.append({"trial_id": "4"})
    shard.close()
    found = []
    for line in read_lines(tmp_path / "a.jsonl")[0]:
        try:
            found.append(json.loads(line)["trial_id"])
        except ValueError:
            assert line.startswith(b'{"trial')
    assert found == ["1", "3", "4"]


def test_time_of_interrupted_lives_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path, fake(1, epochs=10, epoch_seconds=0.2, options=holding(tmp_path)))
    opening.prepare(path)
    directory = tmp_path / "sweep"
    first = start_worker(directory, 0)
    wait_until(lambda: checkpoints(directory) == [9], what="the checkpoint before the last epoch")
    # SLURM sends its signals to every process of a job; the one with the trial leaves them to the worker.
    for number in (signal.SIGUSR2, signal.SIGTERM):
        os.kill(child_of(first), number)
    first.send_signal(signal.SIGTERM)
    assert first.wait(200) == 0
    assert "died" not in (directory / "logs" / "0.out").read_text()
    assert any((directory / "checkpoints").glob("*/seconds"))
    let_go(tmp_path)
    assert start_worker(directory, 1).wait(200) == 0
    (record,) = gather(open_sweep(directory)).records
    assert record["provenance"]["began_at_epoch"] == 9
    assert record["provenance"]["seconds"] >= 10 * 0.2


class Timeless:
    """Trains while somebody sets the clock."""

    def run(self, trial: Trial, **_: Any) -> dict[str, Any]:
        right = time.time
        time.time = lambda: right() - 3600.0
        return make_record(trial, min_test_top1=1.0)


def test_a_clock_that_is_set_changes_no_durations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", time.time)
    backend = f"{__name__}:Timeless"
    operations.run(write(tmp_path, fake(1, backend=backend)), cluster="debug")
    (record,) = gather(open_sweep(tmp_path / "sweep")).records
    assert 0 <= record["provenance"]["seconds"] < 60


def test_a_death_by_any_signal_has_a_name() -> None:
    assert cause(3) == "exit code 3"
    assert cause(-signal.SIGSEGV) == "signal SIGSEGV"
    assert cause(-signal.SIGRTMIN - 2) == f"signal {signal.SIGRTMIN + 2}"


def test_a_silent_disk_is_an_error_not_a_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening.prepare(write(tmp_path, fake(1, epochs=1)))
    feed, _ = feed_of(Sweep(tmp_path / "sweep"), "a", [0.0])
    item = feed.next()
    assert item is not None

    def stale(*_: object, **__: object) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr("os.stat", stale)
    with pytest.raises(OSError, match="Stale"):
        feed.holds(item)
