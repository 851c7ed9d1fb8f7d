"""Permutation of labels within strata: who belongs to which sample is shuffled, errors and strata stay.

A set of labels is a row of booleans in the order of a `Layout`: true where the model counts for sample a.
Labels are drawn as random bytes and then corrected to the right number per stratum: exactly uniform, at a
tenth of the cost of a shuffle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edfstat.kernels import SLACK
from edfstat.label_gaps import GapFinder, Gaps, Layout

__all__ = ["ENUMERATED", "Needs", "Tail", "count_assignments", "draw_labels", "permutation_tails"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

#: Up to this many assignments are all visited, which makes the p-value exact.
ENUMERATED = 20_000
#: Labels handled at once: large enough to hide Python, small enough to stay in the processor's cache.
_BLOCK = 1 << 18


#: How often all strata that leave a sample without weight are drawn again; then one by one, so that none does.
_REDRAWS = 8


class Needs(NamedTuple):
    """Which models have a weight, by row, and whether each stratum must have such ones in sample a and in b."""

    weighted: Bools
    in_a: Bools
    in_b: Bools


class Tail(NamedTuple):
    """A permutation p-value and the number of assignments behind it."""

    pvalue: float
    resamples: int


def count_assignments(sizes: Ints, moved: Ints) -> int:
    """Number of ways to hand out `moved` labels in each stratum; `ENUMERATED` + 1 stands for any more."""
    total = 1
    for size, chosen in zip(sizes.tolist(), moved.tolist(), strict=True):
        fewer = min(chosen, size - chosen)
        # comb(40, 20) is far beyond the limit already; larger binomials would only take time.
        total *= math.comb(size, fewer) if fewer < 20 else ENUMERATED + 1
        if total > ENUMERATED:
            return ENUMERATED + 1
    return total


def permutation_tails(
    layout: Layout,
    find_gaps: GapFinder,
    observed: Floats,
    n_resamples: int,
    rng: np.random.Generator,
    stop_after: int | None = None,
    needs: Needs | None = None,
) -> list[Tail]:
    """P-values of several statistics from one set of assignments.

    Parameters
    ----------
    layout : Layout
    find_gaps : callable
        From `gap_finder`.
    observed : ndarray, shape (3,)
        Observed two-sided statistic, D+ and D-; NaN for one that is not wanted.
    n_resamples : int
        Assignments drawn where there are more than `ENUMERATED`.
    rng : Generator
    stop_after : int, optional
        Stop a statistic once this many assignments reached it, with p = stop_after / drawn [1]_.
    needs : Needs, optional
        What every assignment drawn must leave in each stratum, where models of weight zero might take all places.

    Returns
    -------
    list of Tail

    References
    ----------
    .. [1] Besag & Clifford, Sequential Monte Carlo p-values, Biometrika 78, 1991.
    """
    if count_assignments(layout.sizes, layout.moved) <= ENUMERATED:
        seen, total = np.zeros(3, dtype=int), 0
        for labels in _all_labels(layout):
            reached = _reached(find_gaps(labels, observed), observed)
            seen += reached.sum(axis=0)
            total += len(reached)
        return [Tail(float(count / total), total) for count in seen]
    return _sampled_tails(layout, find_gaps, observed, n_resamples, rng, stop_after, needs)


def _sampled_tails(
    layout: Layout,
    find_gaps: GapFinder,
    observed: Floats,
    n_resamples: int,
    rng: np.random.Generator,
    stop_after: int | None,
    needs: Needs | None,
) -> list[Tail]:
    wanted = ~np.isnan(observed)
    limit = n_resamples + 1 if stop_after is None else stop_after
    seen, drawn = np.zeros(3, dtype=int), 0
    stopped: list[Tail | None] = [None if keep else Tail(math.nan, 0) for keep in wanted]
    while drawn < n_resamples and any(tail is None for tail in stopped):
        labels = draw_labels(layout, min(_at_once(layout), n_resamples - drawn), rng)
        if needs is not None:
            _meet(needs, labels, layout, rng)
        reached = _reached(find_gaps(labels, observed), observed)
        running = seen + np.cumsum(reached, axis=0)
        for which in range(3):
            if stopped[which] is None and len(reached) and running[-1, which] >= limit:
                at = drawn + int(np.argmax(running[:, which] >= limit)) + 1
                stopped[which] = Tail(limit / at, at)
        seen = seen + reached.sum(axis=0)
        drawn += len(reached)
    return [tail or Tail((1 + int(count)) / (1 + drawn), drawn) for tail, count in zip(stopped, seen, strict=True)]


def _reached(gaps: Gaps, observed: Floats) -> Bools:
    """Which assignments reach each observed statistic; those that leave a sample without weight are left out."""
    each = np.stack([np.maximum(gaps.plus, gaps.minus), gaps.plus, gaps.minus], axis=1)
    reached: Bools = each[gaps.valid] >= observed - SLACK
    return reached


def _at_once(layout: Layout) -> int:
    return max(1, _BLOCK // layout.labels.size)


def _all_labels(layout: Layout) -> Iterator[Bools]:
    """Every assignment once, in blocks."""
    choices = [_subsets(int(size), int(moved)) for size, moved in zip(layout.sizes, layout.moved, strict=True)]
    counts = [len(rows) for rows, _ in choices]
    total = math.prod(counts)
    step = _at_once(layout)
    for first in range(0, total, step):
        digits = np.unravel_index(np.arange(first, min(first + step, total)), counts)
        labels = np.zeros((digits[0].size, layout.labels.size), dtype=bool)
        for (rows, chosen), digit, start, size in zip(choices, digits, layout.starts, layout.sizes, strict=True):
            part = labels[:, start : start + size]
            part[:] = not chosen
            np.put_along_axis(part, rows[digit], chosen, axis=1)
        yield labels


def _subsets(size: int, moved: int) -> tuple[Ints, bool]:
    """All ways to choose the smaller side of a stratum, and the label of that side."""
    fewer = min(moved, size - moved)
    flat = np.fromiter(chain.from_iterable(combinations(range(size), fewer)), dtype=np.intp)
    return flat.reshape(math.comb(size, fewer), fewer), fewer == moved


def draw_labels(layout: Layout, count: int, rng: np.random.Generator) -> Bools:
    """Uniformly random assignments, shape (count, models): in each stratum as many labels as observed.

    A label is first set with about the right chance, model by model; given how many there are then, which
    models have it is uniform, and stays so when the excess is taken from models drawn at random.
    """
    n = layout.labels.size
    chance = np.clip(np.rint(256 * layout.moved / layout.sizes), 0, 255).astype(np.uint8)
    words = rng.integers(0, 2**64 - 1, size=(count * n + 7) // 8, dtype=np.uint64, endpoint=True)
    noise = words.view(np.uint8)[: count * n].reshape(count, n)
    labels: Bools = noise < np.repeat(chance, layout.sizes)
    have = np.add.reduceat(labels, layout.starts, axis=1, dtype=np.int32).astype(np.int64)
    _correct(labels, have, layout, rng)
    return labels


def _meet(needs: Needs, labels: Bools, layout: Layout, rng: np.random.Generator) -> None:
    """Draw strata again in which a sample has no weight, until there is none: the others keep their law."""
    total = np.add.reduceat(needs.weighted, layout.starts, dtype=np.intp)
    for tries in range(_REDRAWS + 1):
        held = np.add.reduceat(labels & needs.weighted, layout.starts, axis=1, dtype=np.intp)
        trial, stratum = np.nonzero((needs.in_a & (held == 0)) | (needs.in_b & (held == total)))
        if trial.size == 0:
            return
        if tries < _REDRAWS:
            sizes = layout.sizes[stratum]
            begin = np.cumsum(sizes) - sizes
            row = np.arange(sizes.sum()) + np.repeat(layout.starts[stratum] - begin, sizes)
            part = layout._replace(
                labels=np.zeros(row.size, dtype=bool), starts=begin, sizes=sizes, moved=layout.moved[stratum]
            )
            labels[np.repeat(trial, sizes), row] = draw_labels(part, 1, rng)[0]
    _draw_one_by_one(needs, labels, layout, trial, stratum, total, rng)


def _draw_one_by_one(
    needs: Needs, labels: Bools, layout: Layout, trial: Ints, stratum: Ints, total: Ints, rng: np.random.Generator
) -> None:
    """Draw each stratum of a trial anew: first how many of the weighted models a has, then which."""
    laws: dict[int, tuple[Ints, Floats]] = {}
    for which, j in zip(trial.tolist(), stratum.tolist(), strict=True):
        if j not in laws:
            laws[j] = _weighted_in_a(int(layout.sizes[j]), int(layout.moved[j]), int(total[j]), needs, j)
        rows = np.arange(layout.starts[j], layout.starts[j] + layout.sizes[j])
        among = needs.weighted[rows]
        count = int(rng.choice(laws[j][0], p=laws[j][1]))
        labels[which, rows] = False
        labels[which, rng.choice(rows[among], count, replace=False)] = True
        labels[which, rng.choice(rows[~among], int(layout.moved[j]) - count, replace=False)] = True


def _weighted_in_a(size: int, moved: int, weighted: int, needs: Needs, stratum: int) -> tuple[Ints, Floats]:
    """Numbers of weighted models that a may have in a stratum, and their chances given that the needs are met."""
    from scipy.stats import hypergeom

    least = max(int(needs.in_a[stratum]), moved - (size - weighted))
    most = min(weighted - int(needs.in_b[stratum]), moved)
    counts = np.arange(least, most + 1)
    logs = hypergeom.logpmf(counts, size, weighted, moved)
    chances = np.exp(logs - logs.max())
    return counts, chances / chances.sum()


def _correct(labels: Bools, have: NDArray[np.int64], layout: Layout, rng: np.random.Generator) -> None:
    """Flip labels of models drawn at random until each stratum has as many as it should."""
    n = layout.labels.size
    flat = labels.reshape(-1)
    while True:
        excess = have - layout.moved
        trial, stratum = np.nonzero(excess)
        if trial.size == 0:
            return
        over = excess[trial, stratum]
        size, holders = layout.sizes[stratum], have[trial, stratum]
        flippable = np.where(over > 0, holders, size - holders)
        tries = np.ceil(1.1 * np.abs(over) * size / flippable).astype(np.intp) + 4
        which = np.repeat(np.arange(trial.size), tries)
        model = (rng.random(which.size) * size[which]).astype(np.intp)
        key = (trial * n + layout.starts[stratum])[which] + model
        usable = flat[key] == (over > 0)[which]
        key, which = _without_repeats(key[usable], which[usable], flat.size)
        before = np.searchsorted(which, np.arange(trial.size))
        kept = np.arange(which.size) - before[which] < np.abs(over)[which]
        key, which = key[kept], which[kept]
        flat[key] ^= True
        have[trial, stratum] -= np.sign(over) * np.bincount(which, minlength=trial.size)


def _without_repeats(key: Ints, which: Ints, size: int) -> tuple[Ints, Ints]:
    """Each key once, in the order drawn; the last of equal ones stays, which is as random as the first."""
    owner = np.empty(size, dtype=np.int32)
    index = np.arange(key.size, dtype=np.int32)
    owner[key] = index
    single = owner[key] == index
    return key[single], which[single]
