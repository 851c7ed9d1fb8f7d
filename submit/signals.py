"""Signals that only set a flag, so that a worker ends where it is safe."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["flagged_signals"]


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
