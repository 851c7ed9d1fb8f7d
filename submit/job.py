"""The worker: what submitit runs on the cluster, many times over, all the same."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from submitit.helpers import DelayedSubmission

from edfstat.records import make_record
from submit.directory import Sweep, open_sweep
from submit.feed import Feed, Item
from submit.presence import Presence, WorkerInfo, machine, process_start
from submit.running import ChildSlot, InlineSlot, Messages, Outcome, Slot
from submit.shards import Shard

__all__ = ["Worker"]

#: Deaths of the process after which a trial counts as failed.
MOST_DEATHS = 3
#: Seconds between two looks at the disk while it is full.
DISK_WAIT = 2.0


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
        return _Loop(open_sweep(Path(self.directory)), self).run()

    def checkpoint(self) -> DelayedSubmission:
        """How submitit goes on after preemption or time-out: the same again, everything is on disk."""
        return DelayedSubmission(self)


@dataclass
class _Running:
    item: Item
    since: float
    deaths: int = 0


@dataclass
class _Loop:
    sweep: Sweep
    worker: Worker
    reason: str = ""
    done: int = 0
    running: dict[int, _Running] = field(default_factory=dict)
    deaths: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.sweep.config
        self.started = time.time()
        self.limit = config.resources.time * 60 if os.environ.get("SLURM_JOB_ID") else float("inf")
        self.deadline = self.started + self.limit - config.resources.warning
        self.messages: Messages = SimpleQueue()
        self.shard, name = _new_shard(self.sweep, self.worker)
        info = WorkerInfo(
            worker=name,
            launch=self.worker.launch,
            job=_job_id(),
            host=socket.gethostname(),
            machine=machine(),
            pid=os.getpid(),
            started=process_start(os.getpid()),
        )
        self.presence = Presence(self.sweep.folder("workers"), info, config.lease)
        self.presence.announce()
        self.feed = Feed(self.sweep, self.presence, self.limit)
        self.slots = [self._slot() for _ in range(config.trials_per_worker if self.worker.isolate else 1)]

    def _slot(self) -> Slot:
        backend = self.sweep.config.backend
        if self.worker.isolate:
            return ChildSlot(backend, self.messages, _child_environment(self.sweep))
        return InlineSlot(backend, self.messages, self._asked_to_stop)

    # The loop -----------------------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        with self._signals() as resubmit:
            try:
                self._work()
                self._wind_down()
            finally:
                for slot in self.slots:
                    slot.close()
                with suppress(OSError):
                    self.feed.release()
                self.presence.announce(state="ended", trials=[])
                self.shard.close()
            _say(f"worker {self.presence.worker} ends: {self.reason}; {self.done} trials recorded")
            if self.reason in ("signal", "time") and self.feed.outstanding():
                resubmit()
        return {"worker": self.presence.worker, "recorded": self.done, "reason": self.reason}

    def _work(self) -> None:
        idle_since: float | None = None
        while not self._asked_to_stop():
            self._fill()
            if self.running:
                idle_since = None
            elif self._out_of_time():
                self.reason = self.reason or "time"
                return
            else:
                idle_since = idle_since or time.monotonic()
                if not self.feed.outstanding():
                    self.reason = "done"
                    return
                # Others still work; one of them may die, so stay for a lease before leaving it to them.
                if time.monotonic() - idle_since > 1.2 * self.sweep.config.lease:
                    self.reason = "idle"
                    return
            self._listen(0.2 if self.running else 1.0)
            self._end_overdue()
            self.presence.beat_if_due()

    def _fill(self) -> None:
        for slot in self.slots:
            if id(slot) in self.running:
                continue
            try:
                item = self.feed.next(self.deadline - time.time(), lambda r: len(self.running) < r.slots)
            except OSError as error:
                self._wait_for_disk(error)
                return
            if item is None:
                return
            self.running[id(slot)] = _Running(item, time.time())
            self.presence.announce(trials=[r.item.planned.id for r in self.running.values()], since=time.time())
            _say(f"trial {item.planned.id[:12]} begins ({item.planned.trial['space']})")
            slot.start(item.planned.to_trial(), self._directory(item), self._device())

    def _listen(self, seconds: float) -> None:
        try:
            slot, outcome = self.messages.get(timeout=seconds)
        except Empty:
            return
        running = self.running.pop(id(slot), None)
        if running is not None:
            self._settle(slot, running, outcome)

    def _settle(self, slot: Slot, running: _Running, outcome: Outcome) -> None:
        item, kind = running.item, outcome["kind"]
        if kind == "interrupted":
            self.feed.put_back(item)
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
        _say(f"trial {item.planned.id[:12]}: its process died ({_cause(code)}), {count} of {MOST_DEATHS} times")
        if count < MOST_DEATHS:
            self.feed.put_back(item)
            return
        status = "oom" if code == -signal.SIGKILL else "error"
        message = f"the process of the trial died {count} times: {_cause(code)}; log: {_log_name()}"
        self._record(running, make_record(item.planned.to_trial(), status=status, message=message))

    def _record(self, running: _Running, record: dict[str, Any]) -> None:
        item = running.item
        seconds = time.time() - running.since
        for name in ("params", "flops", "acts"):
            if record.get(name) is None and getattr(item.planned, name) is not None:
                record[name] = getattr(item.planned, name)
        record["provenance"] = {
            **(record.get("provenance") or {}),
            "attempt": item.attempt,
            "worker": self.presence.worker,
            "job": _job_id(),
            "host": socket.gethostname(),
            "log": _log_name(),
            "seconds": round(seconds, 3),
            "gpus": self.sweep.config.resources.gpus / max(1, len(self.slots)),
            "ended": round(time.time(), 3),
        }
        while self.feed.holds(item):
            try:
                self.shard.append(record)
                break
            except OSError as error:
                self._wait_for_disk(error)
                if self._asked_to_stop():
                    self.feed.put_back(item)
                    return
        else:
            _say(f"trial {item.planned.id[:12]} was taken over by another worker; not recorded here")
            self.feed.lost(item)
            return
        self.done += 1
        if not self.sweep.config.storage.keep_checkpoints:
            shutil.rmtree(self._directory(item), ignore_errors=True)
        with suppress(OSError):
            self.feed.finished(item, seconds)
        _say(f"trial {item.planned.id[:12]} {record['status']}: {record.get('min_test_top1')} %, {seconds:.1f} s")

    # Ends ---------------------------------------------------------------------------------------------------

    def _asked_to_stop(self) -> bool:
        self.presence.beat_if_due()
        if not self.reason and (self.sweep.path / "launches" / f"{self.worker.launch}.stop").exists():
            self.reason = "stop"
        return self.reason in ("stop", "signal", "term")

    def _out_of_time(self) -> bool:
        return time.time() > self.deadline or self.feed.declined

    def _wind_down(self) -> None:
        """Let running trials save their checkpoints, and record those that end now."""
        for slot in self.slots:
            if id(slot) in self.running:
                slot.stop()
        end = time.monotonic() + min(self.sweep.config.resources.warning - 5, 60.0)
        while self.running and time.monotonic() < end:
            self._listen(0.2)
            self.presence.beat_if_due()

    def _end_overdue(self) -> None:
        limit = self.sweep.config.trial_timeout
        for slot in self.slots:
            running = self.running.get(id(slot))
            if limit is None or running is None or time.time() - running.since < limit * 60:
                continue
            slot.close()
            del self.running[id(slot)]
            message = f"the trial took longer than trial_timeout, {limit:g} min"
            self._record(running, make_record(running.item.planned.to_trial(), status="timeout", message=message))

    def _wait_for_disk(self, error: OSError | str) -> None:
        if isinstance(error, OSError) and error.errno not in (28, 122, 5, 116):
            raise error
        _say(f"the sweep directory cannot be written ({error}); waiting")
        self.presence.beat_if_due()
        time.sleep(DISK_WAIT)

    @contextmanager
    def _signals(self) -> Iterator[Callable[[], None]]:
        """Signals only set a flag: the loop ends where it is safe, and submitit's handler resubmits after it."""
        if not self.worker.isolate:
            yield lambda: None
            return
        name = signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
        submitits = signal.getsignal(name)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self._flag("term"))
        signal.signal(name, lambda *_: self._flag("signal"))
        yield lambda: submitits(name, None) if callable(submitits) else None

    def _flag(self, reason: str) -> None:
        self.reason = self.reason if self.reason in ("stop", "signal", "term") else reason

    def _directory(self, item: Item) -> Path:
        return self.sweep.path / "checkpoints" / item.planned.id

    def _device(self) -> str:
        count = len(list(Path("/dev").glob("nvidia[0-9]*")))
        shared = count > 1 and not os.environ.get("SLURM_JOB_ID") and self.sweep.config.resources.gpus
        return f"cuda:{self.worker.index % count}" if shared else "auto"


