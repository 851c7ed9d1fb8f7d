"""Layers in C on one thread, which tests of them need, and trials that last until their process is killed."""

import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from edfstat import Trial
from tests.absent import absent
from tests.trainers import held
from trainers import loop, workers
from trainers.nets import cpu


@pytest.fixture(autouse=True)
def whole_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials stop after epochs alone, also where a busy machine makes these long."""
    monkeypatch.setattr(loop, "PATIENCE", float("inf"))


@pytest.fixture
def compiled() -> Iterator[None]:
    """One thread, and a C compiler: without one a test is skipped, or fails where one is required."""
    if not cpu.available():
        absent("COMPILER", "there is no C compiler")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def compiled_anew(compiled: None) -> Iterator[None]:
    """What was compiled is forgotten before and after."""
    cpu.functions.cache_clear()
    yield
    cpu.functions.cache_clear()


@pytest.fixture(params=["x86-64-v2", "x86-64-v3"])
def shorter_registers(
    request: pytest.FixtureRequest, compiled_anew: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Layers in C as on older processors, which have vectors of 4 numbers, and of 8."""
    if platform.machine() != "x86_64":
        pytest.skip("these are levels of x86")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cpu, "FLAGS", [f"-march={request.param}" if "-march" in flag else flag for flag in cpu.FLAGS])
    assert cpu.available()


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets trials of `train_many` stay after their first epoch, its checkpoint written, until their process is killed.

    Begun again they go on, as any do. So a test need not outrun them, on whatever machine.
    """

    def these(*trials: Trial) -> None:
        monkeypatch.setenv(held.NAMES, " ".join(one.id for one in trials))
        monkeypatch.setattr(workers, "_serve", held.serve)

    return these
