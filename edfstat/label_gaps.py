"""Largest gaps between the EDFs of two samples under many assignments of models to samples at once.

Rows are laid out by stratum and, within it, by error. When every model of a stratum counts the same, the gap
is found from counts of labels in cells (block of the error order x stratum), and single models are looked at
only in blocks that can hold a maximum that matters; where most can, as in small samples, all models are summed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edfstat.kernels import SLACK

__all__ = ["GapFinder", "Gaps", "Layout", "arrange", "gap_finder"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

_ROWS_PER_BLOCK = 64
#: Cost of one model where blocks are looked at one by one, in units of that of one model in the full sum.
_CELL_COST = 3


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


#: From labels and the thresholds that matter (or None) to the gaps of each assignment.
GapFinder = Callable[[Bools, Floats | None], Gaps]


@dataclass(frozen=True)
class _Cells:
    """Where the cells (stratum x block of the error order) lie, and what is inside each block."""

    first: Ints
    flat: Ints
    shape: tuple[int, int]
    base: Floats
    row: Ints
    stratum: Ints
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


def gap_finder(layout: Layout, weights: Floats, shares_a: Floats, shares_b: Floats) -> GapFinder:
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
        From labels, shape (assignments, n), and thresholds (two-sided, D+, D-) to `Gaps`. A gap may be given
        too small where that changes nothing about which thresholds are reached; without thresholds it is exact.
    """
    low = np.minimum.reduceat(weights, layout.starts)
    if (low == np.maximum.reduceat(weights, layout.starts)).all() and (low > 0).all():
        each_a = _divided(shares_a, layout.moved)
        each_b = _divided(shares_b, layout.sizes - layout.moved)
        cells = _make_cells(layout, each_b)
        return lambda labels, thresholds: _gaps_from_cells(labels, thresholds, layout, cells, each_a, each_b)
    return lambda labels, thresholds: _gaps_of_pairs(labels, layout, weights, shares_a, shares_b)


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
    row, inside = _inside_blocks(layout, last, new)
    each = np.bincount(flat_of_row, minlength=strata * (blocks + 1)).reshape(strata, blocks + 1)
    return _Cells(
        first=first,
        flat=flat_of_row[first],
        shape=(strata, blocks + 1),
        base=np.cumsum(each_b @ each)[:blocks],
        row=row,
        stratum=stratum_of_row[row],
        inside=inside,
        splits=np.bincount(block_of_end, minlength=blocks) > 1,
    )


def _inside_blocks(layout: Layout, last: Ints, new: Bools) -> tuple[Ints, Floats]:
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


def _gaps_from_cells(
    labels: Bools, thresholds: Floats | None, layout: Layout, cells: _Cells, each_a: Floats, each_b: Floats
) -> Gaps:
    """Gaps when every model of a stratum and sample counts the same."""
    trials, (strata, blocks) = len(labels), cells.shape
    counts = np.zeros((trials, strata * blocks))
    counts[:, cells.flat] = np.add.reduceat(labels, cells.first, axis=1, dtype=np.int32)
    by_cell = counts.reshape(trials, strata, blocks)[:, :, :-1]
    rise = np.matmul(each_a, by_cell)
    ends = np.cumsum(rise + np.matmul(each_b, by_cell), axis=1) - cells.base
    starts = np.concatenate([np.zeros((trials, 1)), ends[:, :-1]], axis=1)
    plus, minus = ends.max(axis=1, initial=0.0), -ends.min(axis=1, initial=0.0)
    both, up, down = (None, None, None) if thresholds is None else thresholds.tolist()
    # Within a block the gap can rise to where it would be with all of a's models first, or fall to all of b's.
    unsure = _unsure(starts + rise, plus, both, up) | _unsure(rise - ends, minus, both, down)
    trial, block = np.nonzero(unsure & cells.splits)
    if _CELL_COST * trial.size * cells.row.shape[1] > labels.size:
        return _gaps_in_full(labels, layout, each_a, each_b)
    rows = cells.row[block]
    steps = np.where(labels[trial[:, None], rows], each_a[cells.stratum[block]], -each_b[cells.stratum[block]])
    path = np.cumsum(steps, axis=1) + starts[trial, block][:, None]
    np.maximum.at(plus, trial, (path + cells.inside[block]).max(axis=1, initial=0.0))
    np.maximum.at(minus, trial, -(path - cells.inside[block]).min(axis=1, initial=0.0))
    return Gaps(plus, minus, np.ones(trials, dtype=bool))


def _gaps_in_full(labels: Bools, layout: Layout, each_a: Floats, each_b: Floats) -> Gaps:
    """The same by every model of every assignment, which is quicker than most blocks one by one."""
    stratum = np.repeat(np.arange(layout.sizes.size), layout.sizes)[layout.place]
    gap = np.where(labels.take(layout.place, axis=1), each_a[stratum], -each_b[stratum])
    gap = np.cumsum(gap, axis=1, out=gap).take(layout.ends, axis=1)
    valid = np.ones(len(labels), dtype=bool)
    return Gaps(gap.max(axis=1, initial=0.0), -gap.min(axis=1, initial=0.0), valid)


def _unsure(bound: Floats, reached: Floats, both: float | None, one: float | None) -> Bools:
    """Blocks in which the gap may exceed what is reached already, so that it matters."""
    if both is None or one is None:
        return bound > reached[:, None] + SLACK
    # Twice the slack: a block is looked at rather once too often. NaN thresholds matter to nobody.
    undecided = [(bound >= t - 2 * SLACK) & (reached < t - SLACK)[:, None] for t in (both, one)]
    return undecided[0] | undecided[1]
