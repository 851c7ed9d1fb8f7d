"""Signals that only set a flag, so that a worker ends where it is safe; its trials are told by the worker alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trainers.signals import ENDING

__all__ = ["cause", "flagged_signals", "leave_signals_to_the_worker", "patience"]


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


def patience(reason: str, warning: float) -> float:
    """Seconds that running trials get to stop; one that takes longer goes on from its last checkpoint."""
    # SLURM's warning leaves that time, less what a requeue takes; who cancels or terminates waits for the end.
    return max(5.0, warning - 15) if reason == "signal" else min(warning - 5, 60.0)


def cause(code: int) -> str:
    """What ended a process, in words, from its exit code."""
    if code >= 0:
        return f"exit code {code}"
    names = {each.value: each.name for each in signal.Signals}  # but for most of the real-time signals
    return f"signal {names.get(-code, -code)}"
