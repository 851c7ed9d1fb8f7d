"""How far a sweep is: counted from the record shards, only what is new since the last look."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edfstat.population import STATUSES
from submit import scheduler
from submit.directory import Sweep, write_atomically
from submit.headway import Headway, headway
from submit.launching import launches, living_workers, starting
from submit.presence import read_worker
from submit.shards import Stub, read_lines

__all__ = ["Status", "Tally", "duration", "read_status", "status_lines", "status_rows"]

CACHE = "status.cache"
#: Running trials whose epochs are looked at.
MOST_LOOKS = 50
#: Bytes of room under which a disk counts as full.
LITTLE_ROOM = 1_000_000


class _Kept(msgspec.Struct):
    """The tally as kept between two looks."""

    offsets: dict[str, int]
    outcome: bytes
    attempt: bytes
    seconds: bytes
    gpus: bytes
    duplicates: int = 0


class Tally:
    """Outcome of every trial so far. `update` reads only what the shards gained."""

    def __init__(self, sweep: Sweep) -> None:
        self._begin(sweep)

    def _begin(self, sweep: Sweep) -> None:
        self.sweep = sweep
        #: Index into `STATUSES` of each trial's newest attempt, -1 where there is none.
        self.outcome: NDArray[np.int8] = np.full(sweep.size, -1, dtype=np.int8)
        self.attempt: NDArray[np.int32] = np.zeros(sweep.size, dtype=np.int32)
        #: Time spent on each trial, all its attempts.
        self.seconds: NDArray[np.float64] = np.zeros(sweep.size)
        self.gpus: NDArray[np.float64] = np.zeros(sweep.size)
        self.duplicates = 0
        self._offsets: dict[str, int] = {}
        self._wanted: NDArray[np.int32] | None = None
        self._rounds = 0

    @classmethod
    def kept(cls, sweep: Sweep) -> Tally:
        """The tally that the last look kept, if it still fits the sweep, else an empty one."""
        tally = cls(sweep)
        try:
            kept = msgspec.msgpack.decode((sweep.path / CACHE).read_bytes(), type=_Kept)
            arrays = {
                name: np.frombuffer(getattr(kept, name), dtype=getattr(tally, name).dtype).copy()
                for name in ("outcome", "attempt", "seconds", "gpus")
            }
            sizes = {p.name: p.stat().st_size for p in (sweep.path / "records").glob("[!.]*.jsonl")}
        except (OSError, ValueError, msgspec.MsgspecError):
            return tally
        whole = all(array.size == sweep.size for array in arrays.values())
        if whole and all(sizes.get(name, -1) >= offset for name, offset in kept.offsets.items()):
            tally._offsets, tally.duplicates = kept.offsets, kept.duplicates
            for name, array in arrays.items():
                setattr(tally, name, array)
        return tally

    def keep(self) -> None:
        """Store the tally for the next look; a sweep that cannot be written is read anew each time."""
        arrays = {name: getattr(self, name).tobytes() for name in ("outcome", "attempt", "seconds", "gpus")}
        with suppress(OSError):
            write_atomically(
                self.sweep.path / CACHE,
                msgspec.msgpack.encode(_Kept(self._offsets, **arrays, duplicates=self.duplicates)),
            )

    def update(self) -> int:
        """Count what is new; returns how many records that were. Of a sweep that grew everything is new."""
        if self.sweep.has_grown():
            self._begin(Sweep(self.sweep.path))
        decoder = msgspec.json.Decoder(Stub)
        new = 0
        for path in (self.sweep.path / "records").glob("[!.]*.jsonl"):
            start = self._offsets.get(path.name, 0)
            if path.stat().st_size <= start:
                continue
            lines, self._offsets[path.name] = read_lines(path, start)
            for line in lines:
                with suppress(msgspec.MsgspecError):
                    new += self._count(decoder.decode(line))
        return new

    def _count(self, stub: Stub) -> bool:
        index = self.sweep.index_of(stub.trial_id)
        if index is None or stub.status not in STATUSES:
            return False
        self.seconds[index] += stub.provenance.seconds
        self.gpus[index] += stub.provenance.seconds * stub.provenance.gpus
        if stub.provenance.attempt <= self.attempt[index]:
            self.duplicates += stub.provenance.attempt == int(self.attempt[index])
            return False
        self.outcome[index] = STATUSES.index(stub.status)
        self.attempt[index] = stub.provenance.attempt
        return True

    def finished(self) -> NDArray[np.bool_]:
        """Which trials need no more work: their newest wanted attempt has a record."""
        number = len(self.sweep.round_files())
        if self._wanted is None or number != self._rounds:
            self._wanted = np.ones(self.sweep.size, dtype=np.int32)
            for round_ in self.sweep.rounds()[1:]:
                self._wanted[round_.trials or []] = round_.attempt
            self._rounds = number
        done: NDArray[np.bool_] = self.attempt >= self._wanted
        return done


@dataclass
class Status:
    """A sweep at one moment. Times in seconds."""

    name: str
    total: int
    finished: int
    running: int
    by_status: dict[str, int]
    workers: int
    #: Those that wait in a queue or have just been started; None while the scheduler does not answer.
    queued_workers: int | None
    elapsed: float
    left: float | None
    images_per_second: float
    gpu_hours: float
    gpu_hours_left: float | None
    #: Hours of training, whatever the device.
    hours: float
    hours_left: float | None
    duplicates: int
    #: Bytes that the sweep's file system has room for.
    disk_free: int | None = None
    running_trials: list[str] = field(default_factory=list)
    #: Epochs of running trials that are done, of how many, as long as no trial has finished.
    epochs: dict[str, tuple[int, int]] = field(default_factory=dict)
    #: Why workers of the last launch ended before any trial could run where they were.
    problems: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return self.finished == self.total

    @property
    def disk_full(self) -> bool:
        """Whether there may be no room for a record and a checkpoint more."""
        return self.disk_free is not None and self.disk_free < LITTLE_ROOM

    @property
    def failed(self) -> int:
        return sum(count for name, count in self.by_status.items() if name not in ("ok", "diverged"))

    def to_dict(self) -> Mapping[str, Any]:
        return {
            **asdict(self),
            "complete": self.complete,
            "failed": self.failed,
            "queued": self.total - self.finished - self.running,
        }


def read_status(sweep: Sweep, tally: Tally | None = None, *, ask_scheduler: bool = True) -> Status:
    """Status of a sweep, from what is on disk and at most one question a minute to the scheduler.

    Parameters
    ----------
    sweep : Sweep
    tally : Tally, optional
        One to go on with; default: the one kept in the directory.
    ask_scheduler : bool, default True
    """
    if tally is None:
        tally = Tally.kept(sweep)
        if tally.update():
            tally.keep()
    else:
        tally.update()
    sweep = tally.sweep
    living = [info for name in living_workers(sweep) if (info := read_worker(sweep.path / "workers" / f"{name}.json"))]
    done = tally.finished()
    running = [t for info in living for t in info.trials if (i := sweep.index_of(t)) is not None and not done[i]]
    # A look-up trains nothing, and what failed may not have.
    trained = done & (tally.outcome <= STATUSES.index("diverged")) & (sweep.config.backend != "lookup")
    spent = float(tally.seconds.sum())
    rest, begun = _rest(tally, done, running)
    places = max(1, min(len(living) * sweep.config.trials_per_worker, int((~done).sum())))
    known = launches(sweep)
    return Status(
        name=sweep.name,
        total=sweep.size,
        finished=int(done.sum()),
        running=len(running),
        by_status={
            name: count for code, name in enumerate(STATUSES) if (count := int(((tally.outcome == code) & done).sum()))
        },
        workers=len(living),
        queued_workers=_queued(sweep, len(living)) if ask_scheduler and not done.all() else 0,
        elapsed=time.time() - known[-1].created if known else 0.0,
        left=0.0 if done.all() else rest / places if rest is not None and living else None,
        images_per_second=float(sweep.table["images"][trained].sum()) / spent * min(places, max(1, len(running)))
        if spent
        else 0.0,
        gpu_hours=float(tally.gpus.sum()) / 3600,
        gpu_hours_left=None if rest is None else rest / 3600 * float(tally.gpus.sum()) / spent if spent else None,
        hours=spent / 3600,
        hours_left=None if rest is None else rest / 3600,
        duplicates=tally.duplicates,
        epochs={trial: (found.epoch, found.epochs) for trial, found in begun.items()},
        disk_free=_disk_free(sweep),
        running_trials=running,
        problems=[] if done.all() or not known else _problems(sweep, known[-1].id),
    )


def _rest(tally: Tally, done: NDArray[np.bool_], running: list[str]) -> tuple[float | None, dict[str, Headway]]:
    """Seconds that the trials which are left will take, and the epochs of those that run where these had to tell."""
    sweep, cost = tally.sweep, tally.sweep.table["cost"]
    behind, ahead = float(cost[done].sum()), float(cost[~done].sum())
    if behind > 0:
        return float(tally.seconds.sum()) / behind * ahead, {}
    begun = {trial: found for trial in running[:MOST_LOOKS] if (found := headway(sweep, trial))}
    return _rest_by_epochs(sweep, ahead, begun), begun


def _rest_by_epochs(sweep: Sweep, cost: float, begun: Mapping[str, Headway]) -> float | None:
    """Seconds for trials of that cost, by the epochs of those that run, before any has finished."""
    costs = {trial: float(sweep.table["cost"][sweep.index_of(trial)]) for trial in begun}
    behind = sum(costs[trial] * found.share for trial, found in begun.items())
    if behind <= 0:
        return None
    return sum(found.seconds for found in begun.values()) / behind * (cost - behind)


def _problems(sweep: Sweep, launch: str) -> list[str]:
    """What workers of a launch said that their machines lack, each once."""
    said = [read_worker(path) for path in sorted((sweep.path / "workers").glob(f"{launch}-*.json"))]
    return list(dict.fromkeys(info.problem for info in said if info is not None and info.problem))


def _disk_free(sweep: Sweep) -> int | None:
    try:
        return shutil.disk_usage(sweep.path).free
    except OSError:
        return None


def _queued(sweep: Sweep, working: int) -> int | None:
    """Workers that the scheduler has and that do not work yet: seconds pass from a job's start to its first sign."""
    known = launches(sweep)
    if known and known[-1].cluster == "local":
        return starting(sweep, known[-1])
    names = [each.job_name for each in known if each.cluster == "slurm"]
    if not names or not scheduler.slurm_is_here():
        return 0
    jobs = scheduler.queue(sweep.path / "launches", names)
    if jobs is None:
        return None
    # The answer may be a minute old, and what it calls waiting at work by now.
    return max(0, sum(job.state != "COMPLETING" for job in jobs) - working)


