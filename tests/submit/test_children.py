"""The process in which a trial runs, and what that trial starts besides."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from edfstat import Trial
from edfstat.records import make_record
from submit.presence import process_start
from submit.running import ChildSlot
from tests.submit.sweeps import wait_until


class Helped:
    """Forks a helper, as loaders of data do, and then trains for minutes, or dies."""

    def run(self, trial: Trial, *, directory: str, device: str, should_stop: Any) -> None:
        helper = os.fork()
        if helper:
            Path(directory, "helper").write_text(f"{helper}\n")
            if trial.options["dies"]:
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(200)


class Reading:
    """Starts a program that reads its input to the end, as ssh does."""

    def run(self, trial: Trial, **_: Any) -> dict[str, Any]:
        subprocess.run(["cat"], check=True, timeout=20)
        return make_record(trial, min_test_top1=1.0)


def test_what_a_trial_starts_does_not_read_the_orders_of_the_worker(tmp_path: Path) -> None:
    slot = ChildSlot("tests.submit.test_children:Reading", SimpleQueue(), os.environ)
    try:
        for run in (1, 2):
            slot.start(Trial("A", {}, seed=run), tmp_path, "cpu")
            _, number, outcome = slot._messages.get(timeout=60)
            assert (number, outcome["record"]["status"]) == (run, "ok")
    finally:
        slot.close()


def begun(slot: ChildSlot, folder: Path, *, dies: bool = False) -> int:
    """Begin a trial; the number of its helper's process."""
    slot.start(Trial("A", {}, options={"dies": dies}), folder, "cpu")
    return helper_in(folder)


def helper_in(folder: Path) -> int:
    told = folder / "helper"
    wait_until(lambda: told.exists() and told.read_text().endswith("\n"), what="the helper")
    return int(told.read_text())


@pytest.fixture
def slot() -> Any:
    made = ChildSlot("tests.submit.test_children:Helped", SimpleQueue(), os.environ)
    yield made
    made.close()


def test_helpers_end_with_their_trial(slot: ChildSlot, tmp_path: Path) -> None:
    helper = begun(slot, tmp_path)
    slot.close()
    wait_until(lambda: not process_start(helper), 20, "the end of the helper")


def test_a_death_is_seen_though_a_helper_holds_the_pipe(slot: ChildSlot, tmp_path: Path) -> None:
    helper = begun(slot, tmp_path, dies=True)
    _, run, outcome = slot._messages.get(timeout=20)
    assert (run, outcome) == (1, {"kind": "death", "code": -signal.SIGKILL})
    wait_until(lambda: not process_start(helper), 20, "the end of the helper")


WORKER = """
import os, sys, time
from pathlib import Path
from queue import SimpleQueue
from submit.running import ChildSlot
from tests.submit.test_children import begun
begun(ChildSlot("tests.submit.test_children:Helped", SimpleQueue(), os.environ), Path(sys.argv[1]))
time.sleep(200)
"""


def test_helpers_end_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], cwd=Path(__file__).parents[2])
    try:
        helper = helper_in(tmp_path)
    finally:
        worker.kill()
        worker.wait()
    wait_until(lambda: not process_start(helper), 20, "the end of the helper")
