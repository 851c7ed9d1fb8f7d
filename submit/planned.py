"""The plan that a sweep directory holds, as it was drawn and as it has grown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from submit.config import Config, SpaceChoice
from submit.directory import PlannedTrial, Round, Sweep
from submit.planning import Plan, SpaceSample

__all__ = ["planned_in"]


def planned_in(sweep: Sweep) -> Plan:
    """What is planned in a sweep directory, with what was added to it since it began."""
    config, trials = sweep.config, list(sweep.trials())
    batches: list[tuple[int, int]] = []
    for round_ in sweep.rounds():
        if round_.attempt == 1:  # no retry
            first = round_.trials[0] if round_.trials else 0
            batches += [(first + start, first + stop) for start, stop in round_.batches]
    by_space: dict[str, list[PlannedTrial]] = defaultdict(list)
    for trial in trials:
        by_space[trial.trial["space"]].append(trial)
    # A space has none yet where a growth was interrupted.
    samples = [_sample_of(config, choice, by_space[choice.name]) for choice in config.spaces if choice.name in by_space]
    return Plan(config, trials, Round(1, config.trials_per_worker, batches), samples)


def _sample_of(config: Config, choice: SpaceChoice, own: Sequence[PlannedTrial]) -> SpaceSample:
    from trainers.spaces import space_named

    size = None if config.backend == "lookup" else int(space_named(choice.definition or choice.name).size)
    params, flops = (np.array([getattr(trial, name) or 0 for trial in own]) for name in ("params", "flops"))
    return SpaceSample(choice.name, len(own) // config.reruns, size, None, params, flops)
