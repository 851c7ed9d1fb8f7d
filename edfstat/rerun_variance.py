"""How much of the spread of errors is the architecture and how much the seed, from repeated trainings."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from edfstat.arguments import shown
from edfstat.errors import InputError, PopulationError
from edfstat.population import compared_errors

__all__ = ["known_nets", "reruns", "same_trainings", "trained_models"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: What must be equal, besides the net, for two runs to be trainings of one model.
_SAME = ("space", "dataset", "lr", "weight_decay", "epochs")

#: Runs that say nothing of the spread of their model's errors, and why.
_LEFT_OUT = {
    "failed": "runs without a finite error",
    "accidents": "runs lost to an accident",
    "without_net": "runs whose net is not known",
}


class _Groups(NamedTuple):
    """Runs by model: how many, their mean, and the sum of squares around the means."""

    runs: Ints
    mean: Floats
    within: float


class _Components(NamedTuple):
    """Variances between models and between runs of one; why one is missing or was cut at 0."""

    between: float
    within: float
    mean: float
    method: str
    note: str


def reruns(ds: xr.Dataset, *, error: str = "error") -> xr.Dataset:
    """Variance between architectures and between trainings of one, from a population with repeated nets.

    Parameters
    ----------
    ds : Dataset
        A population. Models with the same `net` (whatever the order of its keys), space, dataset and, where
        known, learning rate, weight decay and epochs are trainings of one model.
    error : str, default "error"
        Variable to analyse. Runs that failed (an error that is NaN or infinite), accidents of the run and runs
        whose net is not known (an empty text) are left out and counted.

    Returns
    -------
    Dataset
        Scalars ``var_architecture`` and ``var_seed`` (squared error points), ``icc`` (share of the variance of
        one run that is the architecture's), ``reliability`` (the same for the mean of R runs, R the harmonic
        mean number of runs), ``mean``, ``failed``, ``accidents``, ``without_net``; along ``net``: ``mean_error``,
        ``std_error`` (NaN for one run), ``runs``, ``net_reliability`` and ``shrunken_error``. Attributes: ``method``
        ("anova" or "reml") and ``note``, which says what could not be estimated or was cut at 0.

    Raises
    ------
    PopulationError
        If the population has no `net`, or no run has a finite error.
    InputError
        If `error` is no variable of the population.

    See Also
    --------
    plot.reruns : Drawn.

    Notes
    -----
    Errors are taken as mu + a_architecture + e_run with variances va and ve. With equally many runs the
    analysis of variance gives ve = MSW and va = (MSB - MSW)/R, as REML does; otherwise both maximise the
    restricted likelihood (statsmodels' ``MixedLM`` finds the same maximum, in more steps). A negative va is
    set to 0 and said so. The EDF of single runs is that of a + e: too wide, and its best model too good;
    means over R runs bring ve down to ve/R. ``shrunken_error``, mu + sqrt(reliability)(mean - mu), has the
    variance of the architectures alone [1]_: an overlay to judge sensitivity by, not a correction.

    References
    ----------
    .. [1] Louis, Estimating a population of parameter values using Bayes and empirical Bayes methods,
       JASA 79, 1984.

    Examples
    --------
    >>> from edfstat import build_population
    >>> nets = ['{"d": 1, "w": 2}', '{"w": 2, "d": 1}', '{"d": 2, "w": 2}', '{"d": 2, "w": 2}']
    >>> found = reruns(build_population({"error": [5.0, 5.2, 7.0, 7.4], "net": nets}))
    >>> round(float(found.var_seed), 3), round(float(found.var_architecture), 3)
    (0.05, 2.18)
    """
    values, kept, left_out = _usable(ds, error)
    names, codes, first = trained_models(ds, kept)
    groups = _summarise(values, codes, names.size)
    found = _components(groups)
    share = np.broadcast_to(_reliability(found, groups.runs), names.shape)
    of_means = _reliability(found, groups.runs.size / (1 / groups.runs).sum())
    squared = np.bincount(codes, (values - groups.mean[codes]) ** 2)
    single = groups.runs == 1
    std = np.sqrt(np.divide(squared, groups.runs - 1, out=np.full(names.size, np.nan), where=~single))
    unit = {"units": "percent"}
    coords: dict[str, Any] = {"net": ("net", names)}
    for name in ("space", "dataset", "group"):
        if name in ds.coords:
            coords[name] = ("net", ds[name].values[first])
    return xr.Dataset(
        {
            "var_architecture": ((), found.between, {"units": "percent2", "long_name": "variance between models"}),
            "var_seed": ((), found.within, {"units": "percent2", "long_name": "variance between runs of a model"}),
            "icc": ((), _reliability(found, 1), {"long_name": "reliability of one run"}),
            "reliability": ((), of_means, {"long_name": "reliability of the mean of a model's runs"}),
            "mean": ((), found.mean, unit | {"long_name": "mean error of a model"}),
            **{name: ((), count, {"long_name": f"{_LEFT_OUT[name]}, left out"}) for name, count in left_out.items()},
            "mean_error": ("net", groups.mean, unit | {"long_name": "mean error of the runs"}),
            "std_error": ("net", std, unit | {"long_name": "standard deviation between the runs"}),
            "runs": ("net", groups.runs, {"long_name": "runs"}),
            "net_reliability": ("net", share, {"long_name": "reliability of the mean of the runs"}),
            "shrunken_error": ("net", found.mean + np.sqrt(share) * (groups.mean - found.mean), unit),
        },
        coords=coords,
        attrs={"method": found.method, "note": found.note, "error": error},
    )


def _usable(ds: xr.Dataset, error: str) -> tuple[Floats, NDArray[np.bool_], dict[str, int]]:
    """Errors of the runs that count, which they are, and how many are left out for each reason."""
    if not isinstance(ds, xr.Dataset):
        raise InputError(f"ds is {shown(ds)}; give a population, as load() returns it")
    if not isinstance(error, str) or error not in ds.data_vars:
        raise InputError(f"error is {shown(error)}; the population has {sorted(map(str, ds.data_vars))}")
    known = known_nets(ds)
    if not known.any():
        raise PopulationError("reruns are found by their net and this population has none; load it with its nets")
    values, counted = compared_errors(ds, error)
    finite = np.isfinite(values)
    kept = known & counted & finite
    if not kept.any():
        raise PopulationError(f"no run with a net has a finite {error}; nothing is left to compare")
    left_out = {"failed": known & counted & ~finite, "accidents": known & ~counted, "without_net": ~known}
    return values[kept], kept, {name: int(runs.sum()) for name, runs in left_out.items()}


def known_nets(ds: xr.Dataset) -> NDArray[np.bool_]:
    """Which runs name their architecture."""
    if "net" not in ds.variables:
        return np.zeros(ds.sizes.get("model", 0), dtype=bool)
    # None and NaN, which is no equal of itself, say as little as an empty text.
    return np.array([bool(net) and net == net for net in ds["net"].values.tolist()], dtype=bool)


def trained_models(ds: xr.Dataset, kept: NDArray[np.bool_]) -> tuple[NDArray[Any], Ints, Ints]:
    """Net of each distinct model in order of appearance, the model of each run, and the first run of each."""
    where = np.flatnonzero(kept)
    places, texts = pd.factorize(ds["net"].values[where])
    nets = np.array([_sorted_net(text) for text in texts], dtype=object)[places]
    codes = same_trainings(ds.isel(model=where), nets)
    first = np.unique(codes, return_index=True)[1]
    return nets[first], codes, where[first]


def same_trainings(ds: xr.Dataset, nets: NDArray[Any]) -> Ints:
    """Number of the model that each run trained, in order of appearance: runs of one model have equal settings.

    Parameters
    ----------
    ds : Dataset
        The runs; of their settings those that it has are compared. One that is not known (NaN) equals itself.
    nets : ndarray, shape (model,)
        Text of each run's architecture.
    """
    codes: Ints = pd.factorize(nets)[0]
    for name in _SAME:
        if name in ds.variables:
            # By hash: a million texts take a fraction of a second.
            part, values = pd.factorize(ds[name].values)
            codes = pd.factorize(codes * (len(values) + 1) + part + 1)[0]
    return codes


def _sorted_net(text: str) -> str:
    """A net with its keys sorted, so that their order does not matter; text that is no JSON stays."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (TypeError, ValueError):
        return str(text)


def _summarise(values: Floats, codes: Ints, models: int) -> _Groups:
    runs = np.bincount(codes, minlength=models)
    mean = np.bincount(codes, values, minlength=models) / runs
    # A second pass takes the rounding of the first out of the means.
    mean += np.bincount(codes, values - mean[codes], minlength=models) / runs
    return _Groups(runs, mean, float(((values - mean[codes]) ** 2).sum()))


def _components(groups: _Groups) -> _Components:
    models, total = groups.runs.size, int(groups.runs.sum())
    if total == models:
        return _Components(
            math.nan, math.nan, float(groups.mean.mean()), "none", "no model was trained twice: seed noise is not known"
        )
    if models == 1:
        note = "one model only: the variance between architectures is not known"
        return _Components(math.nan, groups.within / (total - 1), float(groups.mean[0]), "anova", note)
    if (groups.runs == groups.runs[0]).all():
        return _anova(groups)
    return _reml(groups)


def _anova(groups: _Groups) -> _Components:
    models, runs = groups.runs.size, int(groups.runs[0])
    mean = float(groups.mean.mean())
    within = groups.within / (models * (runs - 1))
    between = float(((groups.mean - mean) ** 2).sum()) / (models - 1) - within / runs
    note = "all errors are equal: no share of the variance is known" if between == within == 0 else _cut(between < 0)
    return _Components(max(between, 0.0), within, mean, "anova", note)


def _cut(negative: bool) -> str:
    return "the variance between architectures came out negative and is set to 0" if negative else ""


def _reml(groups: _Groups) -> _Components:
    """Maximise the restricted likelihood over the ratio va/ve; mu and ve follow from it in closed form."""
    from scipy.optimize import minimize_scalar

    if groups.within == 0.0:
        return _without_noise(groups)
    # The ratio is searched on a log scale around what the variances of means and runs suggest.
    degrees = groups.runs.sum() - groups.runs.size
    rough = max(float(groups.mean.var(ddof=1)) / (groups.within / degrees), 1e-6)
    grid = np.log(rough) + np.linspace(-14.0, 14.0, 57)
    losses = [_loss(math.exp(x), groups)[0] for x in grid]
    best = int(np.argmin(losses))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    found = minimize_scalar(
        lambda x: _loss(math.exp(x), groups)[0], bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    ratio = math.exp(float(found.x))
    at_zero, within, mean = _loss(0.0, groups)
    if at_zero <= float(found.fun):
        return _Components(0.0, within, mean, "reml", _cut(True))
    _, within, mean = _loss(ratio, groups)
    return _Components(ratio * within, within, mean, "reml", "")


def _loss(ratio: float, groups: _Groups) -> tuple[float, float, float]:
    """Minus twice the restricted log likelihood (up to a constant) at va = ratio ve, and its ve and mu."""
    inflated = 1 + groups.runs * ratio
    precision = groups.runs / inflated
    mean = float((precision * groups.mean).sum() / precision.sum())
    squares = groups.within + float((precision * (groups.mean - mean) ** 2).sum())
    degrees = int(groups.runs.sum()) - 1
    within = squares / degrees
    loss = degrees * math.log(within) + float(np.log(inflated).sum()) + math.log(precision.sum())
    return loss, within, mean


def _without_noise(groups: _Groups) -> _Components:
    """Every rerun gave the same error: the models' variance is that of their means."""
    between = float(groups.mean.var(ddof=1))
    return _Components(between, 0.0, float(groups.mean.mean()), "reml", "all runs of each model gave the same error")


def _reliability(found: _Components, runs: Any) -> Any:
    """Share of the variance of a mean of so many runs that is the architecture's; NaN where it is not known."""
    known = not math.isnan(found.between) and found.between + found.within > 0
    return found.between / (found.between + found.within / runs) if known else math.nan
