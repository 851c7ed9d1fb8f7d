"""One curve of a panel, in the form of the JSON files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.distributions import edf
from edfstat.errors import InputError
from edfstat.paper.results import Jobs

__all__ = ["Curve", "Floats", "named", "need", "sample_curve", "step_curve"]

Curve = dict[str, Any]
Floats = NDArray[np.float64]


def named(jobs: Jobs, **numbers: Any) -> Curve:
    """Numbers of a curve, with the space, the file and the number of jobs behind them."""
    return {"space": jobs.space, "file": jobs.file, "n": int(jobs.error.size), **numbers}


def need(jobs: Jobs, count: int) -> None:
    """Refuse files that hold fewer jobs than the paper's settings ask for."""
    if jobs.error.size < count:
        raise InputError(f"{jobs.file} holds {jobs.error.size} jobs; this panel needs at least {count}")


def step_curve(jobs: Jobs, weights: Floats | None) -> Curve:
    """Distinct errors and the weight up to and including each; failed jobs keep it below 1."""
    steps = edf(jobs.error, weights)
    reached = np.isfinite(steps.support)
    return named(jobs, x=steps.support[reached], y=steps.probabilities[reached])


def sample_curve(jobs: Jobs, sample: Floats, ordinate: Floats) -> Curve:
    """F(<=) of a sample, and the ordinate that the paper draws at each error in ascending order."""
    steps = edf(sample)
    return {
        "space": jobs.space, "file": jobs.file, "n": int(sample.size), "x": steps.support, "y": steps.probabilities,
        "paper_x": np.sort(sample), "paper_y": ordinate,
    }  # fmt: skip
