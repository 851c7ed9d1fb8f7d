"""The worker: what submitit runs on the cluster, many times over, all the same."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from submitit.helpers import DelayedSubmission

from edfstat.records import make_record
from submit.directory import Round, Sweep, open_sweep
from submit.feed import Feed, Item
from submit.presence import Presence, WorkerInfo, machine, process_start
from submit.running import ChildSlot, InlineSlot, Messages, Outcome, Slot
from submit.shards import DISK_WAIT, FULL, new_shard
from submit.signals import cause, flagged_signals, patience
from submit.surroundings import add_sizes, child_environment, device, job_id, log_name, on_slurm, origin, show_gpus
from trainers.mps import SHARING, shared_gpu

__all__ = ["Worker"]

#: Deaths of the process after which a trial counts as failed.
MOST_DEATHS = 3
#: What a retry goes on with from its checkpoint.
RESUMABLE = ("oom", "timeout", "lost")
#: Beside a checkpoint: the seconds that it took to get there.
SPENT = "seconds"
#: Errors of a full disk or quota, and of one that will be back.
HUNG = (*FULL, errno.EIO, errno.ESTALE)
#: Seconds between two looks for a request to stop: a thousand workers share one file server.
STOP_WAIT = 1.0
#: Longest time between two looks for work while there is none to be had.
IDLE_WAIT = 10.0


@dataclass
class Worker:
    """One worker of a sweep; submitit calls it, and again after each requeue.

    Parameters
    ----------
    directory : str
        The sweep directory.
    launch : str
        Identifier of the launch that it belongs to.
    index : int
        Number within the launch.
    isolate : bool
        Whether trials run in child processes.
    """

    directory: str
    launch: str
    index: int = 0
    isolate: bool = True

    def __call__(self) -> dict[str, Any]:
        show_gpus()
        return _Loop(open_sweep(Path(self.directory)), self).run()

    def checkpoint(self) -> DelayedSubmission:
        """How submitit goes on after preemption or time-out: the same again, everything is on disk."""
        return DelayedSubmission(self)


@dataclass
class _Running:
    item: Item
    #: When it began, by the monotonic clock.
    since: float
    #: Number of the run in its slot.
    run: int = 0


@dataclass
class _Loop:
    sweep: Sweep
    worker: Worker
    reason: str = ""
    #: What this machine lacks.
    problem: str = ""
    done: int = 0
    running: dict[int, _Running] = field(default_factory=dict)
    deaths: dict[str, int] = field(default_factory=dict)
    #: When to look again for a request to stop, and for work, by the monotonic clock; looks in vain so far.
    stop_look: float = 0.0
    work_look: float = 0.0
    vain: int = 0

    def __post_init__(self) -> None:
        config = self.sweep.config
        # By the monotonic clock, as all that is measured here: the other one may be set meanwhile.
        self.limit = config.resources.time * 60 if on_slurm() else float("inf")
        self.deadline = time.monotonic() + self.limit - config.resources.warning
        self.messages: Messages = SimpleQueue()
        # Each incarnation of a worker has a shard of its own.
        self.shard, name = new_shard(self.sweep.folder("records"), f"{self.worker.launch}-{self.worker.index:04d}")
        info = WorkerInfo(
            worker=name,
            launch=self.worker.launch,
            job=job_id(),
            host=socket.gethostname(),
            machine=machine(),
            pid=os.getpid(),
            started=process_start(os.getpid()),
        )
        self.presence = Presence(self.sweep.folder("workers"), info, config.lease)
        self.presence.announce()
        self.feed = Feed(self.sweep, self.presence, self.limit)
        self.slots: list[Slot] = []

    def _slot(self) -> Slot:
        backend = self.sweep.config.backend
        if self.worker.isolate:
            return ChildSlot(backend, self.messages, child_environment(self.sweep))
        return InlineSlot(backend, self.messages, self._asked_to_stop)

    # The loop -----------------------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        signals = flagged_signals(self._flag) if self.worker.isolate else nullcontext(lambda: None)
        with signals as resubmit:
            try:
                # It can take half a minute, so the worker has shown itself before.
                with self._shared_gpu():
                    self._train()
            finally:
                with suppress(OSError):
                    self.feed.release()
                self.presence.announce(state="ended", trials=[], problem=self.problem)
                self.shard.close()
            _say(f"worker {self.presence.worker} ends: {self.reason}; {self.done} trials recorded")
            if self.reason in ("signal", "time") and self.feed.outstanding():
                resubmit()
        return {"worker": self.presence.worker, "recorded": self.done, "reason": self.reason}

    @contextmanager
    def _shared_gpu(self) -> Iterator[None]:
        several = self.worker.isolate and self.sweep.config.trials_per_worker > 1
        with shared_gpu(several and self.sweep.config.resources.gpus > 0) as state:
            if state != "not wanted":
                how = f"through MPS ({state})" if state in SHARING else f"in turns, without MPS: {state}"
                _say(f"up to {self.sweep.config.trials_per_worker} trials share a GPU {how}")
            yield

    def _train(self) -> None:
        # Made now, as their processes learn from the environment how the GPU is shared.
        self.slots = [self._slot() for _ in range(self.sweep.config.trials_per_worker if self.worker.isolate else 1)]
        try:
            self._work()
            self._wind_down()
        finally:
            for slot in self.slots:
                slot.close()

    def _work(self) -> None:
        idle_since: float | None = None
        while not self._asked_to_stop():
            looked = self._fill()
            if self.running:
                idle_since = None
            elif self._out_of_time():
                self.reason = self.reason or "time"
                return
            else:
                idle_since = idle_since or time.monotonic()
                if looked and not self.feed.outstanding():
                    self.reason = "done"
                    return
                # Others still work; one of them may die, so stay for a lease before leaving it to them.
                if time.monotonic() - idle_since > 1.2 * self.sweep.config.lease:
                    self.reason = "idle"
                    return
            self._listen(0.2)
            self._end_overdue()

    def _beat(self) -> None:
        """Sign of life; after a silence in which others took trials over, those are theirs."""
        if self.presence.overslept():
            with suppress(OSError):  # the disk hangs still: looked at again before a record is written
                self._leave_what_was_taken_over()
        self.presence.beat_if_due()

    def _leave_what_was_taken_over(self) -> None:
        for slot in self.slots:
            running = self.running.get(id(slot))
            if running is not None and not self.feed.holds(running.item):
                del self.running[id(slot)]
                slot.close()
                self._give_up(running.item)

    def _fill(self) -> bool:
        """Begin trials where there is room; returns whether that was looked for and none is to be had now."""
        if time.monotonic() < self.work_look:
            return False
        for place, slot in enumerate(self.slots):
            if id(slot) in self.running:
                continue
            try:
                item = self.feed.next(self.deadline - time.monotonic(), self._fits)
            except OSError as error:
                self._wait_for_disk(error)
                return False
            if item is None:
                self.vain += 1
                wait = min(0.5 * self.vain, IDLE_WAIT, self.sweep.config.lease / 10)
                self.work_look = time.monotonic() + wait
                return True
            self.vain = 0
            if item.deaths >= MOST_DEATHS:
                message = f"{item.deaths} workers died at the trial without getting it further"
                lost = make_record(item.planned.to_trial(), status="lost", message=message)
                self._record(_Running(item, time.monotonic()), lost)
                continue
            begun = self.running[id(slot)] = _Running(item, time.monotonic())
            items = [running.item for running in self.running.values()]
            marks = {each.planned.id: each.mark for each in items}
            self.presence.announce(trials=list(marks), marks=marks, since=time.time())
            _say(f"trial {item.planned.id[:12]} begins ({item.planned.trial['space']})")
            begun.run = slot.start(
                item.planned.to_trial(), self._directory(item), device(self.sweep, self.worker.index, place)
            )
        return False

    def _fits(self, round_: Round) -> bool:
        """Whether a trial of that round may run beside what runs: none shares with more than its round allows."""
        most = [round_.slots, *(self.feed.slots(running.item) for running in self.running.values())]
        return len(self.running) < min(most)

    def _listen(self, seconds: float) -> None:
        try:
            slot, run, outcome = self.messages.get(timeout=seconds)
        except Empty:
            return
        running = self.running.get(id(slot))
        if running is not None and running.run == run:
            del self.running[id(slot)]
            self._settle(slot, running, outcome)

    def _settle(self, slot: Slot, running: _Running, outcome: Outcome) -> None:
        item, kind = running.item, outcome["kind"]
        self.work_look = 0.0  # its place is free
        if kind == "record" and outcome["record"]["status"] == "error" and self.reason in ("signal", "term"):
            # The signal reached helpers of the trial as well: what broke now is not the trial's fault.
            kind = "interrupted"
        if kind == "interrupted":
            with suppress(OSError):
                (self._directory(item) / SPENT).write_text(f"{self._spent(running):.3f}", encoding="ascii")
            self.feed.put_back(item)
        elif kind == "unready":
            self.feed.put_back(item)
            self.reason, self.problem = "unready", outcome["message"]
            _say(f"no trial can run here: {self.problem}")
        elif kind == "trouble":
            self.feed.put_back(item)
            self._wait_for_disk(outcome["message"])
        elif kind == "death":
            self._settle_death(running, int(outcome["code"]))
        else:
            self._record(running, outcome["record"])

    def _settle_death(self, running: _Running, code: int) -> None:
        item = running.item
        count = self.deaths[item.planned.id] = self.deaths.get(item.planned.id, 0) + 1
        _say(f"trial {item.planned.id[:12]}: its process died ({cause(code)}), {count} of {MOST_DEATHS} times")
        if count < MOST_DEATHS:
            self.feed.put_back(item)
            return
        status = "oom" if code == -signal.SIGKILL else "error"
        message = f"the process of the trial died {count} times: {cause(code)}; log: {log_name()}"
        self._record(running, make_record(item.planned.to_trial(), status=status, message=message))

    def _record(self, running: _Running, record: dict[str, Any]) -> None:
        """Make a record durable, then count its trial as done."""
        item, seconds = running.item, self._spent(running)
        add_sizes(record, item.planned)
        gpus = self.sweep.config.resources.gpus / max(1, len(self.slots))
        own = {"attempt": item.attempt, "worker": self.presence.worker, "seconds": round(seconds, 3), "gpus": gpus}
        record["provenance"] = {**(record.get("provenance") or {}), **own, **origin()}
        while True:
            try:
                if not self.feed.holds(item):
                    self._give_up(item)
                    return
                if not self.feed.recorded_before(item):
                    self.shard.append(record)
                break
            except OSError as error:
                self._wait_for_disk(error)
                if self._asked_to_stop():
                    self.feed.put_back(item)
                    return
        self.done += 1
        if not self.sweep.config.storage.keep_checkpoints and record["status"] not in RESUMABLE:
            shutil.rmtree(self._directory(item), ignore_errors=True)
        with suppress(OSError):
            self.feed.finished(item, seconds)
        best = record.get("min_test_top1")
        reached = "no error" if best is None else f"{best} %"
        _say(f"trial {item.planned.id[:12]} {record['status']}: {reached}, {seconds:.1f} s")

    def _give_up(self, item: Item) -> None:
        _say(f"trial {item.planned.id[:12]} was taken over by another worker; not recorded here")
        self.feed.lost(item)

    def _spent(self, running: _Running) -> float:
        """Seconds that a trial has taken, earlier workers that gave it back included."""
        before = 0.0
        with suppress(OSError, ValueError):
            before = float((self._directory(running.item) / SPENT).read_text(encoding="ascii"))
        return before + time.monotonic() - running.since

    # Ends ---------------------------------------------------------------------------------------------------

    def _asked_to_stop(self) -> bool:
        self._beat()
        if not self.reason and time.monotonic() > self.stop_look:
            self.stop_look = time.monotonic() + STOP_WAIT
            if self.sweep.stop_file(self.worker.launch).exists():
                self.reason = "stop"
        return self.reason in ("stop", "signal", "term", "unready")

    def _out_of_time(self) -> bool:
        return time.monotonic() > self.deadline or self.feed.declined

    def _wind_down(self) -> None:
        """Let running trials save their checkpoints, and record those that end now."""
        for slot in self.slots:
            if id(slot) in self.running:
                slot.stop()
        end = time.monotonic() + patience(self.reason, self.sweep.config.resources.warning)
        while self.running and time.monotonic() < end:
            self._listen(0.2)
            self._beat()

    def _end_overdue(self) -> None:
        limit = self.sweep.config.trial_timeout
        for slot in self.slots:
            running = self.running.get(id(slot))
            if limit is None or running is None or time.monotonic() - running.since < limit * 60:
                continue
            slot.close()
            del self.running[id(slot)]
            message = f"the trial took longer than trial_timeout, {limit:g} min"
            self._record(running, make_record(running.item.planned.to_trial(), status="timeout", message=message))

    def _wait_for_disk(self, error: OSError | str) -> None:
        if isinstance(error, OSError) and error.errno not in HUNG:
            raise error
        _say(f"the sweep directory cannot be written ({error}); waiting")
        self._beat()
        time.sleep(DISK_WAIT)

    def _flag(self, reason: str) -> None:
        self.reason = self.reason if self.reason in ("stop", "signal", "term") else reason

    def _directory(self, item: Item) -> Path:
        return self.sweep.path / "checkpoints" / item.planned.id


def _say(text: str) -> None:
    with suppress(OSError):
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)  # noqa: T201 - the worker's log
