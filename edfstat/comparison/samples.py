"""The models of each group that a measure weighs, and their EDFs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edfstat.comparison.groups import Groups
from edfstat.comparison.measures import Weighting
from edfstat.distributions import EDF, edf

__all__ = ["Sample", "distributions", "samples_of"]

Floats = NDArray[np.float64]


class Sample(NamedTuple):
    """Models of a group that have a weight: errors, weights and bins; the latter two None under ``none``."""

    errors: Floats
    weights: Floats | None
    strata: NDArray[np.intp] | None


def samples_of(groups: Groups, weighting: Weighting) -> list[Sample]:
    """The sample of each group."""
    found = []
    for code in range(len(groups.names)):
        chosen = np.flatnonzero((groups.code == code) & (weighting.weight > 0))
        if weighting.stratum is None:
            found.append(Sample(groups.error[chosen], None, None))
        else:
            found.append(Sample(groups.error[chosen], weighting.weight[chosen], weighting.stratum[chosen]))
    return found


def distributions(samples: list[Sample]) -> list[EDF]:
    """Weighted EDF of each sample."""
    return [edf(sample.errors, sample.weights, strata=sample.strata) for sample in samples]
