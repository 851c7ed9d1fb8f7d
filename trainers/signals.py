"""The signals by which SLURM and users end jobs, held back from processes that must outlast them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ENDING", "noted_signals", "signals_held"]

#: They reach every process of a job, also those that run trials and what these need to save their work.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold the signals that end jobs back for a moment; a process started meanwhile is born with them held back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def noted_signals() -> Iterator[list[signal.Signals]]:
    """A list that gets the signals which announce an end, where they would end this process at once.

    Those that are ignored or handled already stay so. Ctrl-C is not among them, as whoever types it is waiting.
    Only the main thread may handle signals: in others the list stays empty.
    """
    came: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    numbers = [number for number in ENDING if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_DFL]
    before = {number: signal.signal(number, lambda got, _: came.append(signal.Signals(got))) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
