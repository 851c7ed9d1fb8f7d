"""Areas under the EDFs of all groups up to eps, and their differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.area import auc
from edfstat.comparison.samples import Sample
from edfstat.welch import Estimates, welch_difference

__all__ = ["area_differences", "group_areas"]

Floats = NDArray[np.float64]


def group_areas(samples: list[Sample], eps: Any, level: float) -> dict[str, Floats]:
    """Area, standard error, degrees of freedom and bounds of each group, shape (group,) or (group, eps)."""
    found = [auc(sample.errors, eps, sample.weights, strata=sample.strata, level=level) for sample in samples]
    columns = {"auc": "auc", "auc_se": "se", "auc_df": "df", "auc_lower": "lower", "auc_upper": "upper"}
    return {
        name: np.array([area[column].values for area in found], dtype=np.float64) for name, column in columns.items()
    }


def area_differences(
    areas: dict[str, Floats], pairs: list[tuple[int, int]], level: float
) -> tuple[Floats, Floats, Floats]:
    """Difference of each pair and its bounds, shape (pair,) or (pair, eps)."""
    columns = areas["auc"], areas["auc_se"], areas["auc_df"]
    first, second = (Estimates(*(column[list(groups)] for column in columns)) for groups in zip(*pairs, strict=True))
    found = welch_difference(first, second, level)
    return found.value, found.lower, found.upper