def _new_shard(sweep: Sweep, worker: Worker) -> tuple[Shard, str]:
    """A shard of this incarnation's own: files are never written by two."""
    number = 0
    while True:
        name = f"{worker.launch}-{worker.index:04d}-{number}"
        try:
            return Shard(sweep.folder("records") / f"{name}.jsonl"), name
        except FileExistsError:
            number += 1
        except OSError as error:
            if error.errno not in (28, 122):
                raise
            time.sleep(DISK_WAIT)


def _child_environment(sweep: Sweep) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SUBMITIT_")}
    threads = str(max(1, sweep.config.resources.cpus // sweep.config.trials_per_worker))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = threads
    code = sweep.path / "code"
    if code.is_dir():
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(code), environment.get("PYTHONPATH", "")]))
        environment["PYTHONSAFEPATH"] = "1"
    if os.environ.get("SUBMITIT_EXECUTOR") == "local" and not environment.get("CUDA_VISIBLE_DEVICES", "x"):
        # submitit's local executor hides every GPU unless one is asked for; here workers choose theirs.
        del environment["CUDA_VISIBLE_DEVICES"]
    return environment


def _job_id() -> str:
    if os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID") or os.environ.get("SUBMITIT_LOCAL_JOB_ID") or ""


def _log_name() -> str:
    return f"logs/{_job_id()}_0_log.out" if _job_id() else ""


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _say(text: str) -> None:
    with suppress(OSError):
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201 - the worker's log
