"""The quick order against NumPy's argsort."""

import numpy as np
import pytest

from edfstat import ordering

N = 1 << 17
RNG = np.random.default_rng(41)
CLOSE = RNG.random(N)
CLOSE[::2000] = CLOSE[1::2000] + RNG.choice([-1, 0, 1], CLOSE[::2000].size) * 1e-14


@pytest.mark.parametrize(
    "values",
    [
        RNG.gamma(4, 3, N),
        RNG.normal(size=N),
        CLOSE,
        np.round(RNG.random(N), 3),
        np.sort(RNG.random(N))[::-1].copy(),
        np.concatenate([RNG.random(N) * 1e-15, [1.0]]),
        np.where(RNG.random(N) < 0.01, np.inf, RNG.random(N)),
        RNG.random(N) * 1e308 - 5e307,
        RNG.random(N) * 4e308 / 2 * RNG.choice([-1, 1], N),
        np.zeros(N),
        RNG.random(N) * 5e-324,
        RNG.random(50),
    ],
    ids=["gamma", "normal", "close", "ties", "falling", "crowded", "inf", "huge", "overflow", "equal", "tiny", "few"],
)
def test_order_sorts(values):
    order, found = ordering.sorted_order(values)
    np.testing.assert_array_equal(found, np.sort(values))
    np.testing.assert_array_equal(values[order], found)
    np.testing.assert_array_equal(np.sort(order), np.arange(values.size))


def test_values_of_one_step_are_put_right():
    """Ten values closer than a step, in every order of two blocks: the quick route itself must sort them."""
    values = RNG.random(N)
    values[:10] = 0.5 + np.array([9, 3, 7, 1, 8, 0, 2, 6, 4, 5]) * 1e-15
    quick = ordering._by_steps(values)
    assert quick is not None
    np.testing.assert_array_equal(quick[1], np.sort(values))
    np.testing.assert_array_equal(values[quick[0]], quick[1])
