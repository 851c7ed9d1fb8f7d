"""What `compare` refuses, and in which words."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from edfstat import InputError, PopulationError, compare
from edfstat.population import build_population
from tests.edfstat.two_spaces import two_spaces


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "recipe"}, "by is 'recipe'; give a variable"),
        ({"error": "loss"}, "error is 'loss'; give a variable"),
        ({"complexity": "acts"}, "complexity is 'acts'; give one or several of: auto, none"),
        ({"complexity": ["params", "size"]}, "complexity is 'size'; give one or several of: auto, none, params$"),
        ({"bins": 0}, "bins is 0"),
        ({"bins": "many"}, "bins is 'many'"),
        ({"eps": 0}, "eps is 0"),
        ({"eps": float("nan")}, "eps is nan"),
        ({"level": 95}, "level is 95"),
        ({"spacing": "even"}, "spacing is 'even'"),
        ({"range": (3, 1)}, r"range for params is \(3, 1\)"),
        ({"range": {"flops": (1, 2)}}, "not compared"),
        ({"n_resamples": 0}, "n_resamples is 0"),
        ({"bins": None}, "bins is None"),
        ({"bins": [1, 2, 3]}, r"bins is \[1, 2, 3\]"),
        ({"eps": "ten"}, "eps is 'ten'"),
        ({"level": "95 %"}, "level is '95 %'"),
        ({"range": (None, 3)}, r"range for params is \(None, 3\)"),
        ({"n_resamples": "all"}, "n_resamples is 'all'"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(InputError, match=message):
        compare(two_spaces(20), **options)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"error": [np.nan, np.nan], "status": ["oom", "lost"]}, "none of 2 models counts"),
        ({"error": [np.nan, np.nan], "status": ["diverged"] * 2}, "none of 2 models has a finite error"),
    ],
)
def test_nothing_to_compare(columns, message):
    with pytest.raises(PopulationError, match=message):
        compare(build_population(columns | {"space": ["A", "B"]}))


def test_nan_of_a_model_that_is_ok_is_refused():
    ds = build_population({"error": [5.0, 6.0], "space": ["A", "B"]})
    ds["error"][1] = np.nan
    with pytest.raises(PopulationError, match="error is NaN in 1 of 2 models whose status is ok"):
        compare(ds)


def test_a_population_without_models_is_called_empty():
    with pytest.raises(PopulationError, match="the population has no models"):
        compare(two_spaces(5).isel(model=[]))


def test_a_status_that_nobody_knows_is_refused():
    ds = two_spaces(5)
    ds["status"][3] = "weird"
    with pytest.raises(
        PopulationError, match=r"status of model 3 is 'weird', one of 1 .*give one of ok, diverged, oom"
    ):
        compare(ds)


def test_something_that_is_no_population():
    with pytest.raises(PopulationError, match="takes a population"):
        compare([1.0, 2.0])
    with pytest.raises(PopulationError, match=r"this is DataFrame; make one by edfstat\.load\(df\)"):
        compare(pd.DataFrame({"error": [1.0, 2.0]}))


@pytest.mark.parametrize("rng", ["a", 1.5, -1])
def test_a_source_of_random_numbers_that_is_none(rng: Any) -> None:
    ds = build_population({"error": [5.0, 6, 7, 6, 7, 8], "space": ["A"] * 3 + ["B"] * 3})
    with pytest.raises(InputError, match=r"rng is .*give a numpy\.random\.Generator"):
        compare(ds, rng=rng)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_a_missing_label_is_no_group(missing: Any) -> None:
    ds = build_population({"error": [1.0, 2.0, 3.0, 4.0], "space": list("AABB")})
    labels = np.array(["x", missing, "y", "y"], dtype=object)
    with pytest.raises(InputError, match=r"^kind\[1\] is (nan|None), one of 1 models without a label; leave them out"):
        compare(ds.assign(kind=("model", labels)), by="kind", n_resamples=99)


def many_groups(count, each=2):
    labels = np.repeat([f"g{i}" for i in range(count)], each)
    return build_population({"error": np.arange(count * each) % 7 + 1.0, "space": labels, "source": labels})


def test_more_groups_than_anybody_tells_apart_are_refused():
    from edfstat.comparison.groups import MOST_GROUPS, select_groups

    assert len(select_groups(many_groups(MOST_GROUPS), "space", "error").names) == MOST_GROUPS == 64
    said = r"by is 'source', which makes 65 groups of 130 models and 2,080 pairs; .* at most 64 .*isin.*such as 'space'"
    with pytest.raises(InputError, match=said):
        compare(many_groups(65), by="source")
    with pytest.raises(InputError, match=r"values\)$"):
        compare(many_groups(65))


def test_groups_that_are_lost_do_not_count_as_too_many():
    from edfstat.comparison.groups import select_groups

    lost = many_groups(65)
    lost["status"].values[:2] = "lost"
    assert len(select_groups(lost, "space", "error").names) == 64
