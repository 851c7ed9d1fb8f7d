"""Processes that train what is handed to them: one trial at a time, or several in threads.

Threads share the process's place on a GPU, where each asks for its work in a CUDA stream of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from edfstat.errors import InputError, TrialInterrupted
from edfstat.records import make_record
from edfstat.trials import Trial
from trainers import devices
from trainers.loop import train

__all__ = ["Worker", "answers", "hand", "start", "welcome"]

#: What a process says once it has started.
READY = "ready"


@dataclass
class Worker:
    """A process, how many trials it trains at a time, those that it has, and whether it has said that it is there."""

    process: SpawnProcess
    pipe: Connection
    room: int
    trials: dict[int, Trial] = field(default_factory=dict)
    ready: bool = False
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def dead(self) -> bool:
        """Whether the process has ended."""
        return self.process.exitcode is not None

    def end(self) -> None:
        """End the process, whatever it does."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def start(options: dict[str, Any], room: int) -> Worker:
    """Start a process; `options` are those of `train`."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, options, room), name="edfstat-trial", daemon=True)
    process.start()
    # Only the process holds the other end now, so its death is the end of the pipe.
    there.close()
    return Worker(process, here, room)


def hand(worker: Worker, waiting: deque[Trial], directory: str | PathLike[str] | None) -> None:
    """Give a process as many of the waiting trials as it has room for."""
    while waiting and len(worker.trials) < worker.room:
        trial, number = waiting.popleft(), next(worker.numbers)
        worker.trials[number] = trial
        folder = None if directory is None else str(Path(directory) / trial.id)
        # A process that is dead already is found so when its answer is read.
        with contextlib.suppress(OSError):
            worker.pipe.send((number, trial.to_dict(), folder))


def welcome(worker: Worker) -> None:
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
        if code is not None and code < 0:  # killed from outside, which may be over now; `answers` says so
            worker.ready = True
            return
        raise InputError(
            f"a process of train_many could not start ({_cause(code)}; what it printed says more); "
            'call train_many from a file, below: if __name__ == "__main__":'
        ) from None


def answers(worker: Worker) -> tuple[list[tuple[Trial, dict[str, Any]]], int | None]:
    """The next trial that a process has done, with its record; or all that it had, and its exit code, if it died."""
    try:
        number, record = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode
        message = f"its process died ({_cause(code)})"
        lost, worker.trials = worker.trials, {}
        return [(trial, make_record(trial, status="error", message=message)) for trial in lost.values()], code
    return [(worker.trials.pop(number), record)], None


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}" + (", perhaps for memory" if code == -signal.SIGKILL else "")
    return f"exit status {code}"


def _serve(pipe: Connection, options: dict[str, Any], room: int) -> None:
    """Train what comes through the pipe until it closes, or the process that started this one is gone."""
    # Control-C reaches the whole group of processes; the one that started this ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send(READY)
    with contextlib.suppress(EOFError, BrokenPipeError, TrialInterrupted):
        if room > 1:
            _serve_in_threads(pipe, options, room)
        while True:
            number, described, folder = pipe.recv()
            pipe.send((number, _trained(described, folder, options)))


def _serve_in_threads(pipe: Connection, options: dict[str, Any], room: int) -> None:
    device = torch.device(options["device"])
    sending = threading.Lock()

    def work(number: int, described: dict[str, Any], folder: str | None) -> None:
        try:
            record = _trained(described, folder, options)
            with sending:
                pipe.send((number, record))
        except (BrokenPipeError, TrialInterrupted):
            pass  # as whoever started this is gone, which the thread that reads finds, too
        except BaseException:
            # What the threads share, such as their place on the GPU, may be broken.
            traceback.print_exc()
            os._exit(1)

    # Settings that all threads share: those of the trials are the same, and leave them so.
    pool = ThreadPoolExecutor(room, initializer=devices.own_stream, initargs=(device,))
    with devices.settings(device, options["threads"]), pool:
        while True:
            pool.submit(work, *pipe.recv())


def _trained(described: dict[str, Any], folder: str | None, options: dict[str, Any]) -> dict[str, Any]:
    parent = multiprocessing.parent_process()
    assert parent is not None
    trial = Trial.from_dict(described)
    try:
        return train(trial, directory=folder, should_stop=lambda: not parent.is_alive(), **options)
    except InputError as error:  # such as a folder that holds another trial
        return make_record(trial, status="error", message=str(error))
