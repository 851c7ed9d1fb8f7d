"""MPS is started where its control program is there, ended again, and done without where it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainers import mps


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (mps.PIPES, mps.LOGS, mps.CHOICE):
        monkeypatch.delenv(name, raising=False)


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, *, code: int) -> Path:
    """A control program that notes how it was called."""
    path = folder / mps.CONTROL
    path.write_text(f'#!/bin/sh\n[ "$1" ] || read word\necho "$1$word" >> "{folder}/calls"\necho no >&2\nexit {code}\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    gpus(folder, monkeypatch, "a b")
    return folder / "calls"


def gpus(folder: Path, monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    """What Python says of the GPUs."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\necho {found}\n")
    python.chmod(0o755)
    monkeypatch.setattr(mps.sys, "executable", str(python))


def test_it_is_started_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = program(tmp_path, monkeypatch, code=0)
    with mps.shared_gpu() as state:
        assert state == "started"
        assert Path(os.environ[mps.PIPES]).is_dir()
        assert calls.read_text() == "-d\n"
    assert calls.read_text() == "-d\nquit\n"
    assert mps.PIPES not in os.environ


def test_where_it_cannot_start_processes_share_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = program(tmp_path, monkeypatch, code=1)
    with mps.shared_gpu() as state:
        assert state == f"{mps.CONTROL} failed (no)"
        assert mps.PIPES not in os.environ
    # It may only have been slow to say that it is up.
    assert calls.read_text() == "-d\nquit\n"


@pytest.mark.parametrize(
    ("visible", "inside"), [("2,0", "GPU-a,GPU-b"), ("GPU-a,GPU-b", "GPU-a,GPU-b"), ("", ""), (None, None)]
)
def test_numbers_of_gpus_become_names(
    visible: str | None, inside: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service counts the GPUs that it shows anew."""
    program(tmp_path, monkeypatch, code=0)
    if visible is None:
        monkeypatch.delenv(mps.VISIBLE, raising=False)
    else:
        monkeypatch.setenv(mps.VISIBLE, visible)
    with mps.shared_gpu() as state:
        assert state == "started"
        assert os.environ.get(mps.VISIBLE) == inside
    assert os.environ.get(mps.VISIBLE) == visible


def test_one_that_shows_no_gpu_is_ended_and_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = program(tmp_path, monkeypatch, code=0)
    gpus(tmp_path, monkeypatch, "")
    monkeypatch.setenv(mps.VISIBLE, "0")
    with mps.shared_gpu() as state:
        assert state == f"{mps.CONTROL} started, but shows no GPU"
        assert mps.PIPES not in os.environ
        assert os.environ[mps.VISIBLE] == "0"
    assert calls.read_text() == "-d\nquit\n"


def test_what_is_asked_of_torch_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mps.VISIBLE, "")
    assert mps._gpus() == []
    done = subprocess.run([sys.executable, "-c", mps.COUNT], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("\n", "", 0)


def test_who_does_not_want_it_goes_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = program(tmp_path, monkeypatch, code=0)
    monkeypatch.setenv(mps.CHOICE, "0")
    with mps.shared_gpu() as state:
        assert state == "EDFSTAT_MPS is 0"
        assert mps.PIPES not in os.environ
    assert not calls.exists()


def test_one_that_runs_is_used_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = program(tmp_path, monkeypatch, code=0)
    monkeypatch.setenv(mps.PIPES, "/somewhere")
    with mps.shared_gpu() as state:
        assert state == "running"
    assert os.environ[mps.PIPES] == "/somewhere"
    assert not calls.exists()
