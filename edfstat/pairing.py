"""Two samples as a test takes them: checked, weighted, and with what may be permuted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edfstat import kernels, permutations
from edfstat.arguments import number
from edfstat.distributions import EDF, edf
from edfstat.errors import InputError, PopulationError
from edfstat.labels import ArrayLike, as_errors, as_numbers, as_strata, as_weights, coded, same_models

__all__ = ["Pair", "pair_up"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class Rows(NamedTuple):
    """The models of both samples, a before b: what permutations move."""

    errors: tuple[Floats, Floats]
    codes: tuple[Ints, Ints]
    weights: Floats
    shares: tuple[Floats, Floats]


@dataclass(frozen=True)
class Pair:
    """Two samples: their atoms always, their models where they are known."""

    atoms: tuple[kernels.Atoms, kernels.Atoms]
    sizes: tuple[int, int]
    effective_n: tuple[float, float]
    plain: bool
    stratified: bool
    restrict: float
    rows: Rows | None

    @cached_property
    def assignments(self) -> int:
        """Number of assignments of models to samples, capped just above what is enumerated."""
        if self.rows is None:
            return permutations.ENUMERATED + 1
        moved = np.bincount(self.rows.codes[0], minlength=self.rows.shares[0].size)
        stay = np.bincount(self.rows.codes[1], minlength=self.rows.shares[1].size)
        return permutations.count_assignments(moved + stay, moved)


class _Sample(NamedTuple):
    """The models of one side; `weights` sum to 1, None where all count the same; `raw` are as given."""

    errors: Floats
    weights: Floats | None
    raw: Floats | None
    strata: NDArray[Any] | None


def pair_up(
    a: ArrayLike | EDF,
    b: ArrayLike | EDF,
    weights_a: ArrayLike | None,
    weights_b: ArrayLike | None,
    strata_a: Any,
    strata_b: Any,
    restrict: float | None,
) -> Pair:
    """Check two samples and bring them together; arguments as of `edfstat.ks_test`."""
    limit = math.inf if restrict is None else number(restrict, "restrict", "give the highest error to compare")
    first, second = _sample(a, weights_a, strata_a, "a"), _sample(b, weights_b, strata_b, "b")
    if isinstance(first, EDF) or isinstance(second, EDF):
        if strata_a is not None or strata_b is not None:
            given, stored = ("strata_a", "b") if strata_b is None else ("strata_b", "a")
            raise InputError(
                f"{given} is given but {stored} is an EDF without strata; make it by edf(error, weights, strata=bins), "
                f"or leave {given} out"
            )
        return _of_atoms(_as_edf(first), _as_edf(second), limit)
    if (first.strata is None) != (second.strata is None):
        missing = "strata_a" if first.strata is None else "strata_b"
        raise InputError(f"{missing} is not given but the other sample's strata are; give both or neither")
    rows = _rows(first, second)
    plain = first.strata is None and first.weights is None and second.weights is None
    used_a, used_b = (None, None) if plain else _weights_used(rows)
    sizes = first.errors.size, second.errors.size
    return Pair(
        atoms=(kernels.atoms(first.errors, used_a), kernels.atoms(second.errors, used_b)),
        sizes=sizes,
        effective_n=(kernels.effective_size(used_a, sizes[0]), kernels.effective_size(used_b, sizes[1])),
        plain=plain,
        stratified=first.strata is not None,
        restrict=limit,
        rows=rows,
    )


def _sample(errors: ArrayLike | EDF, weights: ArrayLike | None, strata: Any, name: str) -> _Sample | EDF:
    """One side as its models; an EDF without strata does not hold them, and stays as it is."""
    if isinstance(errors, EDF):
        if weights is not None or strata is not None:
            raise InputError(f"weights_{name} and strata_{name} are part of the EDF {name}; give its errors instead")
        if errors.strata is None:
            return errors
        kept = errors.strata
        raw = np.ones(kept.errors.size) if kept.weights is None else kept.weights
        return _Sample(kept.errors, raw / raw.sum(), raw, kept.labels[kept.codes])
    same_models(**{name: errors, f"weights_{name}": weights, f"strata_{name}": strata})
    checked = as_errors(errors, name)
    normalised = as_weights(weights, checked.size, f"weights_{name}")
    labels = None if strata is None else as_strata(strata, f"strata_{name}", length=checked.size)
    if weights is None:
        return _Sample(checked, None, None, labels)
    if labels is None:
        normalised = None if normalised is None or normalised.min() == normalised.max() else normalised
    elif normalised is None:
        # Equal weights that were given say that a stratum counts as much as it has models; none given, 1/k.
        normalised = np.full(checked.size, 1 / checked.size)
    return _Sample(checked, normalised, as_numbers(weights, f"weights_{name}"), labels)


def _as_edf(sample: _Sample | EDF) -> EDF:
    return sample if isinstance(sample, EDF) else edf(sample.errors, sample.raw)


def _of_atoms(f: EDF, g: EDF, restrict: float) -> Pair:
    return Pair(
        atoms=(f.atoms, g.atoms),
        sizes=(int(f.n), int(g.n)),
        effective_n=(f.effective_n, g.effective_n),
        plain=f.equal_weights and g.equal_weights,
        stratified=False,
        restrict=restrict,
        rows=None,
    )


def _rows(first: _Sample, second: _Sample) -> Rows:
    """What permutations move: strata as numbers, weights on one scale, and each stratum's share."""
    sizes = first.errors.size, second.errors.size
    errors = (first.errors, second.errors)
    if first.strata is None or second.strata is None:
        codes = (np.zeros(sizes[0], dtype=np.intp), np.zeros(sizes[1], dtype=np.intp))
        return Rows(errors, codes, _common_scale(first, second), (np.ones(1), np.ones(1)))
    names, joint = _joined(first.strata, second.strata)
    codes = (joint[: sizes[0]], joint[sizes[0] :])
    shares = _shares(first, second, codes, names)
    flat = [
        _mean_one_within(sample.weights, code, names.size) for sample, code in zip((first, second), codes, strict=True)
    ]
    return Rows(errors, codes, np.concatenate(flat), shares)


