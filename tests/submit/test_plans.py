"""What a plan draws and expects, by arithmetic and by counting."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datasets
from edfstat import Trial
from submit.config import read_config
from submit.directory import PlannedTrial
from submit.images import images_of
from submit.planning import make_plan
from submit.summary import plan_lines
from tests.submit.sweeps import fake


def trials(**config: Any) -> list[PlannedTrial]:
    return make_plan(read_config(config)).trials


@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_data_sets_are_as_large_as_plans_say(name: str) -> None:
    images = datasets.get(name)
    assert images_of(name, "torch") == (len(images), images.image_size, images.in_channels, images.num_classes)


def test_a_cost_is_three_passes_over_every_image_and_what_each_costs_beside() -> None:
    for planned in trials(**fake(5, epochs=7)):
        assert planned.images == 7 * 1347
        assert planned.flops
        assert planned.cost == 3 * planned.images * (planned.flops + 1e6)


def test_reruns_differ_by_their_seeds_alone() -> None:
    made = trials(**fake(4, reruns=3, seed=5))
    nets: dict[str, list[int]] = {}
    for planned in made:
        nets.setdefault(json.dumps(planned.trial["net"]), []).append(planned.trial["seed"])
    assert [sorted(seeds) for seeds in nets.values()] == [[5, 6, 7]] * 4


def test_draws_of_one_architecture_take_the_next_seeds_in_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    checked = Trial.__post_init__

    def counted(trial: Trial) -> None:
        nonlocal made
        made += 1
        checked(trial)

    monkeypatch.setattr(Trial, "__post_init__", counted)
    only = {"name": "only", "block": "basic", "depth": [1], "width": [8], "stages": 1}
    planned = trials(**{**fake(), "spaces": [{"definition": only, "count": 200}]})
    assert sorted(each.trial["seed"] for each in planned) == list(range(1, 201))
    assert made < 3 * 200


def test_settings_are_spread_as_is_said() -> None:
    """The quarters of the range, or of its logarithm, hold about as many of 400 draws."""
    ranges = {"base_lr": {"log_uniform": [1e-3, 1e1]}, "wd": {"uniform": [0.0, 1.0]}}
    drawn = [planned.trial["optim"] for planned in trials(**{**fake(400), "optim": ranges})]
    rates, decays = (np.array([settings[name] for settings in drawn]) for name in ("base_lr", "wd"))
    for values, ends in ((np.log10(rates), (-3, 1)), (decays, (0, 1))):
        counts, _ = np.histogram(values, bins=4, range=ends)
        assert counts.sum() == 400
        assert counts.min() > 60
    listed = trials(**{**fake(50), "optim": {"base_lr": {"choice": [0.1, 0.2]}}})
    assert {planned.trial["optim"]["base_lr"] for planned in listed} == {0.1, 0.2}


@pytest.mark.parametrize("backend", ["lookup", "torch"])
def test_caps_of_a_space_come_before_those_of_the_sweep(backend: str, tmp_path: Path) -> None:
    """And where one of two caps is enough, models above the other are drawn as well."""
    jobs = [
        {"params": 100 * i, "flops": 100_000 - 1000 * i, "net": {"ds": [1, i], "ws": [16, 32]}, "min_test_top1": 9.0}
        for i in range(1, 41)
    ]
    results = tmp_path / "ResNet.json"
    results.write_text(json.dumps(jobs))
    own = {"max_params": 1000, "max_flops": 70_000} if backend == "lookup" else {"max_params": 60_000}

    def sizes(require: str, count: int) -> list[tuple[int, int]]:
        config: dict[str, Any] = {
            "spaces": [{"name": "ResNet", "count": count, "caps": {**own, "require": require}}],
            "caps": {"max_params": 30_000_000}, "dataset": "digits", "backend": backend,
        }  # fmt: skip
        options = {"backend_options": {"results": str(results)}} if backend == "lookup" else {}
        return [(p.params or 0, p.flops or 0) for p in trials(**config, **options)]

    if backend == "torch":
        assert max(params for params, _ in sizes("all", 30)) <= 60_000
    else:
        # Few parameters: the first ten models; few flops: those from the thirtieth on.
        assert {params for params, _ in sizes("any", 21)} == {100 * i for i in (*range(1, 11), *range(30, 41))}


@pytest.mark.parametrize("backend", ["lookup", "torch"])
def test_what_the_caps_keep_is_said_only_where_there_are_caps(backend: str) -> None:
    options = {"backend_options": {"results": "example"}} if backend == "lookup" else {}
    for caps, told in (({}, False), ({"max_params": 200_000}, True)):
        config: dict[str, Any] = {
            "spaces": [{"name": "ResNet", "count": 5}], "caps": caps, "dataset": "digits", "backend": backend,
        }  # fmt: skip
        lines = plan_lines(make_plan(read_config({**config, **options})))
        assert ("the caps keep" in lines[0]) == told
