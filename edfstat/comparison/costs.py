"""What training a model of a group costs, where the population knows the time of an iteration."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from edfstat.comparison.groups import Groups
from edfstat.comparison.measures import Weighting

__all__ = ["BATCH", "IMAGES", "training_hours"]

#: Images per batch in the paper's CIFAR recipe, and training images of the data sets that are trained by it.
BATCH = 128
IMAGES = {"cifar10": 50_000, "cifar100": 50_000, "fashion-mnist": 60_000}


def training_hours(groups: Groups, weighting: Weighting) -> NDArray[np.float64]:
    """Mean hours that training one model takes on one device, by group; NaN where that is not known.

    Seconds per iteration x epochs x iterations per epoch; the last from the population's attribute
    ``iterations_per_epoch``, else from `IMAGES` and `BATCH`.
    """
    models, count = groups.models, len(groups.names)
    if not {"iter_time", "epochs"} <= set(map(str, models.variables)):
        return np.full(count, np.nan)
    hours = models["iter_time"].values * models["epochs"].values * _iterations(models) / 3600
    timed = np.isfinite(hours) & (weighting.weight > 0)
    weight = np.where(timed, weighting.weight, 0.0)
    total = np.bincount(groups.code, weight, minlength=count)
    spent = np.bincount(groups.code, weight * np.where(timed, hours, 0.0), minlength=count)
    mean: NDArray[np.float64] = np.divide(spent, total, out=np.full(count, np.nan), where=total > 0)
    return mean


def _iterations(models: xr.Dataset) -> float | NDArray[np.float64]:
    """Iterations of one epoch, of each model where the data sets tell; NaN where that is not known."""
    if given := models.attrs.get("iterations_per_epoch"):
        return float(given)
    if "dataset" not in models.variables:
        return math.nan
    codes, names = pd.factorize(models["dataset"].values, use_na_sentinel=False)
    images = np.array([IMAGES.get(str(name), math.nan) for name in names])
    iterations: NDArray[np.float64] = np.ceil(images / BATCH)[codes]
    return iterations
