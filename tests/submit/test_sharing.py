"""Trials of one worker share its GPU through MPS, where that is; here both are stood in for."""

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from submit import launching, operations
from submit.collecting import gather
from submit.directory import open_sweep
from submit.launching import launches
from submit.status import Status
from submit.surroundings import LAUNCHER_GPUS, device
from tests.submit.sweeps import fake, write
from trainers import mps

#: Says what its process sees, and nothing else.
BACKEND = """
import os
from edfstat.records import make_record

class Seeing:
    def run(self, trial, *, directory=None, device="auto", should_stop=None):
        names = ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_VISIBLE_DEVICES")
        seen = {name: os.environ.get(name) for name in names}
        return make_record(trial, min_test_top1=1.0, provenance={**seen, "told": device})
"""
ONE_GPU = """
class cuda:
    device_count = staticmethod(lambda: 1)
    get_device_properties = staticmethod(lambda number: type("Properties", (), {"uuid": "a"}))
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a GPU, as far as a worker asks; what its control program was told is in ``calls``."""
    (tmp_path / "seeing.py").write_text(BACKEND)
    (tmp_path / "torch.py").write_text(ONE_GPU)
    control = tmp_path / mps.CONTROL
    control.write_text(f'#!/bin/sh\n[ "$1" ] || read word\necho "$1$word" >> "{tmp_path}/calls"\n')
    control.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    for name in (mps.PIPES, mps.LOGS, mps.VISIBLE, mps.CHOICE):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(("gpus", "at_once", "shared"), [(1, 2, True), (1, 1, False), (0, 2, False)])
def test_a_worker_starts_mps_for_several_trials_on_a_gpu(site: Path, gpus: int, at_once: int, shared: bool) -> None:
    resources = {"time": "11 min", "gpus": gpus}
    changes = {"backend": "seeing:Seeing", "trials_per_worker": at_once, "resources": resources, "workers": 1}
    assert operations.run(write(site, fake(4, **changes)), cluster="local").complete
    seen = [record["provenance"] for record in gather(open_sweep(site / "sweep")).records]
    assert [bool(one["CUDA_MPS_PIPE_DIRECTORY"]) for one in seen] == [shared] * 4
    # The local executor of submitit hides all GPUs, also from the service.
    assert {one["CUDA_VISIBLE_DEVICES"] for one in seen} == {None}
    assert (site / "calls").exists() == shared
    log = "".join(path.read_text() for path in (site / "sweep" / "logs").glob("*_log.out"))
    assert ("up to 2 trials share a GPU through MPS (started)" in log) == shared
    if shared:
        assert (site / "calls").read_text() == "-d\nquit\n"


@pytest.mark.parametrize(
    ("gpus", "shown", "told"),
    [(0, "4,6", {"auto"}), (1, "6", {"auto"}), (1, "4,6", {"cuda:0", "cuda:1"}), (2, "4,6", {"cuda:0", "cuda:1"})],
)
def test_workers_of_this_machine_take_turns_with_the_gpus_that_they_are_shown(
    site: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, shown: str, told: set[str]
) -> None:
    """Two workers with a trial each; of two GPUs one worker with two trials has both."""
    monkeypatch.setenv(mps.VISIBLE, shown)
    monkeypatch.setenv(mps.CHOICE, "0")
    workers, at_once = (1, 2) if gpus == 2 else (2, 1)
    changes = {"backend": "seeing:Seeing", "resources": {"time": "11 min", "gpus": gpus}, "trials_per_worker": at_once}
    assert operations.run(write(site, fake(20, workers=workers, **changes)), cluster="local").complete
    seen = [record["provenance"] for record in gather(open_sweep(site / "sweep")).records]
    assert {one["CUDA_VISIBLE_DEVICES"] for one in seen} == {shown}
    assert {one["told"] for one in seen} <= told
    if gpus == 2:
        assert {one["told"] for one in seen} == told
    assert os.environ[mps.VISIBLE] == shown
    assert LAUNCHER_GPUS not in os.environ


@pytest.mark.parametrize(
    ("executor", "gpus", "shown", "expected"),
    [
        ("local", 1, "0,1,2", ["cuda:0", "cuda:0", "cuda:1", "cuda:1", "cuda:2", "cuda:2", "cuda:0", "cuda:0"]),
        ("local", 2, "a,b,c,d", ["cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:0", "cuda:1", "cuda:2", "cuda:3"]),
        ("local", 1, "", ["auto"] * 8),
        ("local", 0, "0,1", ["auto"] * 8),
        ("slurm", 0, "0,1", ["auto"] * 8),
        ("slurm", 1, "0", ["auto"] * 8),
        ("slurm", 2, "0,1", ["cuda:0", "cuda:1"] * 4),
    ],
)
def test_the_device_of_each_worker_and_place(
    executor: str, gpus: int, shown: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", executor)
    monkeypatch.setenv(mps.VISIBLE, shown)
    sweep: Any = SimpleNamespace(config=SimpleNamespace(resources=SimpleNamespace(gpus=gpus)))
    assert [device(sweep, worker, place) for worker in range(4) for place in range(2)] == expected


def test_where_there_is_no_service_the_log_says_that_trials_take_turns(site: Path) -> None:
    (site / mps.CONTROL).unlink()
    changes = {"backend": "seeing:Seeing", "trials_per_worker": 2, "resources": {"time": "11 min", "gpus": 1}}
    assert operations.run(write(site, fake(2, workers=1, **changes)), cluster="local").complete
    log = "".join(path.read_text() for path in (site / "sweep" / "logs").glob("*_log.out"))
    assert f"up to 2 trials share a GPU in turns, without MPS: {mps.CONTROL} is not on the PATH" in log


def test_a_slow_service_makes_no_second_launch(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker shows itself before it starts the service, and workers that do not show are started anew."""
    monkeypatch.setattr(launching, "SHOWN", 1000)
    control = site / mps.CONTROL
    wait = f'[ "$1" ] && while [ ! -e "{site}/shown" ]; do sleep 0.1; done'
    control.write_text(control.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{wait}\n"))
    changes = {"backend": "seeing:Seeing", "trials_per_worker": 2, "resources": {"time": "11 min", "gpus": 1}}

    def show(status: Status) -> None:
        if status.workers:
            (site / "shown").touch()

    assert operations.run(write(site, fake(2, workers=1, lease=60, **changes)), cluster="local", show=show).complete
    log = "".join(path.read_text() for path in (site / "sweep" / "logs").glob("*_log.out"))
    assert "up to 2 trials share a GPU through MPS (started)" in log
    assert len(launches(open_sweep(site / "sweep"))) == 1


def test_signals_of_the_scheduler_do_not_reach_the_service(site: Path) -> None:
    """SLURM's warning goes to all processes of a job, and the trials need the service to save what they have."""
    # No shell, which would let go of what was held back.
    (site / mps.CONTROL).write_text(
        f"#!{sys.executable}\nimport sys\nif sys.argv[1:]:\n"
        f"    open({str(site / 'blocked')!r}, 'w').write(open('/proc/self/status').read().partition('SigBlk:')[2])\n"
    )
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with mps.shared_gpu() as state:
        assert state in ("started", f"{mps.CONTROL} started, but shows no GPU")
    mask = int((site / "blocked").read_text().split()[0], 16)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        assert mask >> (number - 1) & 1
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
