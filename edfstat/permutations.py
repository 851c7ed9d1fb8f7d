"""Permutation of labels within strata: who belongs to which sample is shuffled, errors and strata stay.

Rows are laid out by stratum and, within it, by error. A set of labels is a row of booleans in that layout:
true where the model counts for sample a. Two things make a permutation cheap: labels are drawn as random
bytes and then corrected to the right number per stratum (exactly uniform, at a twentieth of a shuffle), and
when every model of a stratum counts the same, the gap between the two EDFs is found from counts of labels in
cells (block of the error order x stratum), looking at single models only in blocks that can hold the maximum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ENUMERATED", "Gaps", "Layout", "Tail", "arrange", "count_assignments", "gap_finder", "permutation_tails"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

#: Up to this many assignments are all visited, which makes the p-value exact.
ENUMERATED = 20_000
#: Equal statistics may differ by rounding; those this close count as equal.
SLACK = 1e-12
#: Labels handled at once: large enough to hide Python, small enough to stay in the processor's cache.
_BLOCK = 1 << 18
_ROWS_PER_BLOCK = 64


class Layout(NamedTuple):
    """Two pooled samples, by stratum and then by error."""

    labels: Bools
    starts: Ints
    sizes: Ints
    moved: Ints
    place: Ints
    ends: Ints
    values: Floats


class Gaps(NamedTuple):
    """Largest F_a - F_b and F_b - F_a of each assignment, and whether both samples keep a weight."""

    plus: Floats
    minus: Floats
    valid: Bools


class Tail(NamedTuple):
    """A permutation p-value and the number of assignments behind it."""

    pvalue: float
    resamples: int


@dataclass(frozen=True)
class _Cells:
    """Where the cells (stratum x block of the error order) lie, and what is inside each block."""

    first: Ints
    flat: Ints
    shape: tuple[int, int]
    base: Floats
    row: Ints
    inside: Floats
    splits: Bools


def arrange(errors_a: Floats, errors_b: Floats, codes_a: Ints, codes_b: Ints, restrict: float) -> tuple[Layout, Ints]:
    """Layout of two samples with strata 0..k-1, and the pooled index (a before b) of each row of it.

    `ends` are the positions in the order of errors at which a distinct error <= `restrict` ends, `values`
    those errors; `place` says which row of the layout comes at each position.
    """
    errors = np.concatenate([errors_a, errors_b])
    codes = np.concatenate([codes_a, codes_b])
    order = np.argsort(errors, kind="stable")
    ranked = errors[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    ends = ends[ranked[ends] <= restrict]
    by_stratum = np.argsort(codes[order], kind="stable")
    place = np.empty_like(by_stratum)
    place[by_stratum] = np.arange(by_stratum.size)
    rows = order[by_stratum]
    labels = rows < errors_a.size
    sizes = np.bincount(codes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return Layout(labels, starts, sizes, np.bincount(codes_a, minlength=sizes.size), place, ends, ranked[ends]), rows


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
    find_gaps: Callable[[Bools], Gaps],
    observed: Floats,
    n_resamples: int,
    rng: np.random.Generator,
    stop_after: int | None = None,
) -> list[Tail]:
    """P-values of several statistics from one set of assignments.

    Parameters
    ----------
    layout : Layout
    find_gaps : callable
        Labels, shape (assignments, models), to `Gaps`; from `gap_finder`.
    observed : ndarray, shape (3,)
        Observed two-sided statistic, D+ and D-; NaN for one that is not wanted.
    n_resamples : int
        Assignments drawn where there are more than `ENUMERATED`.
    rng : Generator
    stop_after : int, optional
        Stop a statistic once this many assignments reached it, with p = stop_after / drawn [1]_.

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
            reached = _reached(find_gaps(labels), observed)
            seen += reached.sum(axis=0)
            total += len(reached)
        return [Tail(float(count / total), total) for count in seen]
    return _sampled_tails(layout, find_gaps, observed, n_resamples, rng, stop_after)


