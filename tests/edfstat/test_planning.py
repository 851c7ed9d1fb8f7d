"""Sample sizes and laws of D against the oracle, brute-force enumeration and closed forms."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from edfstat import InputError, expected_ks, sample_size
from edfstat.gap_laws import LIMIT_MEAN, LIMIT_STD, _smooth_moments, two_sample_moments
from edfstat.planning import sample_size_auc

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "data" / "stats_oracle.json").read_text())["cases"]
}


def test_oracle_unlimited_population():
    for n, mean in CASES["ed_infinite_population"]["expected"]["mean_D"].items():
        assert expected_ks(int(n))[0] == pytest.approx(mean, rel=1e-8)


def test_one_draw():
    """D = max(U, 1 - U): mean 3/4, variance 1/48."""
    mean, std = expected_ks(1)
    assert (mean, std) == (pytest.approx(3 / 4, rel=1e-12), pytest.approx(math.sqrt(1 / 48), rel=1e-12))


def test_oracle_limit():
    expected = CASES["ed_constant"]["expected"]
    assert pytest.approx(expected["mean_kolmogorov"], rel=1e-14) == LIMIT_MEAN
    assert pytest.approx(expected["sd_kolmogorov"], rel=1e-13) == LIMIT_STD
    mean, std = expected_ks(10**12)
    assert mean * 1e6 == pytest.approx(LIMIT_MEAN, rel=1e-6)
    assert std * 1e6 == pytest.approx(LIMIT_STD, rel=1e-6)


def test_large_sizes_join_the_exact_law():
    """The expansion beyond 1,000 against the exact law at 4,000."""
    from scipy.integrate import quad
    from scipy.stats import kstwo

    mean = quad(lambda x: kstwo.sf(x, 4000), 0, 0.08, points=[0.01, 0.02], epsabs=1e-11)[0]
    assert expected_ks(4000)[0] == pytest.approx(mean, rel=1e-7)


def test_effective_sizes_lie_between_whole_ones():
    low, middle, high = (expected_ks(n)[0] for n in (80, 80.5, 81))
    assert high < middle < low


def brute_two_samples(n, m):
    """Mean and std of D over all assignments of n + m ranks."""
    found = []
    for chosen in itertools.combinations(range(n + m), n):
        labels = np.zeros(n + m)
        labels[list(chosen)] = 1
        found.append(np.abs(np.cumsum(labels) / n - np.cumsum(1 - labels) / m).max())
    return np.mean(found), np.std(found)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (4, 4), (5, 3), (3, 9)])
def test_two_samples_by_enumeration(n, m):
    mean, std = brute_two_samples(n, m)
    assert expected_ks(n, other=m) == (pytest.approx(mean, rel=1e-10), pytest.approx(std, abs=1e-7))


@pytest.mark.parametrize(("n", "size"), [(1, 2), (2, 5), (3, 8), (5, 9), (1, 10), (9, 10)])
def test_finite_population_by_enumeration(n, size):
    """D between each possible sample and the whole of a population without ties."""
    whole = np.arange(1, size + 1) / size
    found = []
    for chosen in itertools.combinations(range(size), n):
        labels = np.zeros(size)
        labels[list(chosen)] = 1
        found.append(np.abs(np.cumsum(labels) / n - whole).max())
    mean, std = expected_ks(n, population=size)
    assert mean == pytest.approx(np.mean(found), rel=1e-10)
    assert std == pytest.approx(np.std(found), abs=1e-7)


def test_limits_of_the_finite_population():
    assert expected_ks(50, population=50) == (0.0, 0.0)
    assert expected_ks(50, population=10**9)[0] == pytest.approx(expected_ks(50)[0], rel=2e-3)
    assert expected_ks(50, population=math.inf) == expected_ks(50)
    assert expected_ks(50, other=math.inf) == expected_ks(50)
    assert expected_ks(100, population=100, other=100) == (0.0, 0.0)
    assert expected_ks(100, population=1000, other=1000) == expected_ks(100, population=1000)
    assert expected_ks(1000, population=1000, other=100) == expected_ks(100, population=1000)
    assert expected_ks(50, population=10**12, other=20)[0] == pytest.approx(expected_ks(50, other=20)[0], rel=1e-9)


def laws_of_samples(n, size):
    """EDF values, at each model of a population without ties, of every sample of n."""
    return [np.cumsum(np.isin(range(size), chosen)) / n for chosen in itertools.combinations(range(size), n)]


@pytest.mark.parametrize(
    ("n", "m", "size", "within", "std_within"),
    [(1, 1, 6, 1e-9, 1e-6), (3, 5, 5, 1e-9, 1e-6), (2, 2, 7, 0.06, 0.1), (3, 4, 8, 0.04, 0.1), (1, 5, 9, 0.02, 0.2)],
)
def test_two_samples_of_one_population_by_enumeration(n, m, size, within, std_within):
    found = [np.abs(a - b).max() for a in laws_of_samples(n, size) for b in laws_of_samples(m, size)]
    mean, std = expected_ks(n, population=size, other=m)
    assert mean == pytest.approx(np.mean(found), rel=within)
    assert std == pytest.approx(np.std(found), rel=std_within)


@pytest.mark.parametrize(("n", "m", "size"), [(10, 100, 200), (50, 100, 150)])
def test_two_samples_of_one_population_by_simulation(n, m, size):
    rng = np.random.default_rng(0)

    def law(k):
        return np.cumsum(np.isin(np.arange(size), rng.choice(size, k, replace=False))) / k

    found = [np.abs(law(n) - law(m)).max() for _ in range(20_000)]
    mean, std = expected_ks(n, population=size, other=m)
    assert mean == pytest.approx(np.mean(found), rel=0.015)
    assert std == pytest.approx(np.std(found), rel=0.06)


def test_stride_and_limit_stay_within_what_is_promised(monkeypatch):
    """The full lattice of 120 and 121 against a coarse one and the smooth law."""
    from edfstat import gap_laws

    monkeypatch.setattr(gap_laws, "_WORK", 4_000_000)
    gap_laws._lattice_moments.cache_clear()
    coarse = two_sample_moments(120, 121)
    monkeypatch.setattr(gap_laws, "_WORK", 200_000_000)
    gap_laws._lattice_moments.cache_clear()
    full = two_sample_moments(120, 121)
    gap_laws._lattice_moments.cache_clear()
    assert coarse[0] == pytest.approx(full[0], rel=1e-5)
    assert _smooth_moments(120, 121)[0] == pytest.approx(full[0], rel=2e-3)
    assert _smooth_moments(120, 121)[1] == pytest.approx(full[1], rel=1e-2)


@pytest.mark.parametrize("size", [1000, 10**6])
def test_one_model_against_many_in_closed_form(size):
    """D of one draw with k of M below it is max(k, M - k) / M, all k from 0 to M equally likely."""
    k = np.arange(size + 1)
    gaps = np.maximum(k, size - k) / size
    assert expected_ks(1, other=size) == pytest.approx((gaps.mean(), gaps.std()), rel=2e-6)
    # All but one of a population of N: its EDF is off by D of the one left out against the rest, times 1/N.
    mean, std = expected_ks(size, population=size + 1)
    assert (mean * (size + 1), std * (size + 1)) == pytest.approx((gaps.mean(), gaps.std()), rel=2e-6)


@pytest.mark.parametrize(("n", "m"), [(2, 10**6), (5, 10**6), (30, 10**5)])
def test_few_against_very_many_is_the_law_of_one_sample(n, m):
    x = np.linspace(0, 1, 200_001)
    beyond = stats.kstwo.sf(x, n)
    mean = integrate.trapezoid(beyond, x)
    square = integrate.trapezoid(2 * x * beyond, x)
    assert expected_ks(n, other=m) == pytest.approx((mean, np.sqrt(square - mean**2)), rel=5e-4)


def test_sizes_between_whole_ones_lie_between_them():
    for n, m in [(2.0, 5), (2.5, 5), (5.5, 7.3), (40.2, 61.9)]:
        near = [expected_ks(a, other=b) for a in {int(n), int(np.ceil(n))} for b in {int(m), int(np.ceil(m))}]
        for value, corners in zip(expected_ks(n, other=m), zip(*near)):
            assert min(corners) <= value <= max(corners)
    assert expected_ks(2.0001, other=5) == pytest.approx(expected_ks(2, other=5), rel=1e-3)


def test_oracle_sample_sizes():
    case = CASES["ks_planning"]
    sizes = [
        sample_size(float(d["delta"]), power=float(d["power"]), level=float(d["alpha"]))
        for d in case["inputs"]["designs"]
    ]
    assert sizes == case["expected"]["n_per_space"]
    assert isinstance(sample_size(0.1), int)


def test_sample_size_extremes():
    """D = 1: one critical value; a tiny power asks for at least one model."""
    assert sample_size(1.0) == math.ceil(math.log(2 / 0.05))
    assert sample_size(1.0, power=0.01, level=0.9) >= 1


def test_sample_size_auc():
    """(1.959964 + 0.841621)^2 (.01 + .04) / .0025 = 156.98."""
    assert sample_size_auc(0.05, 0.1, 0.2) == 157
    assert sample_size_auc(-0.05, 0.1, 0.2) == 157
    assert sample_size_auc(0.5, 0.0, 0.0) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_ks(0), "n is 0"),
        (lambda: expected_ks(math.nan), "n is nan"),
        (lambda: expected_ks(10, population=5), "n is 10 of a population of 5"),
        (lambda: expected_ks(5, other=20, population=10), "other is 20 of a population of 10"),
        (lambda: sample_size(0.0), r"difference is 0\.0"),
        (lambda: sample_size(1.5), r"difference is 1\.5"),
        (lambda: sample_size(0.1, power=1.0), r"power is 1\.0"),
        (lambda: sample_size(0.1, level=0.0), r"level is 0\.0"),
        (lambda: sample_size_auc(0.0, 1.0, 1.0), r"difference is 0\.0"),
        (lambda: sample_size_auc(0.1, -1.0, 1.0), r"std_a is -1\.0"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()
