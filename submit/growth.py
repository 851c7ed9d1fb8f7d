"""A sweep grows: its file asks for more architectures than are planned, and the next run adds them.

The configuration is written first, then the trials, then the table, by which they count, then the round of work. So
whatever ends it on the way, the next run sees what lacks and goes on.
"""

from __future__ import annotations

import os
from collections import Counter

import numpy as np

from edfstat.errors import InputError
from submit.config import Config
from submit.directory import PlannedTrial, Round, Sweep, as_yaml, write_atomically, write_trials
from submit.identity import further
from submit.planning import batches_of, plan_more
from submit.snapshot import snapshot_rules
from submit.watching import say

__all__ = ["check_code", "further_trials", "grow", "is_whole"]


def further_trials(sweep: Sweep, config: Config | None) -> int:
    """How many trials a sweep file asks for beyond those that are planned, an interrupted growth's included."""
    return 0 if config is None else max(0, _declared(_grown(sweep.config, config)) - sweep.size)


def is_whole(sweep: Sweep) -> bool:
    """Whether every architecture of the configuration is planned, and every trial in a round of work."""
    return _declared(sweep.config) == sweep.size == _in_rounds(sweep)


def check_code(sweep: Sweep, config: Config | None) -> None:
    """Refuse to let a sweep grow while its workers run the code of a version in which sweeps could not.

    Raises
    ------
    InputError
        If they do: they would fail at the first trial beyond the plan that they know.
    """
    more = not is_whole(sweep) or further_trials(sweep, config) > 0
    if more and not (sweep.path / "code" / "submit" / "growth.py").exists():
        raise InputError(
            f"{sweep.path} is at work with the code of an earlier version, which takes no further trials; wait, or "
            "cancel it, then run again"
        )


def grow(sweep: Sweep, config: Config | None = None) -> Sweep:
    """The sweep with what `config` asks for beyond it, or what an interrupted growth left to do.

    Call it while holding the right to launch, with the sweep as it is on disk. Workers may be at work.

    Raises
    ------
    InputError
        If what is asked for cannot be drawn; the sweep is as it was then.
    """
    now = sweep.config if config is None else _grown(sweep.config, config)
    if _declared(now) > sweep.size:
        trials = _further(sweep, now)
        snapshot_rules(sweep.folder("code"), now)
        if now is not sweep.config:
            write_atomically(sweep.path / "sweep.yaml", as_yaml(now))
        _append(sweep, trials)
        sweep = Sweep(sweep.path)
        say(f"the sweep grows by {len(trials):,} trials to {sweep.size:,}")
    if (start := _in_rounds(sweep)) < sweep.size:
        slots = now.trials_per_worker
        # Workers of before may take them, and those that the file asks for now.
        workers = max(now.workers, now.workers if config is None else config.workers)
        batches = batches_of(sweep.table["cost"][start:], workers * slots)
        sweep.add_round(Round(1, slots, batches, list(range(start, sweep.size))))
    return sweep


def _grown(config: Config, asked: Config) -> Config:
    """A sweep's configuration with the spaces that a file asks for, if these are more."""
    return config.model_copy(update={"spaces": asked.spaces}) if further(config, asked) else config


def _declared(config: Config) -> int:
    return config.reruns * sum(choice.count for choice in config.spaces)


def _in_rounds(sweep: Sweep) -> int:
    first, *later = sweep.rounds()
    return max([first.batches[-1][1], *(max(round_.trials or [0]) + 1 for round_ in later)])


def _further(sweep: Sweep, config: Config) -> list[PlannedTrial]:
    runs: Counter[str] = Counter()
    planned, datasets = set(), set()
    for trial in sweep.trials():
        planned.add(trial.id)
        runs[trial.trial["space"]] += 1
        datasets.add(trial.trial["dataset"])
    counts = {choice.name: choice.count - runs[choice.name] // config.reruns for choice in config.spaces}
    more = plan_more(config, counts, planned)
    # A relative path means another file in another folder.
    if others := {trial.trial["dataset"] for trial in more} - datasets:
        raise InputError(
            f"dataset: {config.dataset} is {others.pop()} here, but {datasets.pop()} in {sweep.path}; run the command "
            "in the folder in which the sweep began"
        )
    return more


def _append(sweep: Sweep, trials: list[PlannedTrial]) -> None:
    with (sweep.path / "trials.jsonl").open("r+b") as file:
        file.seek(int(sweep.table["end"][-1]))
        file.truncate()  # what an interrupted growth wrote
        rows = write_trials(file, trials)
        file.flush()
        os.fsync(file.fileno())
    write_atomically(sweep.path / "trials.table", np.concatenate([sweep.table, rows]).tobytes())
