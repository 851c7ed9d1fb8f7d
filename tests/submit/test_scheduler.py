"""Questions to the scheduler: how many, and what happens while it does not answer."""

import os
import time
from pathlib import Path

import msgspec
import pytest

from edfstat.errors import InputError
from submit import opening, operations, scheduler
from submit.directory import Sweep, open_sweep
from submit.launching import Launch, active_launches
from submit.status import read_status, status_lines
from submit.sweep import main
from tests.submit.sweeps import fake, write


class Scheduler:
    """Programs that note when they are called and say what they are told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("sbatch", "squeue", "scancel"):
            script = folder / name
            script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/{name}.calls\ncat {folder}/{name}.says || exit 1\n')
            script.chmod(0o755)
            self.says(name, "")

    def says(self, name: str, text: str | None) -> None:
        said = self.folder / f"{name}.says"
        if text is None:
            said.unlink()
        else:
            said.write_text(text)

    def calls(self, name: str) -> list[str]:
        noted = self.folder / f"{name}.calls"
        return noted.read_text().splitlines() if noted.exists() else []


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Scheduler(folder)


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """A sweep of which two launches wait in the queue."""
    opening.prepare(write(tmp_path, fake(4)))
    made = open_sweep(tmp_path / "sweep")
    for name in ("000aaaaa", "001bbbbb"):
        launch = Launch(name, "slurm", 2, "me", "elsewhere", 1, 1, time.time(), state="submitted")
        (made.path / "launches" / f"{name}.json").write_bytes(msgspec.json.encode(launch))
    return made


QUEUE = "7_0|PENDING|Resources|edfstat-000aaaaa\n7_1|RUNNING|None|edfstat-000aaaaa\n8|PENDING|None|edfstat-001bbbbb\n"


def test_one_question_a_minute_whatever_is_asked(
    slurm: Scheduler, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.says("squeue", QUEUE)
    for _ in range(20):  # two wait, and one runs whose worker has given no sign yet
        assert read_status(sweep).queued_workers == 3
        assert len(active_launches(sweep)) == 2
    assert main(["status", str(sweep.path)]) == 0
    (call,) = slurm.calls("squeue")
    assert "--name=edfstat-000aaaaa,edfstat-001bbbbb" in call
    kept = sweep.path / "launches" / "queue.json"
    past = time.time() - 1000
    os.utime(kept, (past, past))  # the file server's clock is off: this process knows better
    assert read_status(sweep).queued_workers == 3
    slurm.says("squeue", "")
    monkeypatch.setattr(scheduler, "_asked", {})  # a minute later, or another process
    assert read_status(sweep).queued_workers == 0
    assert len(slurm.calls("squeue")) == 2
    kept.unlink()  # another process has submitted jobs
    assert read_status(sweep).queued_workers == 0
    assert len(slurm.calls("squeue")) == 3


def test_a_full_disk_is_no_reason_to_ask_more_often(
    slurm: Scheduler, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    slurm.says("squeue", QUEUE)
    monkeypatch.setattr(scheduler, "write_atomically", full)
    assert [read_status(sweep).queued_workers for _ in range(5)] == [3] * 5
    assert len(slurm.calls("squeue")) == 1


def test_a_scheduler_that_does_not_answer_ends_nothing(slurm: Scheduler, sweep: Sweep) -> None:
    slurm.says("squeue", None)
    for _ in range(5):
        found = read_status(sweep)
        assert found.queued_workers is None
        # Whoever follows the sweep waits: the launches may be at work.
        assert len(active_launches(sweep)) == 2
    assert "the scheduler does not answer" in "\n".join(status_lines(found))
    assert len(slurm.calls("squeue")) == 1
    assert main(["status", str(sweep.path), "--json"]) == 0
    # Before anything is submitted the answer matters.
    with pytest.raises(InputError, match="squeue failed"):
        active_launches(sweep, fresh=True)


def test_cancel_takes_every_launch_out_of_the_queue(slurm: Scheduler, sweep: Sweep) -> None:
    slurm.says("squeue", QUEUE)
    assert operations.cancel(sweep.path) == 2
    assert slurm.calls("scancel") == [f"--state=PENDING --name=edfstat-{name}" for name in ("000aaaaa", "001bbbbb")]
    assert {path.name for path in (sweep.path / "launches").glob("*.stop")} == {"000aaaaa.stop", "001bbbbb.stop"}


def test_cancel_asks_the_workers_though_the_scheduler_does_not_answer(slurm: Scheduler, sweep: Sweep) -> None:
    for name in ("squeue", "scancel"):
        slurm.says(name, None)
    with pytest.raises(InputError, match="scancel failed"):
        operations.cancel(sweep.path)
    assert len(list((sweep.path / "launches").glob("*.stop"))) == 2


def test_a_busy_controller_is_asked_again(tmp_path: Path) -> None:
    """And one that refuses is not: its answer would be the same."""
    script, calls = tmp_path / "scontrol", tmp_path / "calls"
    script.write_text(
        f"#!/bin/sh\necho call >> {calls}\n"
        f"[ $(wc -l < {calls}) -gt 2 ] && echo answer && exit\n"
        "echo 'slurm_load_ctl_conf error: Socket timed out on send/recv operation' >&2; exit 1\n"
    )
    script.chmod(0o755)
    assert scheduler.ask(str(script), again=(0.01, 0.01)) == "answer\n"
    calls.unlink()
    with pytest.raises(InputError, match="Socket timed out"):
        scheduler.ask(str(script), again=())
    assert len(calls.read_text().splitlines()) == 1
    script.write_text(f"#!/bin/sh\necho call >> {calls}\necho 'Invalid account specified' >&2; exit 1\n")
    with pytest.raises(InputError, match="Invalid account"):
        scheduler.ask(str(script), again=(0.01, 0.01))
    assert len(calls.read_text().splitlines()) == 2


def test_a_machine_of_no_cluster_is_not_told_to_change_its_resources(
    slurm: Scheduler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Debian's slurm-client says it where it has no configuration."""
    said = "sbatch: fatal: Could not establish a configuration source"
    (slurm.folder / "sbatch").write_text(f"#!/bin/sh\necho '{said}' >&2; exit 1\n")
    assert main(["run", str(write(tmp_path, fake(2)))]) == 2
    heard = capsys.readouterr().err
    assert heard == f"error: sbatch finds no cluster: {said}; run on a machine of the cluster, or use --cluster local\n"
