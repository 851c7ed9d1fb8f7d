"""The PyTorch backend: design spaces, networks and training.

The names below live in one module each, imported when first used: the spaces need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainers.guard import check_datasets

if TYPE_CHECKING:
    from trainers.backend import TorchBackend as TorchBackend
    from trainers.loop import train as train
    from trainers.nets import build as build
    from trainers.packing import train_many as train_many
    from trainers.recipes import Recipe as Recipe
    from trainers.recipes import load_recipe as load_recipe
    from trainers.recipes import resolve as resolve

check_datasets()

_HOME = {
    "build": "nets",
    "load_recipe": "recipes",
    "Recipe": "recipes",
    "resolve": "recipes",
    "TorchBackend": "backend",
    "train": "loop",
    "train_many": "packing",
}

__all__ = ["Recipe", "TorchBackend", "build", "load_recipe", "resolve", "train", "train_many"]


def __getattr__(name: str) -> Any:
    if name == "spaces":
        return import_module("trainers.spaces")
    if name not in _HOME:
        raise AttributeError(f"module 'trainers' has no attribute {name!r}")
    value = getattr(import_module(f"trainers.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
