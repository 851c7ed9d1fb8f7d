"""The form every data set that fits in memory comes in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from datasets.augment import Augmentation
from datasets.errors import DatasetError

__all__ = ["ImageSet"]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with labels, as they are stored: unsigned bytes, channels last.

    Parameters
    ----------
    name, split : str
        Such as ``"cifar10"`` and ``"train"``.
    images : array of uint8, shape (n, height, width, channels)
    labels : array of int64, shape (n,)
        Index into `classes`.
    classes : tuple of str
    mean, std : tuple of float
        Per channel, of the training images on the scale 0 to 1: a pixel p becomes (p / 255 - mean) / std.
    source : str
        Where the images were read from.
    augmentation : Augmentation
        What may be done to the training images.

    Raises
    ------
    DatasetError
        A ValueError: shapes or types do not fit, images are not square or there are none, or a label has no class.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((6, 8, 8, 1), dtype=np.uint8)
    >>> labels = np.array([0, 1, 0, 1, 0, 1])
    >>> ImageSet("mine", "train", images, labels, ("cat", "dog"), mean=(0.5,), std=(0.25,), source="made up")
    ImageSet(mine train: 6 images 8x8x1, 2 classes)
    """

    name: str
    split: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(0, False, (0,)))

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DatasetError(
                f"images of {self.name} are {self.images.dtype} {self.images.shape}; give uint8 (n, height, width, c)"
            )
        n, height, width, channels = self.images.shape
        if not n or height != width:
            raise DatasetError(f"{self.source} holds {n} images of {height}x{width} pixels; give one or more, square")
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int64:
            raise DatasetError(f"labels of {self.name} are {self.labels.dtype} {self.labels.shape}; give int64 (n,)")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise DatasetError(
                f"labels in {self.source} run from {low} to {high}, but {self.name} has {len(self.classes)} classes; "
                "fetch its files again"
            )
        if not len(self.mean) == len(self.std) == len(self.augmentation.fill) == channels:
            raise DatasetError(f"{self.name} has {channels} channels; mean, std and fill need as many values")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return int(self.images.shape[3])

    @property
    def image_size(self) -> int:
        """Side of an image in pixels."""
        return int(self.images.shape[1])

    def subset(self, n: int, seed: int = 0) -> ImageSet:
        """Some of the images, drawn at random without replacement and kept in their order.

        Parameters
        ----------
        n : int
            How many, from 1; more than there are give all.
        seed : int, default 0
            The same seed gives the same images, and of a larger `n` the same ones and others.

        Returns
        -------
        ImageSet

        Raises
        ------
        DatasetError
            If `n` is no whole number from 1.

        Examples
        --------
        >>> import datasets
        >>> images = datasets.get("digits")
        >>> few = images.subset(10)
        >>> len(few), few.images.shape, len(images.subset(10**6)) == len(images)
        (10, (10, 8, 8, 1), True)
        """
        chosen = some_of(len(self), n, seed)
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def __repr__(self) -> str:
        n, height, width, channels = self.images.shape
        return f"ImageSet({self.name} {self.split}: {n} images {height}x{width}x{channels}, {self.num_classes} classes)"


def some_of(total: int, n: int, seed: int) -> NDArray[np.intp]:
    """Places of `n` of so many images, drawn at random without replacement, in their order.

    Raises
    ------
    DatasetError
        If `n` is no whole number from 1.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise DatasetError(f"n is {n!r}; give a whole number of images, from 1")
    return np.sort(np.random.default_rng(seed).permutation(total)[:n])
