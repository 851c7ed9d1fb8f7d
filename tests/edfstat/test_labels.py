"""Arrays with labels of their own: paired by position only where the labels agree."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

import edfstat
from edfstat.errors import InputError
from edfstat.labels import coded
from edfstat.ranges import best_shares, range_pvalue
from edfstat.ranks import rank_map

NAMES = ["a", "b", "c", "d", "e", "f"]
Call = Callable[[Any, Any], Any]
#: Each with errors and one value of another kind for each model.
CALLS: dict[str, Call] = {
    "edf": lambda error, other: edfstat.edf(error, other),
    "edf, strata": lambda error, other: edfstat.edf(error, strata=other),
    "edf, counts": lambda error, other: edfstat.edf(error, other, kind="frequency"),
    "auc": lambda error, other: edfstat.auc(error, 10.0, other),
    "auc_difference": lambda error, other: edfstat.auc_difference(error, error, 10.0, strata_a=other, strata_b=other),
    "ks_test": lambda error, other: edfstat.ks_test(error, error, weights_b=other),
    "wasserstein": lambda error, other: edfstat.wasserstein(error, error, weights_a=other),
    "random_search": lambda error, other: edfstat.random_search(error, [2], other),
    "search_budget": lambda error, other: edfstat.search_budget(error, other, [10.0]),
    "relative_rank": lambda error, other: edfstat.relative_rank(error, other),
    "rank_map": lambda error, other: rank_map(error, other, error),
    "parameter_range": lambda error, other: edfstat.parameter_range(error, other, n_draw=2),
    "range_pvalue": lambda error, other: range_pvalue(error, other, n_draw=2, n_resamples=9, rng=0),
    "best_shares": lambda error, other: best_shares(error, 2, other),
    "pareto_inclusion": lambda error, other: edfstat.pareto_inclusion(error, other, 2),
    "complexity_weights": lambda error, other: edfstat.complexity_weights(error, groups=other, bins=1),
    "complexity_bins": lambda error, other: edfstat.complexity_bins(error, groups=other, bins=1),
    "balance_weights": lambda error, other: edfstat.balance_weights(error, other),
    "bin_sensitivity": lambda error, other: edfstat.bin_sensitivity(error, error, other, 10.0, bins=[1]),
}


def column(values: Any, names: Any, along: str = "model") -> xr.DataArray:
    return xr.DataArray(values, dims=along, coords=None if names is None else {along: names})


@pytest.mark.parametrize("name", CALLS)
def test_other_labels_are_refused(name: str) -> None:
    """The values agree in length and make sense; only the labels say that they would be paired wrongly."""
    error = column([3.0, 4.0, 5.0, 4.0, 5.0, 3.0], NAMES)
    other = np.array([1, 2, 1, 2, 1, 2])
    call = CALLS[name]
    call(error, column(other, NAMES))
    call(error, column(other, None))  # without labels there is nothing to compare
    call(error, column(other, NAMES[::-1], along="other"))
    call(error, other)
    with pytest.raises(InputError, match=r"other labels along 'model' than .* \(at 4: 'f', 'e'\).*reindex_like"):
        call(error, column(other, [*NAMES[:4], "f", "e"]))


@pytest.mark.parametrize(
    "error", [[3.0, 4.0, 5.0], column([3.0, 4.0, 5.0], None), column([3.0, 4.0, 5.0], [*"xyz"], "i")]
)
def test_other_labels_are_refused_where_errors_have_none(error: Any) -> None:
    weights, bins = column([1.0, 2.0, 3.0], list("abc")), column([0, 0, 1], list("bac"))
    edfstat.edf(error, weights, strata=bins.reindex_like(weights))
    with pytest.raises(InputError, match="strata has other labels along 'model' than weights"):
        edfstat.edf(error, weights, strata=bins)


def test_labels_that_are_missing_in_both_agree() -> None:
    names = [1.0, np.nan, 2.0]
    assert edfstat.edf(column([1.0, 2.0, 3.0], names), column([1.0, 1.0, 2.0], names)).n == 3


def test_two_columns_of_complexity() -> None:
    both = xr.DataArray(np.ones((3, 2)), dims=("model", "measure"), coords={"model": ["a", "b", "c"]})
    with pytest.raises(InputError, match="groups has other labels"):
        edfstat.complexity_weights(both, groups=column(["x", "x", "y"], ["b", "a", "c"]), bins=(1, 1))


def test_whole_numbers_beyond_the_floats_are_infinite():
    """1.8e308 is the largest float; 1e400 as text is read as infinite, too."""
    assert edfstat.edf([10**400, 3]).support.tolist() == [3.0, float("1e400")]
    with pytest.raises(InputError, match=r"weights\[1\] is inf"):
        edfstat.edf([1, 2], [1, 10**400])
    with pytest.raises(InputError, match=r"complexity\[0\] is .*inf"):
        edfstat.complexity_weights([10**400, 3])


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["b", "a", "b", "ä", ""], dtype=object),
        np.array(["b", "a", "b", "aa"]),
        np.array([3, -1, 3, 0]),
        np.array([2.5, -0.0, 0.0, np.inf]),
        np.array([1, 1.0, True, 0], dtype=object),
        np.array([True, False, True]),
        np.array(["2020-01-02", "2020-01-01"], dtype="datetime64[D]"),
        np.array([2**63, 0], dtype=np.uint64),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_are_numbered_as_numpy_sorts_them(labels: np.ndarray) -> None:
    """`coded` finds them by hash; `numpy.unique` sorts them all."""
    names, codes = coded(labels, "groups")
    expected, places = np.unique(labels, return_inverse=True)
    assert names.dtype == expected.dtype
    assert names.tolist() == expected.tolist()
    assert codes.tolist() == places.tolist()