def _joined(first: NDArray[Any], second: NDArray[Any]) -> tuple[NDArray[Any], Ints]:
    """The distinct strata of both samples, and the number of each model's."""
    if "U" in (kinds := {first.dtype.kind, second.dtype.kind}) and len(kinds - {"U", "O"}) > 0:
        raise InputError(f"strata_a holds {first.dtype} labels and strata_b {second.dtype}; give both of one kind")
    try:
        together = np.concatenate([first, second])
    except TypeError:
        raise InputError(
            f"strata_a holds {first.dtype} labels and strata_b {second.dtype}; give both of one kind"
        ) from None
    return coded(together, "strata_a with strata_b")


def _common_scale(first: _Sample, second: _Sample) -> Floats:
    """Weights of both samples without strata, as given unless each sum is 1 or one side has none."""
    if first.weights is None and second.weights is None:
        return np.ones(first.errors.size + second.errors.size)
    sides = []
    for sample, other in ((first, second), (second, first)):
        if sample.raw is None:
            scale = 1.0 if other.raw is None else float((other.raw / other.raw.size).sum())
            sides.append(np.full(sample.errors.size, scale))
        else:
            sides.append(sample.raw)
    largest = max(float(side.max()) for side in sides)
    if not 1e-100 < largest < 1e100:
        # Sums of weights near either end of the float range would leave it.
        sides = [side / largest for side in sides]
    if all(abs(side.sum() - 1.0) < 1e-9 for side in sides):
        sides = [side * side.size for side in sides]
    return np.concatenate(sides)


def _mean_one_within(weights: Floats | None, codes: Ints, strata: int) -> Floats:
    """Weights scaled to mean 1 within each stratum: the stratum's share holds its total."""
    if weights is None:
        return np.ones(codes.size)
    count = np.bincount(codes, minlength=strata)
    total = np.bincount(codes, weights, minlength=strata)
    scaled = np.divide(weights * count[codes], total[codes], out=np.ones(codes.size), where=total[codes] > 0)
    # Weights that are equal within the stratum become exactly 1, whatever rounding says.
    return np.where(np.abs(scaled - 1.0) < 1e-9, 1.0, scaled)


def _shares(first: _Sample, second: _Sample, codes: tuple[Ints, Ints], names: NDArray[Any]) -> tuple[Floats, Floats]:
    """Share W_j of each stratum in each sample; without weights 1/k, or what the other sample has."""
    k = names.size
    sum_a, sum_b = (
        None if sample.weights is None else np.bincount(code, sample.weights, minlength=k).astype(np.float64)
        for sample, code in zip((first, second), codes, strict=True)
    )
    either = sum_b if sum_a is None else sum_a
    share_a: Floats = np.full(k, 1.0 / k) if either is None else either
    share_b: Floats = share_a if sum_b is None else sum_b
    for which, code in zip("ab", codes, strict=True):
        empty = (np.bincount(code, minlength=k) == 0) & ((share_a > 0) | (share_b > 0))
        if empty.any():
            label = names[empty][0]
            raise PopulationError(
                f"stratum {label!s} holds no model of {which}; leave it out of both samples or merge strata"
            )
    return share_a, share_b


def _weights_used(rows: Rows) -> tuple[Floats, Floats]:
    """Weight of each model in its own sample: its stratum's share, spread over the sample's models there."""
    size = rows.errors[0].size
    used = []
    for part, code, share in zip((rows.weights[:size], rows.weights[size:]), rows.codes, rows.shares, strict=True):
        held = np.bincount(code, part, minlength=share.size)
        each = part * np.divide(share, held, out=np.zeros(share.size), where=held > 0)[code]
        used.append(each / each.sum())
    return used[0], used[1]
