"""Recipes: everything about a training except the network and the seed, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from os import PathLike
from typing import Any

from edfstat.errors import InputError

__all__ = ["RECIPES", "Recipe", "image_side", "load_recipe", "resolve"]


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's set-up on CIFAR.

    Parameters
    ----------
    epochs : int
        Passes over the training images.
    base_lr, weight_decay, momentum : float
    nesterov : bool
    batch_size : int
        Images per step (over all processes together).
    schedule : {"cosine", "constant"}
        ``cosine``: half a period, to 0.
    lr_step : {"epoch", "iteration"}
        Whether the rate changes once an epoch, as the authors' code does, or at every step.
    warmup_epochs : float
    decay_norm : bool
        Whether weight decay also acts on batch-norm parameters and biases.
    augment : bool
        Whether training images get what their data set bears (crop, flip).
    cutout : int
        Side in pixels of the square that is blanked in every training image; 0 for none.
    drop_path : float
        Probability of dropping a path at the end of the training, rising linearly from 0.
    aux_weight : float
        Weight of the auxiliary head's loss; 0 for no head.
    label_smoothing : float
    precise_bn : int
        Training images over which batch-norm statistics are taken anew before each evaluation; 0 for none.
    image_size : int or None
        Side that images are cropped to where they are of several sizes (ImageNet).

    Examples
    --------
    >>> recipe = Recipe(epochs=10, label_smoothing=0.1)
    >>> recipe.epochs, recipe.base_lr, recipe.to_dict()["schedule"]
    (10, 0.1, 'cosine')
    """

    epochs: int = 100
    base_lr: float = 0.1
    weight_decay: float = 5e-4
    momentum: float = 0.9
    nesterov: bool = True
    batch_size: int = 128
    schedule: str = "cosine"
    lr_step: str = "epoch"
    warmup_epochs: float = 0.0
    decay_norm: bool = True
    augment: bool = True
    cutout: int = 0
    drop_path: float = 0.0
    aux_weight: float = 0.0
    label_smoothing: float = 0.0
    precise_bn: int = 1024
    image_size: int | None = None

    def __post_init__(self) -> None:
        for name, (kind, low, high) in _LIMITS.items():
            value = getattr(self, name)
            fits = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
            if not fits or not low <= value <= high:
                what = "whole number" if kind is int else "number"
                raise InputError(f"recipe: {name} is {value!r}; give a {what} from {low:g} to {high:g}")
        if self.cutout % 2:
            raise InputError(f"recipe: cutout is {self.cutout}; give an even number, as the square has a centre")
        size = self.image_size
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 10_000):
            raise InputError(f"recipe: image_size is {size!r}; give a whole number from 1 to 10000")
        for name in ("nesterov", "decay_norm", "augment"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"recipe: {name} is {getattr(self, name)!r}; give true or false")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"recipe: {name} is {getattr(self, name)!r}; choose from {list(choices)}")
        if self.nesterov and self.momentum == 0:
            raise InputError("recipe: nesterov needs a momentum above 0; set nesterov: false")

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self)


_LIMITS: dict[str, tuple[type, float, float]] = {
    "epochs": (int, 1, 1e6), "base_lr": (float, 0, 1e30), "weight_decay": (float, 0, 1e6), "momentum": (float, 0, 1),
    "batch_size": (int, 2, 1e6), "warmup_epochs": (float, 0, 1e6), "cutout": (int, 0, 1e4),
    "drop_path": (float, 0, 0.99),
    "aux_weight": (float, 0, 1e3), "label_smoothing": (float, 0, 0.99), "precise_bn": (int, 0, 1e9),
}  # fmt: skip
_CHOICES = {"schedule": ("cosine", "constant"), "lr_step": ("epoch", "iteration")}

_IMAGENET = {
    "epochs": 50, "base_lr": 0.05, "weight_decay": 5e-5, "batch_size": 256, "image_size": 224, "precise_bn": 8192,
}  # fmt: skip
_ENHANCED = {"epochs": 600, "cutout": 16, "drop_path": 0.2, "aux_weight": 0.4}

