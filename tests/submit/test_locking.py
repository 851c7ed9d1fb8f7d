"""One launcher at a time, whoever dies and whoever is slow."""

import os
import threading
import time
from pathlib import Path

import msgspec
import pytest

from edfstat.errors import InputError
from submit import locking
from submit.directory import Sweep
from submit.locking import _newest, _taken, only_one
from submit.presence import machine, process_start


def holder(pid: int, started: int, where: str) -> bytes:
    return msgspec.json.encode(["host", where, pid, started])


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    (tmp_path / "launches").mkdir()
    return Sweep(tmp_path)


def test_of_many_that_find_a_dead_holder_one_goes_on(sweep: Sweep) -> None:
    folder = sweep.path / "launches"
    dead = holder(2**22, 1, machine())
    for _ in range(100):
        for path in folder.iterdir():
            path.unlink()
        (folder / "lock.4").write_bytes(dead)
        start, won = threading.Barrier(6), []

        def take(number: int, start: threading.Barrier = start, won: list[Path] = won) -> None:
            ticket = folder / f".ticket-{number}"
            ticket.write_bytes(holder(1, process_start(1), machine()))
            start.wait()
            if lock := _taken(folder, ticket):
                won.append(lock)

        threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [lock.name for lock in won] == ["lock.5"]


def test_who_slept_after_looking_does_not_go_on(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sweep.path / "launches"
    ticket = folder / ".ticket"
    ticket.write_bytes(holder(1, process_start(1), machine()))
    # It saw lock.2 given back; since then lock.3 was taken, given back and cleared away, and another holds lock.4.
    (folder / "lock.4").write_bytes(holder(1, process_start(1), machine()))
    seen = iter([2])
    (folder / "lock.2").write_bytes(b"free")
    monkeypatch.setattr(locking, "_newest", lambda folder: next(seen, None) or _newest(folder))
    assert _taken(folder, ticket) is None
    assert _newest(folder) == 4
    assert not (folder / "lock.3").exists()


def test_nobody_enters_beside_another(sweep: Sweep) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter(number: int) -> None:
        with only_one(sweep):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.02)
            inside.remove(number)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5
    # One file stays, whatever the number of launches.
    assert [path.name for path in (sweep.path / "launches").iterdir()] == ["lock.5"]


def test_a_holder_on_another_machine_is_believed_while_it_gives_a_sign_of_life(sweep: Sweep) -> None:
    lock = sweep.path / "launches" / "lock.1"
    lock.write_bytes(holder(17, 1, "elsewhere"))
    with pytest.raises(InputError, match="process 17 on host"), only_one(sweep, patience=0.1):
        pass
    past = time.time() - 2 * locking.STALE
    os.utime(lock, (past, past))
    with only_one(sweep, patience=0.1):
        assert (sweep.path / "launches" / "lock.2").exists()
