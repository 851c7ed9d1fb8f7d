"""Scheduling at scale, played with a clock."""

from pathlib import Path

import numpy as np
import pytest

from submit.status import Tally
from tests.submit.simulation import files_in, play, simulated_sweep


def play_with_faults(folder: Path, trials: int, workers: int) -> tuple[float, int]:
    """Ratio of the makespan to its lower bound, and most files on disk; every trial is recorded exactly once."""
    rng = np.random.default_rng(5)
    # A spread as of networks under one cap: the middle half within a factor 4, the largest 50 times the median.
    sweep = simulated_sweep(folder, rng.lognormal(np.log(500), 0.9, trials), workers)
    horizon = 500 * np.exp(0.405) * trials / workers
    struck = rng.permutation(workers)[: workers // 10]
    times = dict(zip(struck.tolist(), rng.uniform(0, horizon, len(struck)).tolist(), strict=True))
    half = len(struck) // 2
    dead, preempted = struck[:half].tolist(), struck[half:].tolist()
    outcome = play(sweep, workers, deaths={w: times[w] for w in dead}, preemptions={w: times[w] for w in preempted})
    assert len(outcome.recorded) == trials
    assert len(set(outcome.recorded)) == trials
    tally = Tally(sweep)
    assert tally.update() == trials
    assert tally.finished().all()
    assert tally.duplicates == 0
    return outcome.makespan / outcome.worked, max(outcome.files, files_in(sweep.path))


def test_every_trial_once_though_workers_die(tmp_path: Path) -> None:
    ratio, _ = play_with_faults(tmp_path, trials=3000, workers=40)
    assert ratio < 1.08


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_thousand_trials_on_a_thousand_workers(tmp_path: Path) -> None:
    ratio, files = play_with_faults(tmp_path, trials=100_000, workers=1000)
    # The lower bound: the work that was done spread evenly over all workers, the dead ones included.
    assert ratio < 1.08
    # Each worker has five files more: its sign of life, and submitit's four. A preempted one has two signs of life.
    assert files + 5 * 1000 + 50 <= 10 * 1000 + 100_000 / 20
