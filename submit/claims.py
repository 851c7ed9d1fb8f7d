"""Claims: who works on which batch, decided by atomic files alone.

One batch has at most one valid lease. Lease number g of batch b is the file ``claims/R/SSS/BBB.g``, made by linking a
finished file to its name, which fails where the name is taken: exactly one worker gets it. Whoever holds the
highest number holds the batch, so a worker that was given up for dead finds out before it writes. A released
lease ends in ``.free``; a finished batch is one file, ``BBB.done``.

Paths are text here: a claim looks at many names, and `pathlib` would cost more than the looks.
"""
# ruff: noqa: PTH103, PTH104, PTH108, PTH116, PTH123, PTH208

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from submit.directory import Round, linked
from submit.presence import Presence

__all__ = ["Claims", "Lease", "claims_of"]

#: Batches per folder of claims, so that no folder grows beyond what a listing takes in its stride.
SHARD = 500
#: The place in its shard of the batch that a name begins with.
_PLACE = {f"{place:03d}.": place for place in range(SHARD)}
#: Leases of each listing that are looked at for a dead owner while there is fresh work as well.
SAMPLE = 4


@dataclass(frozen=True)
class Lease:
    """The right to work on one batch."""

    batch: int
    token: int
    #: Workers that held the batch before; their records say which of its trials are done.
    earlier: tuple[str, ...] = ()
    #: Those of them that did not give it back.
    dead: tuple[str, ...] = ()


@dataclass(frozen=True)
class _View:
    """What a listing of one shard says of its batches; those that it does not name were never begun."""

    batches: range
    tokens: dict[int, int]
    free: set[int]
    done: set[int]

    def add(self, batch: int, token: str, mark: str) -> None:
        """Take in a lease; the highest number counts."""
        if token.isdigit() and int(token) > self.tokens.get(batch, 0):
            self.tokens[batch] = int(token)
            (self.free.add if mark == "free" else self.free.discard)(batch)

    def untouched(self) -> list[int]:
        return [batch for batch in self.batches if batch not in self.tokens and batch not in self.done]

    def released(self) -> list[int]:
        return sorted(self.free - self.done)

    def held(self) -> list[int]:
        return sorted(self.tokens.keys() - self.free - self.done)


