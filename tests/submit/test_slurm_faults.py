"""Real digits trials on a real SLURM, under faults: nothing lost, nothing doubled, the population as undisturbed."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from submit import operations
from submit.collecting import gather
from submit.directory import Sweep, open_sweep
from submit.launching import launches, living_workers
from submit.status import Status
from tests.absent import absent
from tests.submit.cluster import Cluster
from tests.submit.sweeps import (
    DIGITS,
    fake,
    finished_once,
    holding,
    let_go,
    outcomes,
    records,
    wait_until,
    workers,
    write,
)  # fmt: skip

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, ...]]:
    """The same sweep without a scheduler and without faults."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = write(folder, DIGITS)
    assert operations.run(path, cluster="local", watch=True).complete
    return outcomes(operations.collect(path))


class Faulty:
    """A sweep on the cluster that a test disturbs."""

    def __init__(self, slurm: Cluster, folder: Path, config: dict[str, Any]) -> None:
        self.slurm = slurm
        self.path = write(folder, config)
        self.directory = folder / "sweep"

    def begin(self, trials: int = 3) -> None:
        """Launch, and wait until some trials are recorded and one runs."""
        self.slurm.ready()
        operations.run(self.path, cluster="slurm", watch=False)
        wait_until(lambda: records(self.directory) >= trials, what="the first records")
        wait_until(lambda: any(each["trials"] for each in workers(self.directory)), what="a running trial")

    def running(self) -> dict[str, Any]:
        living = living_workers(self.sweep)
        return next(each for each in workers(self.directory) if each["trials"] and each["worker"] in living)

    def under_way(self) -> tuple[str, int]:
        """A trial that runs and has a checkpoint, and its epoch: that of the worker that a fault would strike."""
        found: list[tuple[str, int]] = []

        def look() -> bool:
            with contextlib.suppress(StopIteration, OSError, ValueError):
                (trial,) = self.running()["trials"]
                epoch = json.loads((self.directory / "checkpoints" / trial / "checkpoint.json").read_text())["epoch"]
                found.append((trial, epoch))
            return bool(found) and found[-1][1] >= 2

        wait_until(look, what="a trial with a checkpoint")
        return found[-1]

    def end(self) -> Status:
        found = operations.resume(self.path, cluster="slurm", watch=True)
        while not found.complete:  # workers whose trials a dead one holds may leave first
            found = operations.resume(self.path, cluster="slurm", watch=True)
        return found

    def check(self, undisturbed: dict[str, tuple[Any, ...]]) -> xr.Dataset:
        finished_once(self.directory)
        population: xr.Dataset = operations.collect(self.path)
        assert outcomes(population) == undisturbed
        return population

    @property
    def sweep(self) -> Sweep:
        return open_sweep(self.directory)


@pytest.fixture
def faulty(slurm: Cluster, tmp_path: Path) -> Faulty:
    return Faulty(slurm, tmp_path, DIGITS)


def _kill_worker(faulty: Faulty) -> None:
    os.kill(faulty.running()["pid"], signal.SIGKILL)


def _preempt(faulty: Faulty) -> None:
    faulty.slurm.call("scancel", "--signal=USR2", faulty.running()["job"])


def _terminate(faulty: Faulty) -> None:
    faulty.slurm.call("scancel", "--signal=TERM", faulty.running()["job"])


def _requeue(faulty: Faulty) -> None:
    assert faulty.slurm.call("scontrol", "requeue", faulty.running()["job"]).returncode == 0


def _time_limit(faulty: Faulty) -> None:
    # SLURM sends the signal `warning` seconds before the limit, which is over at once.
    assert faulty.slurm.call("scontrol", "update", f"JobId={faulty.running()['job']}", "TimeLimit=1").returncode == 0


def _controller_dies(faulty: Faulty) -> None:
    faulty.slurm.kill("slurmctld")
    time.sleep(3)
    faulty.slurm.start_controller()


