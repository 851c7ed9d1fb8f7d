"""Kolmogorov-Smirnov tests of two populations, weighted or not, with p-values that hold under weights and ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from edfstat.arguments import choice, generator, whole
from edfstat.distributions import EDF
from edfstat.kernels import SLACK
from edfstat.ks_pvalues import ALTERNATIVES, by_limit, by_paths, by_permutation, choose_way
from edfstat.labels import ArrayLike
from edfstat.lattice_paths import Alternative
from edfstat.pairing import Pair, pair_up
from edfstat.step_gaps import largest_gap

__all__ = ["KSResult", "KSTests", "ks_test", "ks_tests", "usual_stop"]

Method = Literal["auto", "exact", "asymptotic", "permutation"]
_METHODS = ("auto", "exact", "asymptotic", "permutation")

#: `auto` ends a test once assignments that reach its statistic hold so many models together; of two samples that do
#: not differ about half of all assignments reach it.
_STOPPING_ROWS = 50_000_000


@dataclass(frozen=True)
class KSResult:
    """Outcome of a KS test.

    Attributes
    ----------
    statistic : float
        ``D = max |F_a - F_b|``, or ``D+ = max(F_a - F_b)`` for ``greater``, ``D- = max(F_b - F_a)`` for ``less``.
    pvalue : float
    location : float
        Lowest error at which the gap is reached.
    sign : int
        +1 where F_a > F_b there (a has more models of low error), -1 where F_a < F_b, 0 without any gap.
    effective_n : (float, float)
        Kish's effective number of models of a and b.
    method : {"exact", "asymptotic", "permutation"}
        Where the p-value comes from.
    alternative : {"two-sided", "greater", "less"}
    n_resamples : int
        Assignments of models to samples that were looked at, 0 where none.

    Examples
    --------
    >>> from edfstat import ks_test
    >>> found = ks_test([5.0, 6.0, 7.0, 8.0], [6.0, 7.0, 8.0, 9.0])
    >>> found.statistic, found.sign, found.location, found.method
    (0.25, 1, 5.0, 'exact')
    """

    statistic: float
    pvalue: float
    location: float
    sign: int
    effective_n: tuple[float, float]
    method: str
    alternative: str = "two-sided"
    n_resamples: int = 0


class KSTests(NamedTuple):
    """The two-sided test and both one-sided ones, from the same permutations."""

    two_sided: KSResult
    greater: KSResult
    less: KSResult


def ks_test(
    a: ArrayLike | EDF,
    b: ArrayLike | EDF,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
    strata_a: Any = None,
    strata_b: Any = None,
    alternative: Alternative = "two-sided",
    method: Method = "auto",
    n_resamples: int = 9999,
    rng: np.random.Generator | int | None = None,
    restrict: float | None = None,
) -> KSResult:
    """Kolmogorov-Smirnov test of two populations of models, weighted or not.

    Parameters
    ----------
    a, b : array_like, DataArray or EDF, shapes (n_a,) and (n_b,)
        Error of each model, in percent; +inf for a failed model. Of an `EDF` the stored atoms are used.
    weights_a, weights_b : array_like or DataArray, optional
        Share of the population each model stands for, normalised here. Default: equal, or with strata
        1/(k m_j) for the m_j models of a sample in each of k strata.
    strata_a, strata_b : array_like or DataArray, optional
        Label of the complexity bin of each model. Each bin holds models of both samples.
    alternative : {"two-sided", "greater", "less"}
        ``greater``: a has more models of low error, D+ = max(F_a - F_b). ``less``: b has, D-.
    method : {"auto", "exact", "asymptotic", "permutation"}
        ``exact``: all assignments of models to samples, by lattice paths without weights and strata, else
        by enumeration (at most 20,000). ``permutation``: assignments at random, or all of them if there are
        at most 20,000. ``asymptotic``: Kolmogorov's law at the effective sample sizes. ``auto``: exact where
        that is quick, else permutation with strata (it may stop early) and asymptotic without.
    n_resamples : int, default 9999
        Assignments to draw.
    rng : Generator, int or None
        Source of the draws.
    restrict : float, optional
        Compare only errors <= `restrict`: differences among good models. The asymptotic p-value is then an
        upper bound.

    Returns
    -------
    KSResult

    Raises
    ------
    InputError
        On NaN or -inf errors, weights that are negative, not finite or all zero, unknown options, or if an
        exact p-value is asked where there are too many assignments.
    PopulationError
        If a stratum holds models of one sample only.

    See Also
    --------
    ks_tests : This and both one-sided tests at once.
    adjust_pvalues : Where there are several.
    sample_size : Models needed to find a difference.
    wasserstein : A distance that counts all gaps.

    Notes
    -----
    With strata, labels move within strata: models of stratum j count W_j/m_j (W_j: the stratum's share of
    the weights) in whichever sample they are, and the test is exact for "the same law of errors given
    complexity" [1]_. Without strata, weighted models move as pairs (error, weight), those of weight zero
    too, and each sample is normalised again: the test is then of the joint law of error and weight, so
    weights of both samples belong on one scale (weights that sum to 1 in each are brought to mean 1).
    Drawn p-values are (1 + b)/(1 + B) [2]_; statistics within 1e-12 count as equal. Ties are exact: gaps
    count only where a run of equal errors ends [3]_. The asymptotic p-value is Q(sqrt(n m/(n + m)) D) with
    effective sizes n and m [4]_, one-sided exp(-2 nm/(n + m) D^2).

    References
    ----------
    .. [1] Radosavovic et al., ICCV 2019, eq. 2 to 4. arXiv:1905.13214.
    .. [2] Phipson & Smyth, Permutation p-values should never be zero, SAGMB 9, 2010.
    .. [3] Schroeer & Trenkler, Computational Statistics & Data Analysis 20, 1995.
    .. [4] Monahan, Numerical Methods of Statistics, 2nd edition, 2011.

    Examples
    --------
    >>> result = ks_test([5.1, 5.4, 6.0, 7.2], [6.1, 6.5, 7.5, 8.0], alternative="greater")
    >>> result.statistic, result.location, round(result.pvalue, 4)
    (0.75, 6.0, 0.1143)
    """
    choice(alternative, "alternative", ALTERNATIVES)
    choice(method, "method", _METHODS)
    pair = pair_up(a, b, weights_a, weights_b, strata_a, strata_b, restrict)
    return _results(pair, (alternative,), method, n_resamples, rng, None)[0]


def ks_tests(
    a: ArrayLike | EDF,
    b: ArrayLike | EDF,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
    strata_a: Any = None,
    strata_b: Any = None,
    method: Method = "auto",
    n_resamples: int = 9999,
    rng: np.random.Generator | int | None = None,
    restrict: float | None = None,
    stop_after: int | None = None,
) -> KSTests:
    """Two-sided and both one-sided KS tests at the cost of one: all from the same permutations.

    Parameters
    ----------
    a, b, weights_a, weights_b, strata_a, strata_b, method, n_resamples, rng, restrict
        As in `ks_test`.
    stop_after : int, optional
        With ``auto``, a test ends once so many assignments reached its statistic. Default: what keeps a test
        of no difference to about a second.

    Returns
    -------
    KSTests
        ``two_sided``, ``greater`` and ``less``.

    Raises
    ------
    InputError
        As `ks_test`.

    See Also
    --------
    ks_test : One of them, and what the parameters mean.

    Examples
    --------
    >>> tests = ks_tests([5.0, 5.5, 6.0], [5.2, 6.5, 7.0])
    >>> tests.greater.statistic, tests.less.statistic, tests.two_sided.sign
    (0.6666666666666667, 0.0, 1)
    """
    choice(method, "method", _METHODS)
    pair = pair_up(a, b, weights_a, weights_b, strata_a, strata_b, restrict)
    return KSTests(*_results(pair, ALTERNATIVES, method, n_resamples, rng, stop_after))


def _results(
    pair: Pair,
    alternatives: Sequence[Alternative],
    method: str,
    n_resamples: int,
    rng: np.random.Generator | int | None,
    stop_after: int | None,
) -> list[KSResult]:
    n_resamples = whole(n_resamples, "n_resamples", "give a whole number of at least 1")
    if stop_after is not None:
        stop_after = whole(stop_after, "stop_after", "give a whole number of at least 1, or None")
    source = generator(rng)
    gaps = _gaps(pair)
    way = choose_way(pair, method)
    if way == "paths":
        tails = [by_paths(pair, alternative) for alternative in alternatives]
    elif way == "asymptotic":
        tails = [by_limit(pair, alternative, gaps[alternative].size) for alternative in alternatives]
    else:
        stop = (stop_after or usual_stop(sum(pair.sizes))) if method == "auto" else None
        tails = by_permutation(pair, alternatives, n_resamples, source, stop)
    return [
        KSResult(
            statistic=gaps[name].size,
            pvalue=tail.pvalue,
            location=gaps[name].at,
            sign=gaps[name].sign,
            effective_n=pair.effective_n,
            method=_named(way, method),
            alternative=name,
            n_resamples=tail.resamples,
        )
        for name, tail in zip(alternatives, tails, strict=True)
    ]


def _named(way: str, asked: str) -> str:
    """What a result calls the way in which its p-value was found: all assignments make it exact."""
    if way == "enumeration":
        return "permutation" if asked == "permutation" else "exact"
    return "exact" if way == "paths" else way


def usual_stop(models: int) -> int:
    """How many assignments must reach the statistic before ``auto`` ends a test; `models` counts both samples."""
    return max(100, _STOPPING_ROWS // models)


class _Reached(NamedTuple):
    """A statistic: its size, the lowest error where it is reached, and which sample lies above there."""

    size: float
    at: float
    sign: int


def _gaps(pair: Pair) -> dict[Alternative, _Reached]:
    plus = largest_gap(*pair.atoms, pair.restrict)
    minus = largest_gap(*pair.atoms[::-1], pair.restrict)
    up, down = _Reached(*plus, int(plus.size > 0)), _Reached(*minus, -int(minus.size > 0))
    # Of two gaps of one size, the one at the lower error.
    tied = abs(up.size - down.size) <= SLACK
    return {
        "two-sided": min(up, down, key=lambda gap: gap.at if tied else -gap.size),
        "greater": up,
        "less": down,
    }