def status_lines(status: Status) -> list[str]:
    """The status in words, one thing a line."""
    return [f"{name:<10} {text}" for name, text in status_rows(status)]


def status_rows(status: Status) -> Iterator[tuple[str, str]]:
    """What a status says, each thing with its name."""
    yield "sweep", status.name
    queued = status.total - status.finished - status.running
    yield "trials", f"{status.total}: {status.finished} finished, {status.running} running, {queued} queued"
    yield "finished", ", ".join(f"{count} {name}" for name, count in status.by_status.items()) or "none"
    yield "workers", f"{status.workers} at work, {_waiting(status.queued_workers)}"
    if status.images_per_second:
        yield "speed", f"{status.images_per_second:,.0f} training images/s"
    if status.epochs:
        yield "epochs", f"{_epochs(status.epochs)} of those that run"
    yield "training", _hours(status.hours, status.hours_left, "hours of trials")
    if status.gpu_hours:
        yield "GPU hours", _hours(status.gpu_hours, status.gpu_hours_left, "spent")
    if status.disk_full and not status.complete:
        yield "disk", f"{(status.disk_free or 0) / 1e6:.1f} MB free: workers wait until there is room"
    if status.complete:
        yield "done", "every trial has its record"
    elif status.left is not None:
        end = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + status.left))
        yield "time left", f"about {duration(status.left)}, until {end}"
    yield from (("problem", problem) for problem in status.problems)
    if status.duplicates:
        yield "duplicates", f"{status.duplicates} records of trials that had one (the first counts)"


def _epochs(found: Mapping[str, tuple[int, int]]) -> str:
    """Such as 3/100 to 12/100."""
    ends = sorted(found.values(), key=lambda pair: pair[0] / pair[1])
    return " to ".join(dict.fromkeys(f"{done}/{of}" for done, of in (ends[0], ends[-1])))


def _hours(spent: float, left: float | None, unit: str) -> str:
    return f"{spent:.2f} {unit}" + (f", about {left:.2f} left" if left else "")


def _waiting(queued: int | None) -> str:
    return "the scheduler does not answer" if queued is None else f"{queued} waiting or starting"


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    Examples
    --------
    >>> duration(42), duration(200), duration(7500), duration(200000)
    ('42 s', '3 min 20 s', '2 h 5 min', '2 d 7 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
