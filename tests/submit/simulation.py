"""A sweep played with a clock instead of waiting: real claims in real files, simulated training."""

import heapq
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from submit.config import read_config
from submit.directory import PlannedTrial, Round, Sweep, create_sweep
from submit.feed import Feed, Item
from submit.planning import batches_of
from submit.presence import Presence, WorkerInfo


def simulated_sweep(folder: Path, cost: np.ndarray, workers: int) -> Sweep:
    config = read_config({"spaces": [{"name": "Vanilla", "count": len(cost)}], "workers": workers})
    cost = np.sort(cost)[::-1]
    trials = [
        PlannedTrial(i, f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}", float(c), 1, 1, 1, 1, {"space": "Vanilla", "net": {}})
        for i, c in enumerate(cost)
    ]
    return create_sweep(folder / "sweep", config, trials, Round(1, 1, batches_of(cost, workers)), {})


@dataclass
class Clock:
    now: float = 0.0


class SimulatedPresence(Presence):
    """Knows from the script of the play when a worker fell silent."""

    def __init__(self, folder: Path, name: str, lease: float, clock: Clock, silent: dict[str, float]) -> None:
        super().__init__(folder, WorkerInfo(worker=name), lease, clock=lambda: clock.now)
        self.silent = silent
        self.span = lease
        self.time = clock

    def lives(self, worker: str) -> bool:
        return self.time.now - self.silent.get(worker, self.time.now) < self.span


@dataclass
class Outcome:
    makespan: float
    recorded: list[str] = field(default_factory=list)
    worked: float = 0.0
    #: Most files at any look, of some fifty over the play.
    files: int = 0


def play(
    sweep: Sweep,
    workers: int,
    *,
    deaths: dict[int, float],
    preemptions: dict[int, float],
    lease: float = 300.0,
    seed: int = 1,
) -> Outcome:
    """Play a sweep to its end.

    `deaths` and `preemptions` say which workers are killed when (the killed never come back, the preempted do, after
    a minute, as another incarnation). Trials take what was predicted times a random factor; without checkpoints, so
    what a killed worker was at is done again from the start.
    """
    clock, silent = Clock(), {}
    rng = np.random.default_rng(seed)
    factor = rng.lognormal(0, 0.15, sweep.size)
    outcome = Outcome(0.0)
    feeds: dict[int, Feed] = {}
    names: dict[int, str] = {}
    events: list[tuple[float, int, int, str, Item | None]] = []
    count = 0

    def push(at: float, worker: int, what: str, item: Item | None = None) -> None:
        nonlocal count
        count += 1
        heapq.heappush(events, (at, count, worker, what, item))

    def begin(worker: int, incarnation: int) -> None:
        names[worker] = f"w{worker}-{incarnation}"
        presence = SimulatedPresence(sweep.path / "workers", names[worker], lease, clock, silent)
        feeds[worker] = Feed(sweep, presence)

    def go_on(worker: int) -> None:
        item = feeds[worker].next()
        if item is not None:
            push(clock.now + item.planned.cost * factor[item.planned.index], worker, names[worker], item)
        elif feeds[worker].outstanding():
            push(clock.now + lease / 4, worker, names[worker])

    for worker in range(workers):
        begin(worker, 0)
        push(rng.uniform(0, 60), worker, names[worker])
    for worker, at in deaths.items():
        push(at, worker, "die")
    for worker, at in preemptions.items():
        push(at, worker, "preempt")
    while events:
        clock.now, _, worker, what, item = heapq.heappop(events)
        if what == "die":
            silent[names[worker]] = clock.now
            names[worker] = "dead"
        elif what == "preempt" and names[worker] != "dead":
            feeds[worker].release()
            silent[names[worker]] = -np.inf
            begin(worker, 1)
            push(clock.now + 60, worker, names[worker])
        elif what == names[worker]:
            if item is not None and feeds[worker].holds(item):
                line = {"trial_id": item.planned.id, "status": "ok", "provenance": {"attempt": item.attempt}}
                with (sweep.path / "records" / f"{what}.jsonl").open("a") as file:
                    file.write(json.dumps(line) + "\n")
                outcome.recorded.append(item.planned.id)
                outcome.makespan = clock.now
                outcome.worked += item.planned.cost * factor[item.planned.index]
                feeds[worker].finished(item, item.planned.cost * factor[item.planned.index])
                if len(outcome.recorded) % max(1, sweep.size // 50) == 0:
                    outcome.files = max(outcome.files, files_in(sweep.path))
            go_on(worker)
    longest = float((sweep.table["cost"] * factor).max())
    outcome.worked = max(outcome.worked / workers, longest)
    return outcome


def files_in(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
