"""What must hold in the moment in which workers are started."""

import os
import signal
import subprocess
import sys

import pytest

from submit.launching import _interrupts_later


def interrupted_launch(times: int, started: list[subprocess.Popen[bytes]]) -> None:
    """A launch of one worker, interrupted before and after it starts."""
    with _interrupts_later():
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        worker = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
        assert worker.stdout is not None
        worker.stdout.readline()
        worker.send_signal(signal.SIGINT)
        started.append(worker)


@pytest.mark.parametrize("times", [1, 3])
def test_an_interrupt_counts_once_the_launch_is_known_and_never_reaches_the_workers(times: int) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started: list[subprocess.Popen[bytes]] = []
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted_launch(times, started)
        (worker,) = started
        worker.communicate(b"\n", timeout=60)
        assert worker.returncode == 0
        with _interrupts_later():  # nothing is left of the earlier ones
            pass
    finally:
        signal.signal(signal.SIGINT, before)
