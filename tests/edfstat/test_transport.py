"""The Wasserstein distance against hand sums, the oracle and SciPy, on both sides of the size where pieces help."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from edfstat import InputError, edf, wasserstein

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "data" / "stats_oracle.json").read_text())["cases"]
}


@pytest.mark.parametrize("name", ["ks_unweighted_no_ties", "ks_weighted_ties_zero"])
def test_oracle(name):
    given, expected = CASES[name]["inputs"], CASES[name]["expected"]
    found = wasserstein(given["x"], given["y"], weights_a=given["weights_x"], weights_b=given["weights_y"])
    assert found == pytest.approx(expected["wasserstein1"], rel=1e-12)


def test_by_hand():
    """|F_a - F_b| is 1/2 from 5 to 6, 1/2 from 7 to 9 and 0 between: 1/2 + 1."""
    assert wasserstein([5.0, 7.0], [6.0, 9.0]) == 1.5


@pytest.mark.parametrize("digits", [0, 2, 12])
@pytest.mark.parametrize("sizes", [(1, 1), (7, 30), (9000, 20_000)])
def test_agrees_with_scipy(digits, sizes):
    rng = np.random.default_rng(sizes[0] + digits)
    a, b = rng.gamma(5, 1, sizes[0]).round(digits), rng.gamma(5.2, 1.1, sizes[1]).round(digits)
    w, v = rng.random(sizes[0]), rng.random(sizes[1]) + 0.01
    expected = stats.wasserstein_distance(a, b, w, v)
    assert wasserstein(a, b, weights_a=w, weights_b=v) == pytest.approx(expected, abs=1e-11)
    assert wasserstein(edf(a, w), edf(b, v)) == pytest.approx(expected, abs=1e-11)


def test_large_samples_that_cross_often():
    """Two rounded-up copies of one sample: no piece can be settled by its ends."""
    rng = np.random.default_rng(0)
    a = rng.normal(5, 1, 30_000)
    b = a + rng.choice([-1e-4, 1e-4], a.size)
    assert wasserstein(a, b) == pytest.approx(stats.wasserstein_distance(a, b), abs=1e-12)
    assert wasserstein(a, a) == 0.0


def test_failed_models():
    assert wasserstein([1.0, np.inf], [2.0, np.inf]) == 0.5
    assert wasserstein([1.0, 2.0, np.inf, np.inf], [2.0, np.inf]) == 0.25
    assert wasserstein([1.0, np.inf], [2.0]) == math.inf
    assert wasserstein([np.inf], [2.0]) == math.inf
    assert wasserstein([np.inf], [np.inf, np.inf]) == 0.0


def test_refusals_name_the_argument():
    with pytest.raises(InputError, match=r"b\[0\] is NaN"):
        wasserstein([1.0], [np.nan])
    with pytest.raises(InputError, match=r"weights_a\[0\] is -1"):
        wasserstein([1.0], [2.0], weights_a=[-1.0])
    with pytest.raises(InputError, match="part of the EDF a"):
        wasserstein(edf([1.0]), [2.0], weights_a=[1.0])
