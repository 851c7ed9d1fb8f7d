"""Several trials at once on one device: each in a process of its own, so that one crash costs one trial.

Only where processes would take turns on a GPU, for want of NVIDIA's MPS, threads of one process train them all.
"""

from __future__ import annotations

import logging
import signal
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from multiprocessing.connection import wait
from os import PathLike
from typing import Any

import torch

from edfstat.errors import InputError
from edfstat.formats.places import home_path
from edfstat.trials import Trial
from trainers import devices, trial_folder
from trainers.memory import available_bytes, training_bytes
from trainers.mps import SHARING, shared_gpu
from trainers.options import check_seconds
from trainers.task import Task, prepare
from trainers.workers import Worker, answers, hand, start, welcome

__all__ = ["automatic_workers", "train_many"]

logger = logging.getLogger("trainers")

#: Memory of a GPU that a process takes before it trains, in bytes (estimated, not measured).
CONTEXT_BYTES = 2**30
#: Memory of the machine that a process takes before it trains, and how much more a training takes than is counted: see
#: `training_bytes`.
PROCESS_BYTES, SPARE = 2**29, 1.5
#: Torch has 32 streams to hand out, and a trial takes two of them.
MOST_STREAMS = 16
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
    """Train trials side by side, those with the most work first, and yield their records as they end.

    Its processes import the calling script anew, whose own work must stand below ``if __name__ == "__main__":``.
    Leaving the loop ends them; with `directory`, the same call later goes on from the checkpoints.

    Parameters
    ----------
    trials : iterable of Trial
    device : str, default "auto"
        All trials share it: on a GPU as processes through NVIDIA's MPS where the site allows it, else as threads of
        one process, each in a CUDA stream of its own (with `compile`, as processes that take turns).
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
        of memory beside others (for which the kernel may kill its process), that fails in a thread beside
        others, or whose process dies with others in it or on its GPU, is tried again alone, after them.

    Raises
    ------
    InputError
        Before anything is trained: if `workers` is not a whole number from 1, a trial makes no sense or is there
        twice, or `directory` cannot be written to. If the processes cannot start, for want of that line for instance.

    See Also
    --------
    train : One trial.
    submit.sweep.run : On a cluster, and resumable.

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
    if directory is not None:
        _refuse_repeated(trials)
    tasks = _prepared(trials, root)
    # Counted in fp32, what a trial takes is mostly the activations of a step.
    largest = max(tasks, key=lambda task: task.complexity["acts"] * task.recipe.batch_size, default=None)
    # A long trial begun last would run alone, while the other processes have nothing left to do.
    trials = [task.trial for task in sorted(tasks, key=_work, reverse=True)]
    if directory is not None:
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


def _prepared(trials: Sequence[Trial], root: str | PathLike[str] | None) -> list[Task]:
    tasks = []
    for position, trial in enumerate(trials):
        try:
            tasks.append(prepare(trial, root))
        except InputError as error:
            raise InputError(f"trials[{position}]: {error}") from None
    return tasks


def _work(task: Task) -> int:
    """Operations of the whole training, but for a factor that all trials share."""
    return task.complexity["flops"] * len(task.train) * task.recipe.epochs


def _records(
    waiting: deque[Trial], number: int, device: torch.device, directory: str | PathLike[str] | None,
    options: dict[str, Any],
) -> Generator[dict[str, Any]]:  # fmt: skip
    if not waiting:
        return
    number = min(number, len(waiting))
    team: list[Worker] = []
    again: deque[Trial] = deque()
    with shared_gpu(number > 1 and device.type == "cuda") as state:
        room = _room(number, device, state, compile=options["compile"])
        try:
            team += [start(options, room) for _ in range(number // room)]
            for worker in team:
                hand(worker, waiting, directory)
            while busy := {worker.pipe: worker for worker in team if worker.trials}:
                for pipe in wait(list(busy)):
                    worker = busy[pipe]  # type: ignore[index]
                    if not worker.ready:
                        welcome(worker)
                        continue
                    done, code = answers(worker)
                    # The memory may have been what trials beside it held, and one of these may have killed a thread, or
                    # by a fault on their GPU all processes that share it.
                    shared = room > 1 or device.type == "cuda"
                    others = number > 1 and (code == -signal.SIGKILL or (shared and code is not None))
                    if worker.dead and not worker.trials and waiting:  # and all that it answered has been read
                        team.remove(worker)
                        worker = start(options, room)
                        team.append(worker)
                    if not worker.dead:
                        hand(worker, waiting, directory)
                    for trial, record in done:
                        # What threads do may also spoil the capture of a graph beside them.
                        accident = record["status"] == "oom" or (room > 1 and record["status"] == "error")
                        if others or (number > 1 and accident):
                            logger.warning("trial %s: %s; again alone at the end", trial.id[:12], record["message"])
                            again.append(trial)
                        else:
                            yield record
        finally:
            for worker in team:
                worker.end()
    if again:
        yield from _records(again, 1, device, directory, options)


def _room(number: int, device: torch.device, state: str, *, compile: bool) -> int:
    """How many trials each process takes: one, unless processes would have to take turns on a GPU.

    Compiling is left to processes, as what torch keeps of it is not made for threads.
    """
    turns = device.type == "cuda" and state not in SHARING and not compile
    return number if turns and number <= MOST_STREAMS else 1
