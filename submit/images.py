"""What planning needs to know of data sets. Only images of one's own must be on the machine that plans."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Images", "images_of"]


class Images(NamedTuple):
    """Training images of a data set, and the shape that networks are costed at."""

    number: int
    side: int
    channels: int
    classes: int


_KNOWN = {
    "cifar10": Images(50_000, 32, 3, 10), "cifar100": Images(50_000, 32, 3, 100),
    "fashion-mnist": Images(60_000, 28, 1, 10), "digits": Images(1_347, 8, 1, 10),
    "synthetic": Images(5_000, 32, 3, 10), "imagenet": Images(1_281_167, 224, 3, 1000),
}  # fmt: skip


def images_of(dataset: str, backend: str) -> Images | None:
    """Count and shape of a data set's images; None for one that only the backend knows.

    Raises
    ------
    DatasetError
        If it is a file of one's own (`datasets.npz`) that is not here, or damaged.
    """
    from datasets import npz

    if backend == "torch" and dataset.endswith(npz.SUFFIX):
        return Images(*npz.shape(npz.find(dataset)))
    return _KNOWN.get(dataset)
