"""Areas under the EDFs of all groups up to eps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.area import auc
from edfstat.comparison.samples import Sample

__all__ = ["group_areas"]


def group_areas(samples: list[Sample], eps: Any, level: float) -> dict[str, NDArray[np.float64]]:
    """Area, standard error, degrees of freedom and bounds of each group, shape (group,) or (group, eps)."""
    found = [auc(sample.errors, eps, sample.weights, strata=sample.strata, level=level) for sample in samples]
    columns = {"auc": "auc", "auc_se": "se", "auc_df": "df", "auc_lower": "lower", "auc_upper": "upper"}
    return {
        name: np.array([area[column].values for area in found], dtype=np.float64) for name, column in columns.items()
    }
