"""Running one trial: in a child process that may crash alone, or in this process for debugging."""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from edfstat.errors import InputError, NotReady, ProcessUnusable, TrialInterrupted
from edfstat.registry import Backend, backends
from edfstat.trials import Trial
from submit.answers import failed, whole_record
from submit.shards import FULL
from submit.signals import leave_signals_to_the_worker
from trainers.signals import signals_held

__all__ = ["ChildSlot", "InlineSlot", "Outcome", "Slot", "child_main", "load_backend", "run_trial"]

#: What came of a trial: `kind` is record, interrupted, trouble (the disk, not the trial), unready (this machine lacks
#: what trials need) or death (of the process).
Outcome = dict[str, Any]


def load_backend(name: str) -> Backend:
    """An installed backend by its name, or any other as ``module:attribute``.

    Raises
    ------
    InputError
        If there is none of that name, or it cannot be imported.
    """
    if ":" not in name:
        return backends()[name]
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a module of one's own may fail in any way as it is imported
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"backend {name!r} cannot be imported ({said}); give an installed name or module:attribute"
        ) from None
    made = found() if isinstance(found, type) else found
    if not isinstance(made, Backend):
        raise InputError(f"backend {name!r} has no method run(trial, ...)")
    return made


def run_trial(backend: Backend, trial: Trial, directory: str, device: str, should_stop: Callable[[], bool]) -> Outcome:
    """Run a trial; whatever happens becomes an outcome, as long as the process can run others.

    Raises
    ------
    ProcessUnusable
    """
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        record = whole_record(backend.run(trial, directory=directory, device=device, should_stop=should_stop), trial)
    except TrialInterrupted:
        return {"kind": "interrupted"}
    except NotReady as error:
        return {"kind": "unready", "message": str(error) or repr(error)}
    except ProcessUnusable:
        raise
    except OSError as error:
        if error.errno in TROUBLES:
            return {"kind": "trouble", "message": str(error)}
        record = failed(trial, traceback.format_exc())
    except MemoryError:
        record = failed(trial, traceback.format_exc(), "oom")
    except (Exception, SystemExit):
        record = failed(trial, traceback.format_exc())
    if record.get("status") == "error" and any(
        text in record.get("message", "") for text in (*(f"[Errno {n}]" for n in TROUBLES), "No space left on device")
    ):
        return {"kind": "trouble", "message": record["message"].strip().splitlines()[-1]}
    return {"kind": "record", "record": record}


class Slot(Protocol):
    """A place where one trial at a time runs; outcomes arrive in the queue it was made with."""

    def start(self, trial: Trial, directory: Path, device: str) -> int:
        """Begin a trial; the number of this run comes back with its outcome."""

    def stop(self) -> None:
        """Ask the running trial to save its checkpoint and end."""

    def close(self) -> None:
        """End the slot, whatever runs in it."""


#: Errors of the disk that pass, and say nothing of the trial. One of reading may be a file's own, and stays.
TROUBLES = (*FULL, errno.ESTALE)

#: Seconds in which what a dead process answered last has been read.
LAST_ANSWER = 5.0

#: Slot, number of the run there, outcome. A run that was given up may still send one, into the time of the next.
Messages = SimpleQueue[tuple["Slot", int, Outcome]]


class InlineSlot:
    """Runs trials in this process, one after another."""

    def __init__(self, backend: str, messages: Messages, should_stop: Callable[[], bool]) -> None:
        self._backend = load_backend(backend)
        self._messages = messages
        self._should_stop = should_stop
        self._run = 0

    def start(self, trial: Trial, directory: Path, device: str) -> int:
        self._run += 1
        outcome = run_trial(self._backend, trial, str(directory), device, self._should_stop)
        self._messages.put((self, self._run, outcome))
        return self._run

    def stop(self) -> None: ...

    def close(self) -> None: ...


class ChildSlot:
    """Runs trials in a child process: a crash, a kill or a leak there ends one trial, not the worker."""

    def __init__(self, backend: str, messages: Messages, environment: Mapping[str, str]) -> None:
        self._backend = backend
        self._messages = messages
        self._environment = dict(environment)
        self._process: subprocess.Popen[str] | None = None
        self._run = 0
        #: The last run that each process was given; a death concerns that run, not one that begins in this moment.
        self._given: dict[int, int] = {}

    def start(self, trial: Trial, directory: Path, device: str) -> int:
        self._run += 1
        job = {"run": self._run, "trial": trial.to_dict(), "directory": str(directory), "device": device}
        if self._process is None or self._process.poll() is not None:
            self._spawn()
        try:
            self._send(job)
        except OSError:  # it died while idle
            self._spawn()
            self._send(job)
        return self._run

    def stop(self) -> None:
        with suppress(OSError):
            self._send({"stop": True})

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _end_group(process.pid)
        process.wait()
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()

    def _spawn(self) -> None:
        self.close()
        with signals_held():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "submit.child", self._backend],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment,
                text=True,
                # A Ctrl-C at the terminal is the launcher's business; it asks the workers to stop.
                start_new_session=True,
            )
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Pass on what a child process answers and, unless the slot ended it, that it died."""
        reader = threading.Thread(target=self._listen, args=(process,), daemon=True)
        reader.start()
        # Not the end of its pipe, which processes that the trial started may hold open for as long as they live.
        with suppress(ChildProcessError):  # another thread saw it end first
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        _end_group(process.pid)
        reader.join(LAST_ANSWER)
        if self._process is process:
            code = process.wait()
            self._messages.put((self, self._given.get(process.pid, 0), {"kind": "death", "code": code}))

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with suppress(ValueError), process.stdout:  # a line that a death cut off
            for line in process.stdout:
                outcome = json.loads(line)
                self._messages.put((self, outcome.pop("run"), outcome))

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        if "run" in message:
            self._given[self._process.pid] = message["run"]
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


def _end_group(leader: int) -> None:
    """End a child process with all that its trials started, which would go on without it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def child_main(backend_name: str) -> None:
    """Body of the child process: trials come as lines on stdin, outcomes go as lines to stdout."""
    leave_signals_to_the_worker()
    # What a backend prints belongs in the worker's log, not between the outcomes; and what it starts may read its own
    # input, not the worker's orders.
    answers, orders = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(0))
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    stopping = threading.Event()
    jobs: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def listen() -> None:
        for line in orders:
            message = json.loads(line)
            if message.get("stop"):
                stopping.set()
            else:
                stopping.clear()
                jobs.put(message)
        # The worker is gone: nobody could record an outcome, and another worker will want the checkpoint.
        if os.getpgrp() == os.getpid():
            _end_group(os.getpid())
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    try:
        backend: Backend | None = load_backend(backend_name)
        problem = ""
    except Exception as error:
        traceback.print_exc()
        backend, problem = None, str(error) or repr(error)
    while True:
        job = jobs.get()
        if backend is None:
            outcome: Outcome = {"kind": "unready", "message": problem}
        else:
            trial = Trial.from_dict(job["trial"])
            try:
                outcome = run_trial(backend, trial, job["directory"], job["device"], stopping.is_set)
            except ProcessUnusable:
                traceback.print_exc()
                os._exit(1)  # and the worker starts another one; nothing is left here that could end in order
        answers.write(json.dumps({"run": job["run"], **outcome}) + "\n")
        answers.flush()
