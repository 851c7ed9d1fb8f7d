"""From a configuration to trials in the order in which they run, and what they will cost."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edfstat.errors import InputError
from edfstat.formats.places import home_path
from edfstat.lookup import EXAMPLE
from edfstat.trials import Trial
from submit.checking import unknown_names, wrong_settings
from submit.config import Caps, Config, Range, SpaceChoice
from submit.directory import PlannedTrial, Round
from submit.images import Images, images_of

__all__ = ["Plan", "SpaceSample", "batches_of", "make_plan", "plan_more"]

#: Epochs where nothing says how many: backends have recipes of their own.
EPOCHS = 100
#: What one image costs beside its flops (loading, launching kernels), as flops: small networks are not free.
OVERHEAD = 1e6
#: Each claim takes this share of what would be a worker's even part of the remaining work.
SHARE = 0.5


@dataclass(frozen=True)
class SpaceSample:
    """What was drawn from one design space."""

    name: str
    count: int
    size: int | None
    accepted: float | None
    params: NDArray[np.int64]
    flops: NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """Trials, longest first, in batches."""

    config: Config
    trials: list[PlannedTrial]
    first: Round
    spaces: list[SpaceSample] = field(default_factory=list)


def make_plan(config: Config) -> Plan:
    """Draw the architectures and settings, and order the trials.

    Parameters
    ----------
    config : Config
        As `submit.config.read_config` gives it. The same configuration gives the same trials.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If the backend, a design space, data set, recipe or setting is unknown, or a cap leaves nothing.
    """
    _check(config)
    trials, samples = _drawn_trials(config, np.random.default_rng(config.seed), set())
    ordered = _longest_first(trials, 0)
    batches = batches_of(np.array([trial.cost for trial in ordered]), config.workers * config.trials_per_worker)
    return Plan(config, ordered, Round(1, config.trials_per_worker, batches), samples)


def plan_more(config: Config, counts: Mapping[str, int], planned: set[str]) -> list[PlannedTrial]:
    """Further trials for a sweep that grows, longest first.

    Parameters
    ----------
    config : Config
        What the sweep is to be.
    counts : mapping
        Architectures to add, by the name of their space.
    planned : set of str
        Ids of the trials that there are; their number also decides what is drawn.

    Returns
    -------
    list of PlannedTrial
        Numbered on from those that there are.

    Raises
    ------
    InputError
        As `make_plan`.
    """
    _check(config)
    more = tuple(
        choice.model_copy(update={"count": counts[choice.name]}) for choice in config.spaces if counts.get(choice.name)
    )
    # Drawn apart from the first trials and from those of other growths, and the same whenever this step is repeated.
    rng = np.random.default_rng([config.seed, len(planned)])
    trials, _ = _drawn_trials(config.model_copy(update={"spaces": more}), rng, set(planned))
    return _longest_first(trials, len(planned))


def _check(config: Config) -> None:
    if mistakes := unknown_names(config.plain()) or wrong_settings(config):
        raise InputError("\n".join(mistakes))


def _drawn_trials(
    config: Config, rng: np.random.Generator, seen: set[str]
) -> tuple[list[PlannedTrial], list[SpaceSample]]:
    """Trials of the architectures drawn, none of them one of `seen`, in the order drawn."""
    found = _from_results(config, rng) if config.backend == "lookup" else _from_spaces(config, rng)
    trials: list[PlannedTrial] = []
    samples: list[SpaceSample] = []
    for choice, nets, numbers, sample in found:
        samples.append(sample)
        trials.extend(_trials_of(config, choice, nets, numbers, rng, seen))
    return trials, samples


def _longest_first(trials: Sequence[PlannedTrial], start: int) -> list[PlannedTrial]:
    """In the order in which they run, numbered from `start`."""
    # Equal costs in the order drawn, so that a plan does not depend on the sort.
    order = sorted(range(len(trials)), key=lambda i: (-trials[i].cost, i))
    return [msgspec.structs.replace(trials[old], index=new) for new, old in enumerate(order, start)]


def batches_of(cost: NDArray[np.float64], workers: int) -> list[tuple[int, int]]:
    """Ranges of trials that are claimed together, shrinking to one trial at the end.

    Each batch takes `SHARE` of what would be a worker's even part of the work that is left, at least one trial:
    few claims while there is much to do, an even finish.

    Parameters
    ----------
    cost : ndarray, shape (trials,)
        Expected cost of each trial, in any unit, in the order in which they run.
    workers : int

    Returns
    -------
    list of (start, stop)

    Examples
    --------
    >>> batches_of(np.ones(10), workers=2)
    [(0, 2), (2, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 9), (9, 10)]
    """
    left = np.concatenate([np.cumsum(cost[::-1])[::-1], [0.0]])
    batches, start = [], 0
    while start < len(cost):
        rest = left[start] - left[start] * SHARE / workers
        # The last trial up to which the batch stays within its share: `left` falls along the trials.
        stop = len(left) - int(np.searchsorted(left[::-1], rest * (1 - 1e-12), side="left"))
        stop = min(max(stop - 1 if left[min(stop, len(cost))] < rest * (1 - 1e-12) else stop, start + 1), len(cost))
        batches.append((start, stop))
        start = stop
    return batches


Numbers = dict[str, list[Any]]
Found = tuple[SpaceChoice, list[dict[str, Any]], Numbers, SpaceSample]


def _from_spaces(config: Config, rng: np.random.Generator) -> Iterator[Found]:
    from trainers.spaces import space_named

    _, side, channels, classes = images_of(config.dataset, config.backend) or Images(0, 32, 3, 10)
    stem = "imagenet" if config.dataset == "imagenet" else "cifar"
    if config.backend == "torch":
        from trainers.options import stem_of
        from trainers.recipes import resolve

        side = resolve(config.recipe, dataset=config.dataset).image_size or side
        stem = stem_of(config.dataset, config.backend_options)
    for choice in config.spaces:
        space = space_named(choice.definition or choice.name)
        caps = choice.caps or config.caps
        # Caps hold for what is trained: the network at the size that it sees the data set's images in.
        shape: dict[str, Any] = {
            "stem": stem, "image_size": side, "in_channels": channels, "num_classes": classes,
        }  # fmt: skip
        archs = space.sample(choice.count, rng=rng, **caps.limits(), **shape)
        counted = space.complexity(archs, **shape)
        numbers = {name: np.asarray(counted[name]).tolist() for name in ("params", "flops", "acts")}
        drawn = getattr(archs, "drawn", None)
        sample = SpaceSample(
            choice.name, choice.count, int(space.size), choice.count / drawn if drawn and caps.limited else None,
            np.asarray(counted["params"]), np.asarray(counted["flops"]),
        )  # fmt: skip
        yield choice, archs.to_nets(), numbers, sample


def _from_results(config: Config, rng: np.random.Generator) -> Iterator[Found]:
    """Models drawn from a results file, for the lookup backend."""
    from edfstat.example import example_population
    from edfstat.formats import load

    results = config.backend_options.get("results")
    if not isinstance(results, str):
        raise InputError("backend_options.results is missing; the lookup backend needs the path of a results file")
    try:
        population = example_population() if _place_of(results) == EXAMPLE else load(results)
    except (OSError, InputError) as error:
        raise InputError(f"backend_options.results: {error}") from None
    if "net" not in population.variables:
        raise InputError(f"backend_options.results: {results} does not say the models' architectures (net)")
    spaces = population["space"].values.astype(str)
    for choice in config.spaces:
        where = np.flatnonzero(spaces == choice.name)
        if not where.size:
            raise InputError(
                f"spaces: {results} has no models of {choice.name}; it has {', '.join(sorted(set(spaces)))}"
            )
        inside = where[_within(population, where, choice.caps or config.caps)]
        if inside.size < choice.count:
            raise InputError(
                f"spaces: {results} has {inside.size} models of {choice.name} within the caps, not {choice.count}; "
                "ask for fewer or widen the caps"
            )
        chosen = rng.choice(inside, choice.count, replace=False)
        columns = {name: population[name].values[chosen] for name in _COLUMNS if name in population.variables}
        numbers = {_COLUMNS[name]: values.tolist() for name, values in columns.items()}
        counts = [np.asarray(columns.get(name, np.zeros(choice.count)), dtype=np.int64) for name in ("params", "flops")]
        accepted = inside.size / where.size if (choice.caps or config.caps).limited else None
        sample = SpaceSample(choice.name, choice.count, int(where.size), accepted, *counts)
        yield choice, [json.loads(net) for net in population["net"].values[chosen]], numbers, sample


def _place_of(results: str) -> str:
    """Where results are, wherever workers run; the bundled ones are in the package."""
    path = home_path(results)
    return EXAMPLE if results == EXAMPLE and not path.exists() else str(path.absolute())


_COLUMNS = {
    "params": "params", "flops": "flops", "acts": "acts", "dataset": "dataset", "seed": "seed", "lr": "base_lr",
    "weight_decay": "wd", "epochs": "max_ep",
}  # fmt: skip


def _within(population: Any, where: NDArray[np.int64], caps: Caps) -> NDArray[np.bool_]:
    from trainers.spaces.limits import limits_of

    limits = limits_of(**caps.limits())
    known = {name: population[name].values[where] for name in limits.ranges if name in population.variables}
    limits = replace(limits, ranges={name: limits.ranges[name] for name in known})
    return limits.met_by(known) if limits else np.ones(where.size, dtype=bool)


def _trials_of(
    config: Config,
    choice: SpaceChoice,
    nets: Sequence[dict[str, Any]],
    numbers: Numbers,
    rng: np.random.Generator,
    seen: set[str],
) -> Iterator[PlannedTrial]:
    optim = {name: _drawn(getattr(config.optim, name), len(nets), rng) for name in ("base_lr", "wd", "max_ep")}
    epochs, ours, images = _epochs(config), _place_of_images(config), cache(partial(images_of, backend=config.backend))
    options = dict(config.backend_options)
    if config.backend == "lookup":
        options["results"] = _place_of(options["results"])
    # The last seed tried in place of a trial's own, where the next search goes on: small spaces repeat often.
    latest: dict[str, int] = {}
    for i, net in enumerate(nets):
        settings = {name: values[i] for name, values in optim.items() if values is not None}
        settings |= {
            name: _whole(numbers[name][i])
            for name in ("base_lr", "wd", "max_ep")
            if name in numbers and name not in settings
        }
        settings = {name: value for name, value in settings.items() if value == value}
        for rerun in range(config.reruns):
            seed = int(numbers["seed"][i]) + rerun if "seed" in numbers else config.seed + rerun
            dataset = numbers["dataset"][i] if numbers.get("dataset") and numbers["dataset"][i] else ours
            trial = wanted = Trial(choice.name, net, dataset, config.recipe, settings, seed, options)
            while trial.id in seen:  # the same architecture drawn twice: another run of it, not the same
                latest[wanted.id] = latest.get(wanted.id, seed) + 1
                trial = replace(wanted, seed=latest[wanted.id])
            seen.add(trial.id)
            size = {name: numbers[name][i] if name in numbers else None for name in ("params", "flops", "acts")}
            yield _planned(trial, size, epochs, images(dataset))


def _place_of_images(config: Config) -> str:
    """The data set by a name that means the same wherever workers run."""
    from datasets.registry import located

    return located(config.dataset) if config.backend == "torch" else config.dataset


def _epochs(config: Config) -> int:
    """Epochs of trials whose settings of the optimizer do not say."""
    if config.backend != "torch":
        return EPOCHS
    from trainers.recipes import resolve

    return resolve(config.recipe, dataset=config.dataset).epochs


def _planned(trial: Trial, size: dict[str, Any], epochs: int, known: Images | None) -> PlannedTrial:
    number = min(known.number, trial.options.get("train_images") or known.number) if known else 1
    images = int(number * float(trial.optim.get("max_ep", epochs)))
    # Three: the backward pass costs about two forward passes.
    cost = 3.0 * images * (float(size["flops"] or 0) + OVERHEAD)
    return PlannedTrial(0, trial.id, cost, images, size["params"], size["flops"], size["acts"], trial.to_dict())


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _drawn(setting: float | Range | None, count: int, rng: np.random.Generator) -> list[float] | None:
    if setting is None:
        return None
    if not isinstance(setting, Range):
        return [setting] * count
    if setting.choice is not None:
        return [float(value) for value in rng.choice(setting.choice, count)]
    if setting.uniform is not None:
        return [float(value) for value in rng.uniform(*setting.uniform, count)]
    low, high = map(math.log, setting.log_uniform or (1.0, 1.0))
    return [float(value) for value in np.exp(rng.uniform(low, high, count))]
