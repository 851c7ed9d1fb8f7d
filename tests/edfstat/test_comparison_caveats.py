"""What a comparison says of the data that it rests on."""

import numpy as np
import pytest

from edfstat import compare
from edfstat.population import build_population


def test_accidents_are_left_out_counted_and_warned_of():
    status = ["ok"] * 90 + ["oom"] * 6 + ["timeout"] * 4 + ["ok"] * 100
    error = [5.0 + i / 100 for i in range(200)]
    ds = build_population({"error": error, "status": status, "space": ["A"] * 100 + ["B"] * 100})
    found = compare(ds)
    assert found["n"].values.tolist() == [90, 100]
    assert found["n_status"].sel(group="A").values.tolist() == [90, 0, 6, 4, 0, 0]
    said = [w for w in found.attrs["warnings"] if "accidents" in w]
    assert len(said) == 1
    assert "A: 10 of 100 models (10.0%)" in said[0]
    only_one = build_population({"error": error, "status": ["oom"] + ["ok"] * 199, "space": ["A"] * 100 + ["B"] * 100})
    assert not [w for w in compare(only_one).attrs["warnings"] if "accidents" in w]


def test_weights_that_leave_few_models_are_told():
    """Half of the weight on 5 of 60: 1 / (55 / 110^2 + 5 / 10^2) is 18, more than a quarter, less than a half."""
    params = np.r_[np.arange(95, 150), np.arange(201, 206), np.linspace(95, 205, 60).astype(int)]
    error = np.random.default_rng(0).normal(20, 1, 120)
    ds = build_population({"error": error, "params": params, "space": ["A"] * 60 + ["B"] * 60})
    said = compare(ds, complexity="params", bins=2, n_resamples=9, rng=0).attrs["warnings"]
    assert [w for w in said if "count like" in w] == ["params: the 60 models of A count like 18 after weighting."]


def test_errors_that_look_like_fractions_are_remarked():
    percent = build_population({"error": [5.0, 6.0, 7.0, 0.3, 0.4, 1.2], "space": list("AAABBB")})
    assert not [w for w in compare(percent).attrs["warnings"] if "percent" in w]
    mixed = percent.assign(error=("model", [5.0, 6.0, 7.0, 0.05, 0.06, 1.0]))
    assert [w for w in compare(mixed).attrs["warnings"] if "percent" in w] == [
        "No error of B exceeds 1; errors are in percent, so multiply by 100 what is a fraction."
    ]
    # Another variable has a unit of its own, and a group all of whose errors are 0 says nothing.
    assert not [w for w in compare(mixed.assign(loss=mixed["error"]), error="loss").attrs["warnings"] if "percent" in w]
    zero = build_population({"error": [0.0] * 4, "space": list("AABB")})
    assert not [w for w in compare(zero).attrs["warnings"] if "percent" in w]


def repeated(runs, name="A", seed=0):
    """A space with as many runs of each architecture as given, beside one without repetition."""
    rng = np.random.default_rng(seed)
    nets = [f'{{"d": {i}}}' for i in np.repeat(np.arange(len(runs)), runs)] + [f'{{"w": {i}}}' for i in range(150)]
    spaces = [name] * int(np.sum(runs)) + ["other"] * 150
    return build_population({"error": rng.normal(20, 1, len(nets)), "net": nets, "space": spaces})


def repeats_said(ds):
    return [w for w in compare(ds, complexity="none").attrs["warnings"] if "independent" in w]


def test_repeated_trainings_are_told():
    thrice = repeated([3] * 100)
    (said,) = repeats_said(thrice)
    assert said.startswith(
        "A: 300 runs of 100 architectures; runs of one are not independent, so p-values are too small"
    )
    (said,) = repeats_said(repeated([1] * 1000 + [20] * 3))
    assert "A: 1,060 runs of 1,003 architectures" in said
    assert not repeats_said(repeated([1] * 1000 + [6])), "five in a thousand"
    # One run of each is independent of the others, and so are runs under other settings.
    assert not repeats_said(thrice.isel(model=np.unique(thrice["net"].values, return_index=True)[1]))
    rates = np.random.default_rng(1).uniform(0.01, 1, thrice.sizes["model"])
    assert not repeats_said(thrice.assign(lr=("model", rates)))
    assert repeats_said(thrice.assign(lr=("model", np.full(rates.size, np.nan))))
    assert not repeats_said(thrice.assign_coords(net=("model", [""] * rates.size)))


@pytest.mark.parametrize(("size", "n"), [(20, 300), (100, 300), (5000, 1000)])
def test_draws_with_replacement_from_a_small_space_are_no_repeats(size, n):
    for seed in range(10):
        drawn = np.unique(np.random.default_rng(seed).integers(0, size, n), return_counts=True)[1]
        assert not repeats_said(repeated(drawn, seed=seed))


def test_what_is_wrong_with_many_groups_is_one_sentence():
    """Two models of each are in the upper of two bins, and so count as much as all others: about 8 models."""
    rng = np.random.default_rng(0)
    sizes = [29 + i for i in range(14)]
    ds = build_population({
        "error": rng.gamma(3, 1, sum(sizes)),
        "params": np.concatenate([[2000, 2000] + [1000] * (n - 2) for n in sizes]),
        "space": np.repeat([f"g{i:02}" for i in range(14)], sizes),
    })  # fmt: skip
    found = compare(ds, bins=2, rng=0, n_resamples=9).attrs["warnings"]
    (small,) = [line for line in found if line.startswith("Small samples")]
    assert small.startswith("Small samples: 14 of 14 groups have fewer than 100 models, the smallest 29; about 100")
    (heavy,) = [line for line in found if "count like" in line]
    assert heavy.count(" count like ") == 10
    assert heavy.endswith(" after weighting; so it is with 4 more groups.")
