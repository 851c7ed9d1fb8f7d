"""Numbers of each panel, by the paper's conventions; those that the paper simulates are in `simulating`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from edfstat.complexity import complexity_weights
from edfstat.errors import InputError
from edfstat.paper import simulating
from edfstat.paper.curves import Floats, named, sample_curve, step_curve
from edfstat.paper.results import SCALES, Jobs, Results
from edfstat.paper.settings import Panel, doubling
from edfstat.search_odds import random_search

__all__ = ["compute_panel"]

Rng = random.Random


def compute_panel(panel: Panel, results: Results, rng: Rng) -> dict[str, Any]:
    """Numbers of one panel in the form of the JSON files.

    Raises
    ------
    InputError
        If the files hold too few jobs for the paper's settings, or a bin holds none.
    """
    jobs = [results.jobs(name, failed=panel.kind in _COUNT_FAILED) for name in panel.files]
    limits = [(measure, _lower(low, jobs, measure), high) for measure, low, high in panel.ranges]
    numbers: dict[str, Any] = {
        "panel": panel.name, "kind": _KINDS.get(panel.kind, panel.kind), "measure": panel.measure,
        "range": list(limits[0][1:]) if len(limits) == 1 else None,
        "bins": panel.bins, "title": panel.title,
    }  # fmt: skip
    if len(limits) > 1:
        numbers["ranges"] = {measure: [low, high] for measure, low, high in limits}
    view: dict[str, Any] = {axis: list(ends) for axis, ends in (("x", panel.x), ("y", panel.y)) if ends}
    if panel.zoom:
        view["zoom"] = [list(ends) for ends in panel.zoom if ends]
    return numbers | ({"view": view} if view else {}) | _COMPUTE[panel.kind](panel, jobs, limits, rng)


def _lower(low: float | None, jobs: list[Jobs], measure: str) -> float:
    return low if low is not None else float(max(one.scaled(measure).min() for one in jobs))


Limits = list[tuple[str, float, float]]


def _inside(jobs: Jobs, limits: Limits) -> Jobs:
    """Jobs strictly between the limits of every measure."""
    keep = np.ones(jobs.error.size, dtype=bool)
    for measure, low, high in limits:
        scaled = jobs.scaled(measure)
        keep &= (low < scaled) & (scaled < high)
    if not keep.any():
        raise InputError(f"{jobs.file} holds no job in the range {limits}")
    return jobs.chosen(keep)


def _weights(panel: Panel, jobs: Jobs, limits: Limits) -> Floats | None:
    """Each of the equal-width bins has the same weight, shared equally by its jobs."""
    if panel.bins is None:
        return None
    (measure, low, high), *_ = limits
    try:
        found: Floats = complexity_weights(jobs.scaled(measure), bins=panel.bins, range=(low, high))
    except InputError as error:
        # Other bins, which the message goes on to offer, would not be the paper's figure.
        reason = str(error).split("; ")[0].replace(" of group all", "")
        raise InputError(f"{jobs.file}: {reason}") from None
    return found


def _edf(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves = []
    for one in jobs:
        inside = _inside(one, limits)
        curves.append(step_curve(inside, _weights(panel, inside, limits)))
    return {"curves": curves}


def _search(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves, sizes = [], doubling(panel.last)
    for one in jobs:
        inside = _inside(one, limits)
        weights = _weights(panel, inside, limits)
        exact = random_search(inside.error, sizes, weights)
        means, stds, repeats = simulating.search_best(inside.error, weights, sizes, rng)
        curves.append(
            named(
                inside,
                x=sizes,
                y=exact["mean"].values,
                std=exact["std"].values,
                simulated_mean=means,
                simulated_std=stds,
                repeats=repeats,
            )
        )
    return {"curves": curves}


def _minima(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    return simulating.compare_minima(jobs[0], panel.bins or 29, rng)


def _samples_ks(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    return simulating.compare_samples(jobs[0], rng)


def _samples(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    return simulating.nested_samples(jobs[0], rng)


def _gaps(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    return simulating.gap_by_size(jobs[0], panel.last, rng)


def _scatter(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves = []
    for one in jobs:
        inside = _inside(one, limits)
        # Drawn also where all are shown, as the paper does: the next file's draw depends on it.
        shown = rng.sample(range(inside.error.size), min(inside.error.size, panel.last))
        curves.append(named(inside, x=inside.scaled(panel.measure)[shown], y=inside.error[shown], shown=len(shown)))
    return {"curves": curves}


def _hist(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves, (limit,) = [], limits
    for one in jobs:
        inside = _inside(one, limits)
        counts, edges = np.histogram(inside.scaled(panel.measure), bins=panel.bins or 10, range=limit[1:])
        curves.append(named(inside, edges=edges, counts=counts))
    return {"curves": curves}


def _widths(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves = []
    for one in jobs:
        counts, edges = np.histogram(one.scaled(panel.measure), bins="fd")
        curves.append(named(one, edges=edges, counts=counts))
    return {"curves": curves}


def _map(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    from scipy.stats import rankdata

    curves = []
    for one in jobs:
        for name in ("lr", "weight_decay"):
            if name not in one.population.variables:
                raise InputError(f"{one.file} says no {name}; this panel needs it")
        n = one.error.size
        curves.append(
            named(
                one,
                x=np.log10(one.population["lr"].values),
                y=np.log10(one.population["weight_decay"].values),
                rank=rankdata(one.error, method="ordinal") / n,
                average_rank=rankdata(one.error) / n,
            )
        )
    note = "rank orders tied jobs as they stand in the file; average_rank gives them the same rank"
    sampled = {"lr": [0.001, 1], "weight_decay": [0.00001, 0.01]}
    default = dict(zip(sampled, panel.default, strict=True)) if panel.default else None
    return {"curves": curves, "notes": [note], "limits": sampled, "default": default}


def _reruns(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    (one,) = jobs
    groups = one.population["group"].values.astype(str)
    curves = []
    for group in ("top", "mid"):
        error = one.error[groups == group]
        if not error.size:
            raise InputError(f"{one.file} holds no list {group!r}")
        bins = max(1, int((error.max() - error.min()) / 0.1))
        counts, edges = np.histogram(error, bins=bins)
        curves.append(
            {"space": one.space, "file": one.file, "group": group, "n": error.size, "edges": edges, "counts": counts}
        )
    return {"curves": curves}


def _seeds(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    """Errors averaged over the first one, two, three files, by architecture, rounded to three decimals."""
    grouped: dict[str, list[float]] = {}
    curves = []
    for seeds, one in enumerate(jobs, start=1):
        for net, error in zip(one.population["net"].values, one.error, strict=True):
            grouped.setdefault(json.dumps(json.loads(net), sort_keys=True), []).append(error)
        means = np.array([round(float(np.mean(errors)), 3) for errors in grouped.values()])
        curve = sample_curve(one, means, np.linspace(0, 1, means.size))
        curves.append(curve | {"file": ", ".join(j.file for j in jobs[:seeds]), "seeds": seeds})
    return {"curves": curves}


def _bins(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    """Mean and population standard deviation of the error in each bin of raw counts, both ends included."""
    ((measure, low, high),) = limits
    bottom, top = low / SCALES[measure], round(high / SCALES[measure])
    edges = np.linspace(bottom, top, (panel.bins or 20) + 1)
    curves = []
    for one in jobs:
        counts = one.population[measure].values
        inside = one.chosen((counts >= bottom) & (counts <= top))
        place = np.searchsorted(edges, inside.population[measure].values, side="right") - 1
        place = np.minimum(place, edges.size - 2)
        filled = np.unique(place)
        parts = [inside.error[place == i] for i in filled]
        curves.append(
            named(
                inside,
                x=filled,
                y=[float(part.mean()) for part in parts],
                std=[float(part.std()) for part in parts],
                counts=[part.size for part in parts],
                edges=edges,
            )
        )
    return {"curves": curves, "range": [int(bottom), top]}


# Where a job without an error has a place: it is worse than all others, and it has its complexity.
_COUNT_FAILED = ("edf", "search", "hist", "widths")
_KINDS = {
    "minima": "hist", "samples_ks": "edf", "samples": "edf", "widths": "hist", "reruns": "hist", "seeds": "edf",
}  # fmt: skip
_COMPUTE: dict[str, Callable[[Panel, list[Jobs], Limits, Rng], dict[str, Any]]] = {
    "edf": _edf, "search": _search, "minima": _minima, "samples_ks": _samples_ks, "samples": _samples, "ks": _gaps,
    "scatter": _scatter, "hist": _hist, "widths": _widths, "map": _map, "reruns": _reruns, "seeds": _seeds,
    "bins": _bins,
}  # fmt: skip
