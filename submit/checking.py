"""Names in a sweep file that stand for nothing (of spaces, data sets, backends, options), and settings out of range."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from datasets.errors import DatasetError
from edfstat.errors import InputError
from submit.config import Config, Range
from submit.images import images_of
from submit.running import load_backend

__all__ = ["unknown_names", "wrong_settings"]


def unknown_names(values: Mapping[str, Any]) -> list[str]:
    """One sentence for each name that stands for nothing; what is not of the right form is passed over.

    Parameters
    ----------
    values : mapping
        A sweep file's content, which may have other mistakes.
    """
    backend = values.get("backend", "torch")
    if not isinstance(backend, str):
        return []
    found = list(_refusals(lambda: load_backend(backend)))
    if backend == "lookup":
        return [*found, *_unknown_to_lookup(values)]
    found += [sentence for number, choice in _choices(values) for sentence in _wrong_space(number, choice)]
    return found + (_unknown_to_torch(values) if backend == "torch" else [])


def _choices(values: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    spaces = values.get("spaces")
    for number, choice in enumerate(spaces if isinstance(spaces, list | tuple) else ()):
        if isinstance(choice, Mapping):
            yield number, choice


def _wrong_space(number: int, choice: Mapping[str, Any]) -> Iterator[str]:
    from trainers.spaces import SPACES, from_dict

    name, definition = choice.get("name"), choice.get("definition")
    if definition is None:
        if isinstance(name, str) and name not in SPACES:
            yield (
                f"spaces: there is no design space {name}; there are {', '.join(SPACES)}, or give the definition of "
                "one of your own"
            )
    elif isinstance(definition, Mapping):
        yield from (f"spaces[{number}].definition: {said}" for said in _refusals(lambda: from_dict(definition)))
        if definition.get("name") in SPACES:
            yield f"spaces[{number}].definition: {definition['name']} is a known space; give yours another name"


def _unknown_to_torch(values: Mapping[str, Any]) -> list[str]:
    """What only the torch backend gives a meaning to: better refused now than by every trial."""
    from datasets.registry import is_known, names
    from trainers.options import OPTIONS
    from trainers.recipes import RECIPES

    found = []
    dataset, recipe = values.get("dataset", "cifar10"), values.get("recipe", "default")
    if isinstance(dataset, str) and not is_known(dataset):
        found.append(
            f"dataset: there is no data set {dataset!r}; there are {', '.join(names())}, or give a file of your own "
            "that ends in .npz"
        )
    elif isinstance(dataset, str):
        found += [f"dataset: {said}" for said in _refusals(lambda: images_of(dataset, "torch"))]
    if isinstance(recipe, str) and recipe not in RECIPES:
        found.append(f"recipe: there is no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    return found + _unknown_options(values, "torch", OPTIONS)


def _unknown_options(values: Mapping[str, Any], backend: str, known: Collection[str]) -> list[str]:
    options = values.get("backend_options")
    return [
        f"backend_options.{key} is not a key; for the {backend} backend there are {', '.join(known)}"
        for key in sorted(map(str, options if isinstance(options, Mapping) else ()))
        if key not in known
    ]


def _unknown_to_lookup(values: Mapping[str, Any]) -> list[str]:
    found = _unknown_options(values, "lookup", ("results", "curves"))
    found += [
        f"spaces[{number}].definition: the lookup backend draws from the models of its file; leave it out"
        for number, choice in _choices(values)
        if choice.get("definition") is not None
    ]
    reruns = values.get("reruns", 1)
    if isinstance(reruns, int) and reruns > 1:
        found.append(
            f"reruns: {reruns} would count one result of the file {reruns} times; leave it out, as all runs of an "
            "architecture that the file holds are there to be drawn"
        )
    return found


def wrong_settings(config: Config) -> list[str]:
    """One sentence for each setting of the training that is refused; where they are drawn, the extremes count."""
    if config.backend != "torch":
        return []
    from trainers.options import check_options
    from trainers.recipes import image_side, resolve

    def settled(end: Callable[[Sequence[float]], float]) -> None:
        recipe = resolve(config.recipe, dataset=config.dataset, optim=_extremes(config, end))
        if images := images_of(config.dataset, config.backend):
            image_side(recipe, images.side, config.dataset)

    def refused(end: Callable[[Sequence[float]], float]) -> Iterable[str]:
        return _refusals(lambda: settled(end))

    options = [f"backend_options: {said}" for said in _refusals(lambda: check_options(config.backend_options))]
    options = options or _too_many_images(config)
    return list(dict.fromkeys([*options, *refused(min), *refused(max)]))


def _too_many_images(config: Config) -> list[str]:
    asked, images = config.backend_options.get("train_images"), images_of(config.dataset, config.backend)
    # Folders of photographs may hold others than ImageNet's.
    if asked is None or images is None or config.dataset == "imagenet" or asked <= images.number:
        return []
    return [f"backend_options.train_images is {asked}; {config.dataset} has {images.number} of them"]


def _refusals(act: Callable[[], Any]) -> Iterable[str]:
    try:
        act()
    except (InputError, DatasetError) as error:
        yield str(error)


def _extremes(config: Config, end: Callable[[Sequence[float]], float]) -> dict[str, float]:
    """Settings of the optimizer; where they are drawn, the lowest or the highest that can come."""
    found: dict[str, float] = {}
    for name in ("base_lr", "wd", "max_ep"):
        setting = getattr(config.optim, name)
        if isinstance(setting, Range):
            found[name] = end(setting.choice or setting.uniform or setting.log_uniform or (0.0,))
        elif setting is not None:
            found[name] = setting
    return found