def _node_down(faulty: Faulty) -> None:
    job = faulty.running()["job"]
    node = faulty.slurm.call("squeue", "-h", "-j", job, "-o", "%N").stdout.strip()
    faulty.slurm.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    time.sleep(5)
    faulty.slurm.call("scontrol", "update", f"NodeName={node}", "State=RESUME")


@pytest.mark.parametrize(
    "fault", [_kill_worker, _preempt, _terminate, _requeue, _time_limit, _controller_dies, _node_down]
)
def test_fault_loses_nothing(
    faulty: Faulty, undisturbed: dict[str, tuple[Any, ...]], fault: Callable[[Faulty], None]
) -> None:
    faulty.begin()
    fault(faulty)
    faulty.end()
    faulty.check(undisturbed)


def test_trials_go_on_from_their_checkpoints(slurm: Cluster, tmp_path: Path) -> None:
    options = holding(tmp_path, but=4)
    faulty = Faulty(slurm, tmp_path, fake(24, epochs=10, epoch_seconds=0.15, lease=6, workers=4, options=options))
    faulty.begin(0)
    struck: dict[str, int] = {}
    for fault in (_kill_worker, _preempt, _requeue, _node_down):
        trial, epoch = faulty.under_way()
        fault(faulty)
        struck[trial] = epoch
        operations.resume(faulty.path, cluster="slurm", watch=False)
    let_go(tmp_path)
    faulty.end()
    finished_once(faulty.directory)
    began = {each["trial_id"]: each["provenance"]["began_at_epoch"] for each in gather(faulty.sweep).records}
    assert struck
    assert all(began[trial] >= epoch for trial, epoch in struck.items()), (struck, began)
    # The signals reach every process of a job; those with trials leave them to their workers.
    logs = "".join(path.read_text() for path in (faulty.directory / "logs").glob("*.out"))
    assert not re.search("process died .signal SIG(USR2|TERM)", logs)
    # What was never disturbed began at its first epoch.
    assert sum(epoch == 0 for epoch in began.values()) >= 24 - 2 * 4


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


def test_full_disk_is_waited_for(slurm: Cluster, tmp_path: Path, undisturbed: dict[str, tuple[Any, ...]]) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        absent("SLURM", "a small file system cannot be mounted here (it takes root)")
    try:
        faulty = Faulty(slurm, folder, DIGITS)
        faulty.begin()
        filler = folder / "filler"
        _fill(filler)
        before = records(faulty.directory)
        time.sleep(12)
        filler.unlink()
        wait_until(lambda: records(faulty.directory) > before, what="a record after the disk was freed")
        faulty.end()
        faulty.check(undisturbed)
    finally:
        try:
            if (folder / "sweep").is_dir():
                operations.cancel(folder / "sweep")
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_launcher_killed_between_writing_and_sbatch(faulty: Faulty, undisturbed: dict[str, tuple[Any, ...]]) -> None:
    # A sbatch that first kills the process that called it.
    folder = faulty.path.parent / "bin"
    folder.mkdir()
    deadly = folder / "sbatch"
    real = shutil.which("sbatch")
    deadly.write_text(f'#!/bin/sh\ncase "$*" in *--test-only*) exec {real} "$@";; esac\nkill -9 $PPID\nsleep 1\n')
    deadly.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "submit.sweep", "run", str(faulty.path), "--cluster", "slurm"]
    assert subprocess.run(command, env=environment, capture_output=True, cwd=ROOT).returncode == -signal.SIGKILL
    assert [each.state for each in launches(faulty.sweep)] == ["submitting"]
    faulty.end()
    faulty.check(undisturbed)


def test_two_people_run_the_same_sweep_at_once(faulty: Faulty, undisturbed: dict[str, tuple[Any, ...]]) -> None:
    command = [sys.executable, "-m", "submit.sweep", "run", str(faulty.path), "--cluster", "slurm", "--watch"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(2)]
    said: list[bytes] = []
    readers = [threading.Thread(target=lambda p=p: said.extend(p.communicate())) for p in both]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert [process.returncode for process in both] == [0, 0], said
    assert len(launches(faulty.sweep)) == 1
    faulty.check(undisturbed)