class Claims:
    """The batches of one round, as one worker sees them.

    What a listing can never take back is remembered: shards whose batches are all done, and how far the batches
    that nobody began have moved. So a claim costs two listings and a few looks at other workers, whatever the
    number of batches.
    """

    def __init__(self, folder: Path, round_: Round, presence: Presence) -> None:
        self._folder = str(folder)
        self._size = len(round_.batches)
        self._presence = presence
        self._random = random.Random(presence.worker)
        self._shards = (self._size + SHARD - 1) // SHARD
        #: Shards that may hold unfinished batches.
        self._open = list(range(self._shards))
        #: No shard before this one has a batch that was never begun.
        self._frontier = 0
        #: Where the looks at earlier shards go on; workers start apart, so together they see all.
        self._turn = self._random.randrange(max(1, self._shards))
        self._owners: dict[tuple[int, int], str] = {}

    def claim(self) -> Lease | None:
        """A lease on a batch that was given back or whose owner is dead, else on the longest that nobody began."""
        while (view := self._advance()) is not None:
            earlier = self._in_turn()
            for seen in [view] if earlier is None else [earlier, view]:
                if lease := self._take_over(seen, SAMPLE):
                    return lease
            if lease := self._begin(view.untouched()):
                return lease
        for shard in list(self._open):
            if (view := self._view(shard)) and (lease := self._take_over(view, 8 * SAMPLE)):
                return lease
        return None

    def outstanding(self) -> bool:
        """Whether a batch is not finished, whoever holds it."""
        return any(self._view(shard) is not None for shard in list(self._open))

    def _advance(self) -> _View | None:
        """The first shard with batches that nobody began."""
        while self._frontier < self._shards:
            view = self._view(self._frontier) if self._frontier in self._open else None
            if view is not None and len(view.tokens.keys() | view.done) < len(view.batches):
                return view
            self._frontier += 1
        return None

    def _in_turn(self) -> _View | None:
        """One of the shards whose batches were all begun, another one each time."""
        earlier = [shard for shard in self._open if shard < self._frontier]
        self._turn += 1
        return self._view(earlier[self._turn % len(earlier)]) if earlier else None

    def _take_over(self, view: _View, looks: int) -> Lease | None:
        """A lease on a batch that was given back, or whose owner is found dead in so many looks."""
        for batch in view.released():
            if lease := self._take(batch, view.tokens[batch] + 1):
                return lease
        held = view.held()
        # At random, so that the looks of many workers reach every batch, however many are held and wherever.
        for batch in self._random.sample(held, min(looks, len(held))):
            if not self._owner_lives(batch, view.tokens[batch]):
                lease = self._take(batch, view.tokens[batch] + 1)
                if lease:
                    return lease
        return None

    def _begin(self, batches: list[int]) -> Lease | None:
        """A lease on the first of these batches; where others are faster, ever further from the crowd."""
        reach = 1
        while batches:
            batch = batches.pop(self._random.randrange(min(reach, len(batches))))
            if lease := self._take(batch, 1):
                return lease
            reach *= 2
        return None

    def holds(self, lease: Lease) -> bool:
        """Whether nobody took the batch over in the meantime."""
        # In this order: a later lease becomes .free or .done, never the reverse, and earlier ones vanish after that.
        later = (f"{lease.token + 1}", f"{lease.token + 1}.free", "done")
        if any(self._exists(lease.batch, suffix) for suffix in later):
            return False
        return self._exists(lease.batch, str(lease.token)) and not _is_there(self._mark(lease.batch // SHARD))

    def complete(self, lease: Lease) -> None:
        """All trials of the batch are recorded."""
        self._rename(lease, "done")
        for token in range(1, lease.token):
            for suffix in ("", ".free"):
                _unlink(self._path(lease.batch, f"{token}{suffix}"))

    def release(self, lease: Lease) -> None:
        """Give the batch back; what is done of it stays done."""
        self._rename(lease, f"{lease.token}.free")

    def _compact(self, shard: int) -> None:
        """Let one file stand for a shard whose batches are all done."""
        # The mark comes first: whoever sees the emptied folder sees the mark when it looks again.
        Path(self._mark(shard)).touch()
        shutil.rmtree(self._shard(shard), ignore_errors=True)

    def _shard(self, shard: int) -> str:
        return f"{self._folder}/{shard:03d}"

    def _mark(self, shard: int) -> str:
        return f"{self._folder}/{shard:03d}.complete"

    def _path(self, batch: int, suffix: str) -> str:
        return f"{self._shard(batch // SHARD)}/{batch % SHARD:03d}.{suffix}"

    def _exists(self, batch: int, suffix: str) -> bool:
        return _is_there(self._path(batch, suffix))

    def _rename(self, lease: Lease, suffix: str) -> None:
        """Give a lease another ending, unless it is gone: then others have finished the batch."""
        with suppress(FileNotFoundError):
            os.rename(self._path(lease.batch, str(lease.token)), self._path(lease.batch, suffix))

    def _view(self, shard: int) -> _View | None:
        """What a shard's folder says, None if all its batches are done; then it is not looked at again."""
        first = shard * SHARD
        view = _View(range(first, min(first + SHARD, self._size)), {}, set(), set())
        try:
            names = os.listdir(self._shard(shard))
        except FileNotFoundError:
            names = []
        # After the listing: without the mark, nobody had begun to empty the folder.
        if _is_there(self._mark(shard)):
            self._open.remove(shard)
            return None
        count = len(view.batches)
        for name in names:  # the worker's hot loop: what is most frequent comes first
            number, suffix = _PLACE.get(name[:4], SHARD), name[4:]
            if number >= count:
                continue  # a temporary or foreign file
            if suffix == "done":
                view.done.add(first + number)
            elif suffix == "1":
                view.tokens.setdefault(first + number, 1)
            else:
                view.add(first + number, *suffix.partition(".")[::2])
        if len(view.done) == len(view.batches):
            with suppress(OSError):  # a full disk: another claim will do it
                self._compact(shard)
            self._open.remove(shard)
            return None
        return view

    def _take(self, batch: int, token: int) -> Lease | None:
        target = self._path(batch, str(token))
        shard = self._shard(batch // SHARD)
        temporary = f"{shard}/.{self._presence.worker}"
        try:
            os.makedirs(shard, exist_ok=True)
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(self._presence.worker)
            if not linked(temporary, target):
                return None
        except FileNotFoundError:  # its shard was completed in this moment
            return None
        finally:
            _unlink(temporary)
        if _is_there(self._mark(batch // SHARD)):
            shutil.rmtree(shard, ignore_errors=True)
            return None
        # In this order: a batch's .free files vanish only after it is done.
        if self._exists(batch, f"{token}.free") or self._exists(batch, "done"):
            # Another worker finished or held and released the batch since the listing.
            _unlink(target)
            return None
        before = {number: owner for number in range(1, token) if (owner := self._owner(batch, number))}
        dead = [owner for number, owner in before.items() if not self._exists(batch, f"{number}.free")]
        return Lease(batch, token, tuple(dict.fromkeys(before.values())), tuple(dead))

    def _owner(self, batch: int, token: int) -> str | None:
        """Who made a lease; None if it is gone, empty if a crash of the machine took what was written."""
        key = (batch, token)
        if key not in self._owners:
            for suffix in ("", ".free"):
                with suppress(FileNotFoundError), open(self._path(batch, f"{token}{suffix}"), encoding="utf-8") as file:
                    self._owners[key] = file.read()
        return self._owners.get(key)

    def _owner_lives(self, batch: int, token: int) -> bool:
        owner = self._owner(batch, token)
        return owner is None or (owner != "" and self._presence.lives(owner))


def _is_there(path: str) -> bool:
    """Whether there is such a file; a disk that cannot tell is an error, not a no."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    return True


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def claims_of(folder: Path, rounds: Sequence[Round], presence: Presence) -> list[Claims]:
    """The claims of every round, the newest last."""
    return [Claims(folder / f"{number:03d}", round_, presence) for number, round_ in enumerate(rounds)]
