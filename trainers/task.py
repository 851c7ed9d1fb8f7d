"""A trial made ready to run: its recipe, images, architecture and complexity."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

import datasets
from datasets.errors import DatasetError
from edfstat.errors import InputError, NotReady
from edfstat.trials import Trial
from trainers.options import Stem, check_options, stem_of
from trainers.recipes import Recipe, image_side, resolve

__all__ = ["Task", "prepare"]

AUX_WEIGHT = 0.4


@dataclass(frozen=True)
class Task:
    """Everything that training needs to know of a trial."""

    trial: Trial
    recipe: Recipe
    architecture: Any
    train: Any
    test: Any
    stem: Stem
    complexity: Mapping[str, int]

    @property
    def streams(self) -> bool:
        """Whether the images are read while training."""
        return self.trial.dataset == "imagenet"


def prepare(trial: Trial, root: str | PathLike[str] | None = None) -> Task:
    """Check a trial and find what it names.

    Raises
    ------
    InputError
        If the trial makes no sense: an unknown data set, recipe, option, or no architecture.
    NotReady
        If its data set is not here, or damaged.
    """
    from trainers.spaces import Architecture, complexity

    _ = trial.id  # refuses a trial that no record can hold
    try:
        check_options(trial.options)
    except InputError as error:
        raise InputError(f"trial: {error}") from None
    recipe = resolve(trial.recipe, dataset=trial.dataset, optim=trial.optim)
    net = dict(trial.net)
    try:
        architecture = Architecture.from_net(net)
    except InputError as error:
        raise InputError(f"trial: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"trial: net {net!r:.200} describes no architecture ({error})") from None
    train, test = _both(trial, str(root) if root else None)
    size = image_side(recipe, train.image_size, trial.dataset)
    stem = stem_of(trial.dataset, trial.options)
    counts = complexity(
        architecture, stem=stem, image_size=size, in_channels=train.in_channels,
        num_classes=train.num_classes,
    )  # fmt: skip
    # Published cell networks say themselves whether they train with an auxiliary head and dropped paths; a recipe's own
    # zero overrules them.
    given = {*trial.optim, *(trial.recipe if isinstance(trial.recipe, Mapping) else ())}
    if "aux_weight" not in given and net.get("aux"):
        recipe = replace(recipe, aux_weight=recipe.aux_weight or AUX_WEIGHT)
    if "drop_path" not in given:
        recipe = replace(recipe, drop_path=recipe.drop_path or net.get("drop_prob") or 0.0)
    recipe = replace(recipe, image_size=size)
    numbers = {name: int(np.ravel(values)[0]) for name, values in counts.items()}
    return Task(trial, recipe, architecture, train, test, stem, numbers)


def _both(trial: Trial, root: str | None) -> tuple[Any, Any]:
    try:
        train, test = (_images(trial, root, split) for split in ("train", "test"))
    except (DatasetError, InputError) as error:
        if isinstance(error, DatasetError) and datasets.is_known(trial.dataset):
            raise NotReady(str(error)) from None
        raise InputError(f"trial: {error}") from None
    # Each split numbers its own class folders, so a class that one lacks would give the other's labels another meaning.
    if train.classes != test.classes:
        differ = ", ".join(sorted(set(train.classes) ^ set(test.classes))[:5])
        raise InputError(
            f"trial: {train.source} and {test.source} do not hold the same classes ({differ} is in one of them only); "
            "make their folders the same"
        )
    return train, test


@lru_cache(maxsize=8)
def _cached(name: str, root: str | None, split: str, limit: int | None, places: tuple[str | None, ...]) -> Any:
    """Trials of one sweep share their images; a process reads them once, as long as `places` are the same."""
    if limit is None:
        return datasets.get(name, root, split)
    return _cached(name, root, split, None, places).subset(limit)


def _images(trial: Trial, root: str | None, split: str) -> Any:
    # What a root, or none, stands for.
    places = (*map(os.environ.get, ("EDFSTAT_DATA", "XDG_CACHE_HOME", "HOME")), root and str(Path(root).absolute()))
    name = datasets.located(trial.dataset, root)
    images = _cached(name, root, split, None, places)
    limit = trial.options.get(f"{split}_images")
    if limit is None:
        return images
    if limit > len(images):
        raise InputError(f"option {split}_images is {limit}; {trial.dataset} has {len(images)} of them")
    return _cached(name, root, split, limit, places)