def _sampled_tails(
    layout: Layout,
    find_gaps: Callable[[Bools], Gaps],
    observed: Floats,
    n_resamples: int,
    rng: np.random.Generator,
    stop_after: int | None,
) -> list[Tail]:
    wanted = ~np.isnan(observed)
    limit = n_resamples + 1 if stop_after is None else stop_after
    seen, drawn = np.zeros(3, dtype=int), 0
    stopped: list[Tail | None] = [None if keep else Tail(math.nan, 0) for keep in wanted]
    while drawn < n_resamples and any(tail is None for tail in stopped):
        labels = draw_labels(layout, min(_at_once(layout), n_resamples - drawn), rng)
        reached = _reached(find_gaps(labels), observed)
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


def gap_finder(layout: Layout, weights: Floats, shares_a: Floats, shares_b: Floats) -> Callable[[Bools], Gaps]:
    """How to find the gaps of any assignment.

    Parameters
    ----------
    layout : Layout
    weights : ndarray, shape (n,)
        Weight of each row of the layout, which moves with its error.
    shares_a, shares_b : ndarray, shape (k,)
        What each stratum stands for in sample a and in sample b, whoever is in it; sums 1.

    Returns
    -------
    callable
        From labels, shape (assignments, n), to `Gaps`.
    """
    low = np.minimum.reduceat(weights, layout.starts)
    if (low == np.maximum.reduceat(weights, layout.starts)).all() and (low > 0).all():
        each_a = _divided(shares_a, layout.moved)
        each_b = _divided(shares_b, layout.sizes - layout.moved)
        cells = _make_cells(layout, each_b)
        return lambda labels: _gaps_from_cells(labels, layout, cells, each_a, each_b)
    return lambda labels: _gaps_of_pairs(labels, layout, weights, shares_a, shares_b)


def _divided(shares: Floats, counts: Ints) -> Floats:
    return np.divide(shares, counts, out=np.zeros(shares.size), where=counts > 0)


def _gaps_of_pairs(labels: Bools, layout: Layout, weights: Floats, shares_a: Floats, shares_b: Floats) -> Gaps:
    """Gaps when weights differ within a stratum: each sample's share of it is spread over who is there now."""
    in_a = np.where(labels, weights, 0.0)
    in_b = weights - in_a
    held_a = np.add.reduceat(in_a, layout.starts, axis=1)
    held_b = np.add.reduceat(in_b, layout.starts, axis=1)
    valid = (((held_a > 0) | (shares_a == 0)) & ((held_b > 0) | (shares_b == 0))).all(axis=1)
    per_a = np.divide(shares_a, held_a, out=np.zeros_like(held_a), where=held_a > 0)
    per_b = np.divide(shares_b, held_b, out=np.zeros_like(held_b), where=held_b > 0)
    in_a *= np.repeat(per_a, layout.sizes, axis=1)
    in_b *= np.repeat(per_b, layout.sizes, axis=1)
    in_a -= in_b
    gap = np.cumsum(in_a[:, layout.place] if layout.sizes.size > 1 else in_a, axis=1)[:, layout.ends]
    return Gaps(gap.max(axis=1, initial=0.0), -gap.min(axis=1, initial=0.0), valid)


