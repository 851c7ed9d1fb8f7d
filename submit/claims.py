"""Claims: who works on which batch, decided by atomic files alone.

One batch has at most one valid lease. Lease number g of batch b is the file ``claims/R/SSS/BBB.g``, made by linking a
finished file to its name, which fails where the name is taken: exactly one worker gets it. Whoever holds the
highest number holds the batch, so a worker that was given up for dead finds out before it writes. A released
lease ends in ``.free``; a finished batch is one file, ``BBB.done``.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from submit.directory import Round
from submit.presence import Presence

__all__ = ["Claims", "Lease", "claims_of"]

#: Batches per folder of claims, so that no folder grows beyond what a listing takes in its stride.
SHARD = 500
#: Leases looked at for a dead owner while there is fresh work as well.
SAMPLE = 8


@dataclass(frozen=True)
class Lease:
    """The right to work on one batch."""

    batch: int
    token: int
    #: Workers that held the batch before; their records say which of its trials are done.
    earlier: tuple[str, ...] = ()


@dataclass
class _State:
    token: int = 0
    free: bool = True
    done: bool = False


class Claims:
    """The batches of one round, as one worker sees them."""

    def __init__(self, folder: Path, round_: Round, presence: Presence) -> None:
        self._folder = folder
        self._size = len(round_.batches)
        self._presence = presence
        self._open_shards = list(range((self._size + SHARD - 1) // SHARD))
        self._owners: dict[tuple[int, int], str] = {}
        self._random = random.Random(presence.worker)

    def claim(self) -> Lease | None:
        """A lease on the next batch: the longest that is free, or one whose owner is dead."""
        for shard in list(self._open_shards):
            states = self._states(shard)
            if all(state.done for state in states.values()):
                self._open_shards.remove(shard)
                continue
            free = [batch for batch, state in states.items() if state.free]
            held = [batch for batch, state in states.items() if not state.free and not state.done]
            if free and len(held) > SAMPLE:
                held = self._random.sample(held, SAMPLE)
            orphans = [batch for batch in held if not self._owner_lives(batch, states[batch].token)]
            for batch in sorted(orphans + free[: 4 * SAMPLE]):
                lease = self._take(batch, states[batch].token + 1)
                if lease:
                    return lease
        return None

    def outstanding(self) -> int:
        """Batches that are not finished, whoever holds them."""
        return sum(sum(not state.done for state in self._states(shard).values()) for shard in self._open_shards)

    def holds(self, lease: Lease) -> bool:
        """Whether nobody took the batch over in the meantime."""
        later = (f"{lease.token + 1}", f"{lease.token + 1}.free")
        mine = self._path(lease.batch, str(lease.token)).exists()
        return mine and not any(self._path(lease.batch, suffix).exists() for suffix in later)

    def complete(self, lease: Lease) -> None:
        """All trials of the batch are recorded."""
        with suppress(FileNotFoundError):
            self._path(lease.batch, str(lease.token)).rename(self._path(lease.batch, "done"))
        for token in range(1, lease.token):
            for suffix in ("", ".free"):
                self._path(lease.batch, f"{token}{suffix}").unlink(missing_ok=True)
        self._compact(lease.batch // SHARD)

    def release(self, lease: Lease) -> None:
        """Give the batch back; what is done of it stays done."""
        with suppress(FileNotFoundError):
            self._path(lease.batch, str(lease.token)).rename(self._path(lease.batch, f"{lease.token}.free"))

    def _compact(self, shard: int) -> None:
        """Let one file stand for a shard whose batches are all done."""
        if not all(state.done for state in self._states(shard).values()):
            return
        # The mark comes first: whoever sees the emptied folder sees the mark when it looks again.
        self._mark(shard).touch()
        shutil.rmtree(self._folder / f"{shard:03d}", ignore_errors=True)

    def _mark(self, shard: int) -> Path:
        return self._folder / f"{shard:03d}.complete"

    def _path(self, batch: int, suffix: str) -> Path:
        return self._folder / f"{batch // SHARD:03d}" / f"{batch % SHARD:03d}.{suffix}"

    def _states(self, shard: int) -> dict[int, _State]:
        first = shard * SHARD
        states = {batch: _State() for batch in range(first, min(first + SHARD, self._size))}
        if self._mark(shard).exists():
            return {batch: _State(free=False, done=True) for batch in states}
        try:
            names = os.listdir(self._folder / f"{shard:03d}")  # noqa: PTH208 - thousands of names, no Path objects
        except FileNotFoundError:
            return states
        for name in names:
            number, _, suffix = name.partition(".")
            if not number.isdigit() or first + int(number) not in states:
                continue  # a temporary or foreign file
            state = states[first + int(number)]
            token, _, mark = suffix.partition(".")
            if suffix == "done":
                state.done, state.free = True, False
            elif token.isdigit() and int(token) > state.token:
                state.token = int(token)
                state.free = mark == "free" and not state.done
        return states

    def _take(self, batch: int, token: int) -> Lease | None:
        target = self._path(batch, str(token))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{self._presence.worker}")
        try:
            temporary.write_text(self._presence.worker, encoding="utf-8")
            os.link(temporary, target)
        except (FileExistsError, FileNotFoundError):  # taken, or its shard was completed in this moment
            return None
        finally:
            temporary.unlink(missing_ok=True)
        if self._mark(batch // SHARD).exists():
            shutil.rmtree(target.parent, ignore_errors=True)
            return None
        if self._path(batch, "done").exists() or self._path(batch, f"{token}.free").exists():
            # Another worker finished or held and released the batch since the listing.
            target.unlink()
            return None
        return Lease(batch, token, self._earlier(batch, token))

    def _earlier(self, batch: int, token: int) -> tuple[str, ...]:
        owners = [self._owner(batch, number) for number in range(1, token)]
        return tuple(dict.fromkeys(owner for owner in owners if owner))

    def _owner(self, batch: int, token: int) -> str:
        key = (batch, token)
        if key not in self._owners:
            for suffix in ("", ".free"):
                with suppress(FileNotFoundError):
                    self._owners[key] = self._path(batch, f"{token}{suffix}").read_text(encoding="utf-8")
        return self._owners.get(key, "")

    def _owner_lives(self, batch: int, token: int) -> bool:
        owner = self._owner(batch, token)
        return not owner or self._presence.lives(owner)


def claims_of(folder: Path, rounds: Sequence[Round], presence: Presence) -> list[Claims]:
    """The claims of every round, the newest last."""
    return [Claims(folder / f"{number:03d}", round_, presence) for number, round_ in enumerate(rounds)]
