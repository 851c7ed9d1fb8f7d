"""Several trials at once on one device: each in a process of its own, so that one crash costs one trial."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import signal
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from edfstat.errors import InputError, TrialInterrupted
from edfstat.formats.places import home_path
from edfstat.records import make_record
from edfstat.trials import Trial
from trainers import devices, trial_folder
from trainers.loop import train
from trainers.memory import available_bytes, training_bytes
from trainers.mps import shared_gpu
from trainers.task import Task, check_seconds, prepare

__all__ = ["automatic_workers", "train_many"]

logger = logging.getLogger("trainers")

#: Memory of a GPU that a process takes before it trains, in bytes (estimated, not measured).
CONTEXT_BYTES = 2**30
#: Memory of the machine that a process takes before it trains, and how much more a training takes than is counted: see
#: `training_bytes`.
PROCESS_BYTES, SPARE = 2**29, 1.5
#: What a process says once it has started.
READY = "ready"
#: A captured step holds its memory beside that of the steps that warmed it up. An estimate for fp32: in bf16, a
#: ResNet-56 on an H200 reserved 0.70 GiB where 0.68 are counted.
CAPTURED = 2


def automatic_workers(device: str = "auto", task: Task | None = None, threads: int | None = None) -> int:
    """How many trials to run side by side.

    Parameters
    ----------
    device : str, default "auto"
        On a CPU as many as the cores have room for with the threads of each. On a GPU at most 8 of these. On both no
        more than the free memory holds.
    task : Task, optional
        The trial that takes the most memory. Default: on a GPU one that takes 1 GiB, on a CPU memory is not asked.
    threads : int, optional
        As for `train`.

    Returns
    -------
    int
        At least 1.
    """
    cores = max(1, devices.cores() // devices.thread_count(threads))
    where = devices.pick(device)
    if where.type == "cpu":
        if task is None or (room := available_bytes()) is None:
            return cores
        return max(1, min(cores, room // (PROCESS_BYTES + int(SPARE * training_bytes(task)))))
    free, _ = torch.cuda.mem_get_info(where)
    each = CONTEXT_BYTES + (2**30 if task is None else CAPTURED * training_bytes(task))
    return max(1, min(8, cores, free // each))


def train_many(
    trials: Iterable[Trial],
    *,
    device: str = "auto",
    workers: int | None = None,
    directory: str | PathLike[str] | None = None,
    root: str | PathLike[str] | None = None,
    threads: int | None = None,
    precision: str = "auto",
    time_limit: float | None = None,
    compile: bool = False,
) -> Generator[dict[str, Any]]:
    """Train trials side by side and yield their records as they end.

    Its processes import the calling script anew, whose own work must stand below ``if __name__ == "__main__":``.
    Leaving the loop ends them; with `directory`, the same call later goes on from the checkpoints.

    Parameters
    ----------
    trials : iterable of Trial
    device : str, default "auto"
        All trials share it: on a GPU through NVIDIA's MPS where the site allows it, else by taking turns.
    workers : int, optional
        Trials at a time. Default: `automatic_workers`.
    directory : path, optional
        Each trial gets the folder of its id below it.
    root, threads, precision, time_limit, compile
        As for `train`.

    Yields
    ------
    dict
        Records, in the order in which the trials end. A process that dies, by a signal for instance, gives a
        record of status ``error`` that says so, and the trials after it go to a new process. A trial that runs out
        of memory beside others is tried again alone, after them.

    Raises
    ------
    InputError
        Before anything is trained: if `workers` is not a whole number from 1, a trial makes no sense or is there
        twice, or `directory` cannot be written to. If the processes cannot start, for want of that line for instance.

    Examples
    --------
    >>> from edfstat import Trial
    >>> net = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [8, 8, 8, 8], "ss": [1, 1, 2, 2]}
    >>> trials = [Trial("ResNet", net, "digits", optim={"max_ep": 1}, seed=seed) for seed in (1, 2)]
    >>> [record["status"] for record in train_many(trials, device="cpu", workers=2)]
    ['ok', 'ok']
    """
    if isinstance(workers, bool) or (workers is not None and (not isinstance(workers, int) or workers < 1)):
        raise InputError(f"workers is {workers!r}; give a whole number from 1, or None to let the memory decide")
    trials = list(trials)
    for position, trial in enumerate(trials):
        if not isinstance(trial, Trial):
            raise InputError(f"trials[{position}] is {trial!r:.80}; give a Trial (`Trial.from_dict` makes one)")
    directory = None if directory is None else home_path(directory)
    check_seconds(time_limit)
    place = devices.pick(device)
    devices.autocast_for(place, precision, 0)
    devices.thread_count(threads)
    largest = _largest(trials, root)
    if directory is not None:
        _refuse_repeated(trials)
        trial_folder.make(directory)
    number = automatic_workers(device, largest, threads) if workers is None else workers
    options = {
        # Not "auto": a process that finds no GPU must say so, and not train on the CPU.
        "device": str(place), "root": root, "threads": threads, "precision": precision, "time_limit": time_limit,
        "compile": compile,
    }  # fmt: skip
    return _records(deque(trials), number, place, directory, options)


def _refuse_repeated(trials: Sequence[Trial]) -> None:
    """Two processes in the folder of one trial would take each other's checkpoints."""
    places: dict[str, int] = {}
    for position, trial in enumerate(trials):
        before = places.setdefault(trial.id, position)
        if before != position:
            raise InputError(
                f"trials[{position}] is trials[{before}] again, and both would train in one folder; leave it out, or "
                "give it another seed"
            )