def _make_cells(layout: Layout, each_b: Floats) -> _Cells:
    """Cut the order of errors, at ends of ties, into blocks of a few dozen models."""
    strata = layout.sizes.size
    target = max(_ROWS_PER_BLOCK, 6 * strata)
    counts = np.diff(layout.ends, prepend=-1)
    large = counts > target
    window = layout.ends // target
    new = np.ones(layout.ends.size, dtype=bool)
    new[1:] = (window[1:] != window[:-1]) | large[1:] | large[:-1]
    block_of_end = np.cumsum(new) - 1
    blocks = int(block_of_end[-1]) + 1 if new.size else 0
    last = layout.ends[np.append(np.flatnonzero(new)[1:] - 1, layout.ends.size - 1)] if blocks else layout.ends
    # Models beyond the last end (worse than `restrict`) make one more block, which is counted but never looked at.
    block_of_row = np.repeat(np.arange(blocks + 1), np.diff(last, prepend=-1, append=layout.labels.size - 1))
    stratum_of_row = np.repeat(np.arange(strata), layout.sizes)
    flat_of_row = np.empty(layout.labels.size, dtype=np.intp)
    flat_of_row[layout.place] = block_of_row
    flat_of_row += stratum_of_row * (blocks + 1)
    first = np.flatnonzero(np.append(True, flat_of_row[1:] != flat_of_row[:-1]))
    row, inside = _inside_blocks(layout, last, counts, new)
    each = np.bincount(flat_of_row, minlength=strata * (blocks + 1)).reshape(strata, blocks + 1)
    return _Cells(
        first=first,
        flat=flat_of_row[first],
        shape=(strata, blocks + 1),
        base=np.cumsum(each_b @ each)[:blocks],
        row=row,
        inside=inside,
        splits=np.bincount(block_of_end, minlength=blocks) > 1,
    )


def _inside_blocks(layout: Layout, last: Ints, counts: Ints, new: Bools) -> tuple[Ints, Floats]:
    """Rows of each block in the order of errors, padded; 0 at the end of a tie and -inf elsewhere."""
    blocks = last.size
    width = np.diff(last, prepend=-1)
    # A block of one large tie has nothing inside, however wide it is.
    several = np.bincount(np.cumsum(new) - 1, minlength=blocks) > 1 if blocks else np.zeros(0, dtype=bool)
    widest = int(width[several].max()) if several.any() else 1
    begin = np.concatenate([[0], last[:-1] + 1]) if blocks else last
    position = begin[:, None] + np.arange(widest)
    is_end = np.zeros(layout.labels.size, dtype=bool)
    is_end[layout.ends] = True
    within = np.arange(widest) < width[:, None]
    position = np.minimum(position, layout.labels.size - 1)
    return layout.place[position], np.where(within & is_end[position], 0.0, -np.inf)


def _gaps_from_cells(labels: Bools, layout: Layout, cells: _Cells, each_a: Floats, each_b: Floats) -> Gaps:
    """Gaps when every model of a stratum and sample counts the same."""
    trials, (strata, blocks) = len(labels), cells.shape
    counts = np.zeros((trials, strata * blocks))
    counts[:, cells.flat] = np.add.reduceat(labels, cells.first, axis=1, dtype=np.int32)
    by_cell = counts.reshape(trials, strata, blocks)[:, :, :-1]
    rise = np.matmul(each_a, by_cell)
    ends = np.cumsum(rise + np.matmul(each_b, by_cell), axis=1) - cells.base
    starts = np.concatenate([np.zeros((trials, 1)), ends[:, :-1]], axis=1)
    plus, minus = ends.max(axis=1, initial=0.0), -ends.min(axis=1, initial=0.0)
    weight = np.stack([-each_b, each_a], axis=1)
    stratum_of_row = np.repeat(np.arange(strata), layout.sizes)
    # Within a block the gap can rise to where it would be with all of a's models first, or fall to all of b's.
    up = (starts + rise > plus[:, None] + SLACK) & cells.splits
    down = (ends - rise < -minus[:, None] - SLACK) & cells.splits
    trial, block = np.nonzero(up | down)
    rows = cells.row[block]
    path = np.cumsum(weight[stratum_of_row[rows], labels[trial[:, None], rows].astype(np.intp)], axis=1)
    path += starts[trial, block][:, None]
    np.maximum.at(plus, trial, (path + cells.inside[block]).max(axis=1, initial=0.0))
    np.maximum.at(minus, trial, -(path - cells.inside[block]).min(axis=1, initial=0.0))
    return Gaps(plus, minus, np.ones(trials, dtype=bool))
