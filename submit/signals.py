"""Signals that only set a flag, so that a worker ends where it is safe; its trials are told by the worker alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["flagged_signals", "leave_signals_to_the_worker", "signals_held"]

#: By which SLURM and users end jobs. They reach every process of a job, also those that run trials.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def flagged_signals(flag: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Call `flag` with ``"signal"`` on SLURM's warning and with ``"term"`` on SIGTERM; interrupts are ignored.

    Yields
    ------
    callable
        submitit's own handler of the warning, which asks for a requeue: to be called when the work is saved.
    """
    name = signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
    submitits = signal.getsignal(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: flag("term"))
    signal.signal(name, lambda *_: flag("signal"))
    yield lambda: submitits(name, None) if callable(submitits) else None


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold the signals that end jobs back for a moment; a process started meanwhile is born with them held back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals_to_the_worker() -> None:
    """In a process that runs trials: go on until the worker says stop, so that the checkpoint is saved.

    Processes that are forked from here die of the signals as usual.
    """
    here = os.getpid()

    def pass_over(number: int, _: object) -> None:
        if os.getpid() != here:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in ENDING:
        signal.signal(number, pass_over)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
