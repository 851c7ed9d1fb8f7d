"""Whether a group holds runs of the same architecture, which its tests take for independent models."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edfstat.comparison.groups import Groups
from edfstat.rerun_variance import same_trainings

__all__ = ["repeat_warnings"]

#: Share of runs beyond the first of each architecture above which a comparison warns.
REPEATED_SHARE = 0.01


def repeat_warnings(groups: Groups) -> list[str]:
    """One sentence on the groups that hold repeated trainings, other than draws with replacement would repeat.

    A group of one architecture is about its runs, and nothing is said of it.

    Returns
    -------
    list of str
    """
    if "net" not in groups.models.variables:
        return []
    nets = groups.models["net"].values
    model = np.where(nets == "", -1, same_trainings(groups.models, nets))
    found = []
    for code, name in enumerate(groups.names):
        runs = np.bincount(model[(groups.code == code) & (model >= 0)])
        runs = runs[runs > 0]
        total = int(runs.sum())
        if runs.size > 1 and total - runs.size > REPEATED_SHARE * total and not _like_draws(runs):
            found.append(f"{name}: {total:,} runs of {runs.size:,} architectures")
    if not found:
        return []
    return [
        f"{'; '.join(found)}; runs of one are not independent, so p-values are too small and intervals too narrow "
        "unless each was drawn anew; compare one run of each."
    ]


def _like_draws(runs: NDArray[np.intp]) -> bool:
    """Whether architectures come as often as if drawn alike with replacement: Poisson numbers, of which 0 is not seen.

    Repeated trainings have too small a variance (three of each), or too large a one (a few many times). It is judged
    by three standard errors, about 1.5 / sqrt(architectures) of it.
    """
    mean = float(runs.mean())
    rate = 2 * (mean - 1)  # of a rare repetition; then by its fixed point, mean = rate / (1 - exp(-rate))
    for _ in range(200):
        rate = mean * -math.expm1(-rate)
    expected = mean * (1 + rate - mean)
    return bool(abs(float(runs.var()) / expected - 1) <= min(4.5 / math.sqrt(runs.size), 0.9))
