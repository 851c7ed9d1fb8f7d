"""Images to train on: arrays of uint8 pixels with labels, one module per data set.

`get` finds and reads a data set by name; nothing here imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets.augment import Augmentation as Augmentation
    from datasets.images import ImageSet as ImageSet
    from datasets.registry import get as get
    from datasets.registry import is_known as is_known
    from datasets.registry import located as located
    from datasets.registry import names as names

#: What `trainers` and `submit` look for, because another package has the same name.
EDFSTAT_DATASETS = True

_HOME = {
    "Augmentation": "augment",
    "ImageSet": "images",
    "get": "registry",
    "is_known": "registry",
    "located": "registry",
    "names": "registry",
}

__all__ = ["EDFSTAT_DATASETS", "Augmentation", "ImageSet", "get", "is_known", "located", "names"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'datasets' has no attribute {name!r}")
    value = getattr(import_module(f"datasets.{_HOME[name]}"), name)
    globals()[name] = value
    return value
