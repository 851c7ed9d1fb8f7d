"""What must hold in the moment in which workers are started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from submit import operations
from submit.directory import Sweep, open_sweep
from submit.launching import Launch, _interrupts_later, active_launches, launches, starting
from submit.presence import machine
from tests.submit.sweeps import fake, write


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


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    operations.run(write(tmp_path, fake(2, epochs=1)), cluster="debug")
    return open_sweep(tmp_path / "sweep")


def started(sweep: Sweep, processes: list[int], seconds_ago: float, name: str = "001aaaaa") -> None:
    """A launch of local workers none of which has shown itself."""
    jobs = [str(process) for process in processes]
    made = Launch(name, "local", len(jobs), "me@here", machine(), 1, 1, time.time() - seconds_ago, jobs, "submitted")
    (sweep.path / "launches" / f"{name}.json").write_bytes(msgspec.json.encode(made))


def test_workers_that_are_slow_to_start_are_not_started_again(sweep: Sweep) -> None:
    """Sixty-four at a time on two cores took half a minute, were taken for gone, and were started three times."""
    started(sweep, [os.getpid(), os.getppid()], seconds_ago=60)
    assert [each.id for each in active_launches(sweep)] == ["001aaaaa"]
    assert starting(sweep, launches(sweep)[-1]) == 2
    (sweep.path / "workers" / "001aaaaa-0001-0.json").write_text("{}")  # the second has shown itself
    assert starting(sweep, launches(sweep)[-1]) == 1


def test_workers_that_ended_before_they_showed_are_not_waited_for(sweep: Sweep) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    started(sweep, [gone.pid], seconds_ago=0)
    gone.wait()
    assert active_launches(sweep) == []


def test_more_workers_than_cores_are_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cores = len(os.sched_getaffinity(0))
    path = write(tmp_path, fake(cores + 1, epochs=1, workers=cores + 1))
    assert operations.run(path, cluster="local").complete
    assert f"{cores + 1} workers share {cores} cores here" in capsys.readouterr().err


def test_the_thousandth_launch_is_the_last(sweep: Sweep) -> None:
    for name in ("1000aaaaa", "999bbbbb", "01012345"):
        started(sweep, [], seconds_ago=0, name=name)
    assert [each.id for each in launches(sweep)[1:]] == ["01012345", "999bbbbb", "1000aaaaa"]