def _largest(trials: Sequence[Trial], root: str | PathLike[str] | None) -> Task | None:
    """Check every trial; the one whose steps hold the most activations, which are most of what a trial takes."""
    largest: Task | None = None
    most = -1
    for position, trial in enumerate(trials):
        try:
            task = prepare(trial, root)
        except InputError as error:
            raise InputError(f"trials[{position}]: {error}") from None
        if (size := task.complexity["acts"] * task.recipe.batch_size) > most:
            largest, most = task, size
    return largest


@dataclass
class _Worker:
    """A process, the trial that it has, and whether it has said that it is there."""

    process: SpawnProcess
    pipe: Connection
    trial: Trial | None = None
    ready: bool = False

    def end(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _records(
    waiting: deque[Trial], number: int, device: torch.device, directory: str | PathLike[str] | None,
    options: dict[str, Any],
) -> Generator[dict[str, Any]]:  # fmt: skip
    number = min(number, len(waiting))
    team: list[_Worker] = []
    again: deque[Trial] = deque()
    with shared_gpu(number > 1 and device.type == "cuda"):
        try:
            team += [_start(options) for _ in range(number)]
            for worker in team:
                _hand(worker, waiting.popleft(), directory)
            while busy := {worker.pipe: worker for worker in team if worker.trial is not None}:
                for pipe in wait(list(busy)):
                    worker = busy[pipe]  # type: ignore[index]
                    if not worker.ready:
                        _welcome(worker)
                        continue
                    trial, record = worker.trial, _answer(worker)
                    if waiting:
                        if worker.process.exitcode is not None:
                            team.remove(worker)
                            worker = _start(options)
                            team.append(worker)
                        _hand(worker, waiting.popleft(), directory)
                    if record["status"] == "oom" and number > 1 and trial is not None:
                        # The memory may have been what the trials beside it held.
                        logger.warning("trial %s: out of memory beside others; again alone at the end", trial.id[:12])
                        again.append(trial)
                    else:
                        yield record
        finally:
            for worker in team:
                worker.end()
    if again:
        yield from _records(again, 1, device, directory, options)


def _start(options: dict[str, Any]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, options), name="edfstat-trial", daemon=True)
    process.start()
    # Only the process holds the other end now, so its death is the end of the pipe.
    there.close()
    return _Worker(process, here)


def _hand(worker: _Worker, trial: Trial, directory: str | PathLike[str] | None) -> None:
    worker.trial = trial
    folder = None if directory is None else str(Path(directory) / trial.id)
    # A process that is dead already is found so when its answer is read.
    with contextlib.suppress(OSError):
        worker.pipe.send((trial.to_dict(), folder))


def _welcome(worker: _Worker) -> None:
    """Hear that a process has started; one that ends by itself before that is nothing of its trial's.

    Raises
    ------
    InputError
    """
    try:
        worker.ready = worker.pipe.recv() == READY
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode
        if code is not None and code < 0:  # killed from outside, which may be over now; `_answer` says so
            worker.ready = True
            return
        raise InputError(
            f"a process of train_many could not start ({_cause(code)}; what it printed says more); "
            'call train_many from a file, below: if __name__ == "__main__":'
        ) from None


def _answer(worker: _Worker) -> dict[str, Any]:
    trial, worker.trial = worker.trial, None
    assert trial is not None
    try:
        record: dict[str, Any] = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        return make_record(trial, status="error", message=f"its process died ({_cause(worker.process.exitcode)})")
    return record


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}" + (", perhaps for memory" if code == -signal.SIGKILL else "")
    return f"exit status {code}"


def _serve(pipe: Connection, options: dict[str, Any]) -> None:
    """Train what comes through the pipe until it closes, or the process that started this one is gone."""
    # Control-C reaches the whole group of processes; the one that started this ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    pipe.send(READY)
    with contextlib.suppress(EOFError, BrokenPipeError, TrialInterrupted):
        while True:
            described, folder = pipe.recv()
            trial = Trial.from_dict(described)
            try:
                record = train(trial, directory=folder, should_stop=lambda: not parent.is_alive(), **options)
            except InputError as error:  # such as a folder that holds another trial
                record = make_record(trial, status="error", message=str(error))
            pipe.send(record)
