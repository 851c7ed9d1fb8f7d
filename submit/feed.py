"""What a worker runs next: batches claimed one after another, handed out trial by trial."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from submit.claims import Claims, Lease, claims_of
from submit.directory import PlannedTrial, Round, Sweep
from submit.presence import Presence, read_worker
from submit.shards import read_stubs

__all__ = ["Feed", "Item", "progress_mark"]

#: A trial is begun only if the time left is at least this much longer than it is expected to take.
MARGIN = 1.3


@dataclass(frozen=True)
class Item:
    """One trial to run, and under which lease."""

    planned: PlannedTrial
    round_number: int
    lease: Lease
    attempt: int
    #: Tells the trial's checkpoint of this moment from earlier and later ones.
    mark: int = 0
    #: Workers that died at the trial without getting it further than it is.
    deaths: int = 0


def progress_mark(directory: Path) -> int:
    """A number that changes with every checkpoint in a trial's directory; 0 where there is none."""
    with suppress(OSError):
        return max((path.stat().st_mtime_ns for path in directory.iterdir()), default=0)
    return 0


@dataclass
class _Batch:
    lease: Lease
    round_number: int
    claims: Claims
    waiting: deque[int]
    running: set[int] = field(default_factory=set)


class Feed:
    """The trials of one worker, in the order of the plan: longest first.

    Parameters
    ----------
    sweep : Sweep
    presence : Presence
        The worker's own.
    whole : float
        The worker's time limit, in seconds.
    """

    def __init__(self, sweep: Sweep, presence: Presence, whole: float = float("inf")) -> None:
        self._sweep = sweep
        self._rounds = sweep.rounds()
        self._claims = claims_of(sweep.folder("claims"), self._rounds, presence)
        self._presence = presence
        self._whole = whole
        self._open: list[_Batch] = []
        #: Whether the last call found a trial but not the time for it.
        self.declined = False
        self._rates: deque[float] = deque(maxlen=25)

    def next(self, left: float = float("inf"), fits: Callable[[Round], bool] = lambda _: True) -> Item | None:
        """The next trial, or None if there is none now that fits in `left` seconds.

        `fits` says whether the worker may run a trial of that round beside what it runs already.
        """
        batch = self._with_waiting(fits) or self._claim(fits)
        # After a silence the rest of a batch may be another worker's: two would write the same checkpoints.
        while batch is not None and not batch.claims.holds(batch.lease):
            self._open.remove(batch)
            batch = self._with_waiting(fits) or self._claim(fits)
        if batch is None:
            return None
        planned = self._sweep.trial(batch.waiting[0])
        self.declined = not self._fits_in(planned, left)
        if self.declined:
            return None
        batch.running.add(batch.waiting.popleft())
        mark, deaths = self._history(planned.id, batch.lease)
        return Item(planned, batch.round_number, batch.lease, self._rounds[batch.round_number].attempt, mark, deaths)

    def slots(self, item: Item) -> int:
        """How many trials may share a device with this one."""
        return self._rounds[item.round_number].slots

    def holds(self, item: Item) -> bool:
        """Whether the trial is still this worker's to record."""
        return self._claims[item.round_number].holds(item.lease)

    def recorded_before(self, item: Item) -> bool:
        """Whether a worker that was taken for dead has recorded the trial after all: it was only slow."""
        return item.planned.id in self._recorded_by(item.lease, item.attempt)

    def finished(self, item: Item, seconds: float) -> None:
        """The trial's record is durable."""
        if item.planned.cost > 0:
            self._rates.append(seconds / item.planned.cost)
        batch = self._batch(item)
        if batch is None:
            return
        batch.running.discard(item.planned.index)
        if not batch.running and not batch.waiting:
            batch.claims.complete(batch.lease)
            self._open.remove(batch)

    def put_back(self, item: Item) -> None:
        """The trial was not finished; it comes next again."""
        batch = self._batch(item)
        if batch is not None:
            batch.running.discard(item.planned.index)
            batch.waiting.appendleft(item.planned.index)

    def lost(self, item: Item) -> None:
        """Another worker took the batch over; forget it."""
        self._open = [
            batch for batch in self._open if batch.lease != item.lease or batch.round_number != item.round_number
        ]

    def release(self) -> None:
        """Give everything back that is not finished."""
        for batch in self._open:
            batch.claims.release(batch.lease)
        self._open.clear()

    def outstanding(self) -> bool:
        """Whether a batch of any round is not finished, those of this worker included."""
        return any(claims.outstanding() for claims in self._claims)

    def expected(self, planned: PlannedTrial) -> float | None:
        """Seconds that a trial is expected to take, None before anything ran."""
        return median(self._rates) * planned.cost if self._rates else None

    def _fits_in(self, planned: PlannedTrial, left: float) -> bool:
        expected = self.expected(planned)
        if expected is None or expected * MARGIN > self._whole:
            # Unknown, or longer than any worker lives: it goes on from its checkpoint in the next one.
            return left > 0.1 * self._whole or left == float("inf")
        return expected * MARGIN <= left

    def _with_waiting(self, fits: Callable[[Round], bool]) -> _Batch | None:
        for batch in self._open:
            if batch.waiting and fits(self._rounds[batch.round_number]):
                return batch
        return None

    def _claim(self, fits: Callable[[Round], bool]) -> _Batch | None:
        self._see_new_rounds()
        for number, claims in enumerate(self._claims):
            if not fits(self._rounds[number]):
                continue
            while lease := claims.claim():
                waiting = self._unfinished(number, lease)
                if not waiting:
                    claims.complete(lease)
                    continue
                batch = _Batch(lease, number, claims, waiting)
                self._open.append(batch)
                return batch
        return None

    def _see_new_rounds(self) -> None:
        known = len(self._rounds)
        if self._sweep.round_file(known).exists():
            self._sweep = Sweep(self._sweep.path)  # its table, too: the round may be of trials that were added
            self._rounds = self._sweep.rounds()
            self._claims += claims_of(self._sweep.folder("claims"), self._rounds, self._presence)[known:]

    def _unfinished(self, number: int, lease: Lease) -> deque[int]:
        indices = self._rounds[number].indices(lease.batch)
        if not lease.earlier:
            return deque(indices)
        done = self._recorded_by(lease, self._rounds[number].attempt)
        return deque(index for index in indices if self._sweep.trial(index).id not in done)

    def _recorded_by(self, lease: Lease, attempt: int) -> set[str]:
        """Trials of which the batch's earlier owners have records."""
        return {
            stub.trial_id
            for worker in lease.earlier
            for stub in read_stubs(self._sweep.path / "records" / f"{worker}.jsonl")
            if stub.provenance.attempt >= attempt
        }

    def _history(self, trial_id: str, lease: Lease) -> tuple[int, int]:
        """How far a trial is, and how many workers died at it without getting it there."""
        mark = progress_mark(self._sweep.path / "checkpoints" / trial_id)
        infos = [read_worker(self._sweep.path / "workers" / f"{worker}.json") for worker in lease.dead]
        return mark, sum(info is not None and info.marks.get(trial_id) == mark for info in infos)

    def _batch(self, item: Item) -> _Batch | None:
        """The batch of a trial, None if it was lost to another worker."""
        same = (b for b in self._open if b.lease == item.lease and b.round_number == item.round_number)
        return next(same, None)
