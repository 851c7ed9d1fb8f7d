"""Numbers of each panel, by the paper's conventions, beside the exact values of what the paper simulates."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.complexity import complexity_weights
from edfstat.distributions import edf
from edfstat.errors import InputError
from edfstat.kolmogorov import ks_test
from edfstat.paper.results import SCALES, Jobs, Results
from edfstat.paper.settings import Panel, doubling
from edfstat.planning import expected_ks
from edfstat.search_odds import best_of, random_search

__all__ = ["compute_panel"]

Curve = dict[str, Any]
Rng = np.random.Generator
Floats = NDArray[np.float64]
TRIALS = 5000


def compute_panel(panel: Panel, results: Results, rng: Rng) -> dict[str, Any]:
    """Numbers of one panel in the form of the JSON files.

    Raises
    ------
    InputError
        If the files hold too few jobs for the paper's settings, or a bin holds none.
    """
    jobs = [results.jobs(name) for name in panel.files]
    limits = [(measure, _lower(low, jobs, measure), high) for measure, low, high in panel.ranges]
    numbers: dict[str, Any] = {
        "panel": panel.name, "kind": _KINDS.get(panel.kind, panel.kind), "measure": panel.measure,
        "range": list(limits[0][1:]) if len(limits) == 1 else None,
        "bins": panel.bins, "title": panel.title,
    }  # fmt: skip
    if len(limits) > 1:
        numbers["ranges"] = {measure: [low, high] for measure, low, high in limits}
    return numbers | _COMPUTE[panel.kind](panel, jobs, limits, rng)


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


def _named(jobs: Jobs, **numbers: Any) -> Curve:
    return {"space": jobs.space, "file": jobs.file, "n": int(jobs.error.size), **numbers}


def _weights(panel: Panel, jobs: Jobs, limits: Limits) -> Floats | None:
    """Each of the equal-width bins has the same weight, shared equally by its jobs."""
    if panel.bins is None:
        return None
    (measure, low, high), *_ = limits
    try:
        found: Floats = complexity_weights(jobs.scaled(measure), bins=panel.bins, range=(low, high))
    except InputError as error:
        raise InputError(f"{jobs.file}: {error}") from None
    return found


def _edf(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves = []
    for one in jobs:
        inside = _inside(one, limits)
        steps = edf(inside.error, _weights(panel, inside, limits))
        curves.append(_named(inside, x=steps.support, y=steps.probabilities))
    return {"curves": curves}


def _search(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves, sizes = [], doubling(panel.last)
    for one in jobs:
        inside = _inside(one, limits)
        weights = _weights(panel, inside, limits)
        exact = random_search(inside.error, sizes, weights)
        means, stds, repeats = _simulated_search(inside.error, weights, sizes, rng)
        curves.append(
            _named(
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


def _simulated_search(
    error: Floats, weights: Floats | None, sizes: list[int], rng: Rng
) -> tuple[list[float], list[float], list[int]]:
    """Best of k draws with replacement, n/k times: mean and population standard deviation."""
    repeats = [error.size // k for k in sizes]
    means, stds = [], []
    for k, times in zip(sizes, repeats, strict=True):
        best = error[rng.choice(error.size, size=(times, k), p=weights)].min(axis=1) if times else np.array([])
        means.append(float(best.mean()) if times else math.nan)
        stds.append(float(best.std()) if times else math.nan)
    return means, stds, repeats


def _minima(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    (one,) = jobs
    _need(one, 1000)
    best = np.array([[_draw(one.error, size, rng).min() for size in (100, 1000)] for _ in range(TRIALS)])
    difference = best[:, 0] - best[:, 1]
    counts, edges = np.histogram(difference, bins=panel.bins or 29)
    win, tie, lose = best_of(one.error, 100, n_b=1000, replace=False)
    shares = {
        "exact": {"best_of_100": win, "tie": tie, "best_of_1000": lose},
        "simulated": {
            "best_of_100": float((difference < 0).mean()),
            "tie": float((difference == 0).mean()),
            "best_of_1000": float((difference > 0).mean()),
        },
        "trials": TRIALS,
    }
    return {"curves": [_named(one, edges=edges, counts=counts)], "wins": shares}


def _draw(error: Floats, size: int, rng: Rng) -> Floats:
    return error[rng.choice(error.size, size=size, replace=False, shuffle=False)]


def _need(jobs: Jobs, count: int) -> None:
    if jobs.error.size < count:
        raise InputError(f"{jobs.file} holds {jobs.error.size} jobs; this panel needs at least {count}")


def _samples_ks(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    (one,) = jobs
    _need(one, 1000)
    samples = [_draw(one.error, size, rng) for size in (100, 1000)]
    test = ks_test(*samples)
    curves = [_sample_curve(one, sample, np.arange(sample.size) / sample.size) for sample in samples]
    return {"curves": curves, "ks": {"statistic": test.statistic, "pvalue": test.pvalue, "method": test.method}}


def _sample_curve(jobs: Jobs, sample: Floats, ordinate: Floats) -> Curve:
    """F(<=) of a sample, and the ordinate that the paper draws at each error in ascending order."""
    steps = edf(sample)
    return {
        "space": jobs.space, "file": jobs.file, "n": int(sample.size), "x": steps.support, "y": steps.probabilities,
        "paper_x": np.sort(sample), "paper_y": ordinate,
    }  # fmt: skip


def _samples(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    (one,) = jobs
    sizes = [size for size in (10, 100, 1000, 10_000) if size <= one.error.size]
    if not sizes:
        _need(one, 10)
    curves = [_sample_curve(one, _draw(one.error, size, rng), np.linspace(0, 1, size)) for size in sizes]
    left_out = [size for size in (10, 100, 1000, 10_000) if size not in sizes]
    notes = [f"{one.file} holds {one.error.size} jobs: no sample of {size}" for size in left_out]
    return {"curves": curves, "notes": notes}


def _ks(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    (one,) = jobs
    _need(one, panel.last)
    sizes, trials = doubling(panel.last), 50
    _, codes = np.unique(one.error, return_inverse=True)
    levels = int(codes.max()) + 1

    def law(size: int) -> Floats:
        drawn = codes[rng.choice(codes.size, size=size, replace=False, shuffle=False)]
        return np.asarray(np.bincount(drawn, minlength=levels).cumsum() / size)

    reference = law(panel.last)
    gaps = np.array([[np.abs(law(size) - reference).max() for _ in range(trials)] for size in sizes])
    expected = np.array([expected_ks(size, other=panel.last) for size in sizes])
    curve = _named(
        one, x=sizes, y=expected[:, 0], std=expected[:, 1],
        simulated_mean=gaps.mean(axis=1), simulated_std=gaps.std(axis=1), repeats=[trials] * len(sizes),
    )  # fmt: skip
    note = (
        "y is the exact expectation for two independent samples without ties; the simulated samples are drawn "
        "without replacement from one finite file, so large ones lie closer"
    )
    return {"curves": [curve], "notes": [note]}


def _scatter(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves = []
    for one in jobs:
        inside = _inside(one, limits)
        shown = np.arange(inside.error.size)
        if shown.size > panel.last:
            shown = np.sort(rng.choice(shown.size, size=panel.last, replace=False))
        curves.append(
            _named(inside, x=inside.scaled(panel.measure)[shown], y=inside.error[shown], shown=int(shown.size))
        )
    return {"curves": curves}


def _hist(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves, (limit,) = [], limits
    for one in jobs:
        inside = _inside(one, limits)
        counts, edges = np.histogram(inside.scaled(panel.measure), bins=panel.bins or 10, range=limit[1:])
        curves.append(_named(inside, edges=edges, counts=counts))
    return {"curves": curves}


def _widths(panel: Panel, jobs: list[Jobs], limits: Limits, rng: Rng) -> dict[str, Any]:
    curves = []
    for one in jobs:
        counts, edges = np.histogram(one.scaled(panel.measure), bins="fd")
        curves.append(_named(one, edges=edges, counts=counts))
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
            _named(
                one,
                x=np.log10(one.population["lr"].values),
                y=np.log10(one.population["weight_decay"].values),
                rank=rankdata(one.error, method="ordinal") / n,
                average_rank=rankdata(one.error) / n,
            )
        )
    note = "rank orders tied jobs as they stand in the file; average_rank gives them the same rank"
    return {"curves": curves, "notes": [note], "limits": {"lr": [0.001, 1], "weight_decay": [0.00001, 0.01]}}


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
        curve = _sample_curve(one, means, np.linspace(0, 1, means.size))
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
            _named(
                inside,
                x=filled,
                y=[float(part.mean()) for part in parts],
                std=[float(part.std()) for part in parts],
                counts=[part.size for part in parts],
                edges=edges,
            )
        )
    return {"curves": curves, "range": [int(bottom), top]}


_KINDS = {
    "minima": "hist", "samples_ks": "edf", "samples": "edf", "widths": "hist", "reruns": "hist", "seeds": "edf",
}  # fmt: skip
_COMPUTE: dict[str, Callable[[Panel, list[Jobs], Limits, Rng], dict[str, Any]]] = {
    "edf": _edf, "search": _search, "minima": _minima, "samples_ks": _samples_ks, "samples": _samples, "ks": _ks,
    "scatter": _scatter, "hist": _hist, "widths": _widths, "map": _map, "reruns": _reruns, "seeds": _seeds,
    "bins": _bins,
}  # fmt: skip