#: Settings by recipe and data set; "" is every data set without an entry of its own.
RECIPES: dict[str, dict[str, Mapping[str, Any]]] = {
    "default": {"": {}, "imagenet": _IMAGENET},
    "enhanced": {
        "": _ENHANCED,
        # Half of an image's side, as 16 pixels are of CIFAR's.
        "digits": {**_ENHANCED, "cutout": 4},
        "imagenet": {**_IMAGENET, "drop_path": 0.2, "aux_weight": 0.4, "label_smoothing": 0.1},
    },
}

#: What `Trial.optim` calls a setting.
_OPTIM = {"base_lr": "base_lr", "wd": "weight_decay", "max_ep": "epochs"}


def resolve(
    recipe: str | Mapping[str, Any] = "default", *, dataset: str = "", optim: Mapping[str, Any] | None = None
) -> Recipe:
    """The settings that a trial trains with.

    Parameters
    ----------
    recipe : str or mapping
        A name (``"default"``, ``"enhanced"``), or settings of `Recipe` that differ from those of the recipe
        named by the key ``base`` (``"default"`` if absent).
    dataset : str
        Some recipes differ between data sets.
    optim : mapping, optional
        A trial's ``base_lr``, ``wd`` and ``max_ep``, which win; any other setting of `Recipe` may be given too.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        If the recipe or a setting is unknown or out of range.

    Examples
    --------
    >>> resolve("default", dataset="imagenet").base_lr
    0.05
    >>> resolve({"base": "enhanced", "cutout": 8}, optim={"max_ep": 10}).epochs
    10
    """
    overrides = {} if isinstance(recipe, str) else {key: value for key, value in recipe.items() if key != "base"}
    name = recipe if isinstance(recipe, str) else recipe.get("base", "default")
    if not isinstance(name, str) or name not in RECIPES:
        raise InputError(f"no recipe is named {name!r}; there are {sorted(RECIPES)}, or give settings of your own")
    settings = dict(RECIPES[name].get(dataset, RECIPES[name][""]))
    for given in (overrides, optim or {}):
        for short, long in _OPTIM.items():
            if short != long and short in given and long in given and given[short] != given[long]:
                raise InputError(f"recipe: {short} and {long} are the same setting; give one of them")
        settings |= {_OPTIM.get(key, key): value for key, value in given.items()}
    known = {field.name for field in fields(Recipe)}
    if unknown := sorted(set(settings) - known, key=str):
        raise InputError(f"recipe: unknown setting {unknown}; there are {sorted(known)}")
    return replace(Recipe(), **settings)


def image_side(recipe: Recipe, side: int, dataset: str) -> int:
    """Side in pixels of the images that a network sees.

    Parameters
    ----------
    recipe : Recipe
    side : int
        Of the data set's images.
    dataset : str
        ImageNet's are cropped to what the recipe says.

    Raises
    ------
    InputError
        If the recipe wants another size, or blanks more than an image.

    Examples
    --------
    >>> image_side(resolve("default", dataset="imagenet"), 224, "imagenet"), image_side(Recipe(), 8, "digits")
    (224, 8)
    """
    seen = recipe.image_size or side
    if dataset != "imagenet" and seen != side:
        raise InputError(
            f"recipe: image_size is {seen}, but images of {dataset} have {side} pixels a side and are not resized; "
            "leave it out"
        )
    if recipe.cutout > seen:
        raise InputError(f"recipe: cutout is {recipe.cutout} on images of {seen} pixels a side; give at most {seen}")
    return seen


def load_recipe(path: str | PathLike[str]) -> dict[str, Any]:
    """A recipe from a YAML file: the settings that differ, and ``base``.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict
        For `Trial.recipe`; checked already.

    Raises
    ------
    InputError
        If the file is missing, is no mapping, or has a setting that `resolve` refuses.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "long.yaml")
    ...     _ = path.write_text("{base: enhanced, epochs: 200}")
    ...     recipe = load_recipe(path)
    >>> recipe
    {'base': 'enhanced', 'epochs': 200}
    """
    from trainers.yaml_files import read_yaml

    try:
        values = read_yaml(path)
    except OSError as error:
        raise InputError(f"recipe {path} cannot be read ({error.strerror}); give a file in YAML") from None
    if not isinstance(values, dict):
        raise InputError(f"recipe {path} holds no mapping; write lines such as 'epochs: 200'")
    try:
        resolve(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return values
