"""Images made by arithmetic, for benchmarks and tests: a pattern per class under noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.augment import Augmentation
from datasets.images import ImageSet

__all__ = ["load", "make"]

SIZES = {"train": 5000, "test": 1000}


def load(root: Path | None, split: str) -> ImageSet:
    """5,000 training or 1,000 test images of CIFAR-10's shape; `root` plays no role.

    Parameters
    ----------
    root : Path or None
    split : {"train", "test"}

    Returns
    -------
    ImageSet
    """
    return make(SIZES[split], split=split)


def make(
    n: int, *, split: str = "train", image_size: int = 32, in_channels: int = 3, num_classes: int = 10, seed: int = 0
) -> ImageSet:
    """Images of `num_classes` coarse patterns, each under its own noise; equal arguments give equal images.

    Parameters
    ----------
    n : int
        Number of images.
    split : {"train", "test"}
        The splits share the patterns and differ in the noise.
    image_size, in_channels, num_classes : int
    seed : int

    Returns
    -------
    ImageSet

    Examples
    --------
    >>> make(4, image_size=8, in_channels=1)
    ImageSet(synthetic train: 4 images 8x8x1, 10 classes)
    """
    patterns = np.random.default_rng([seed, 0])
    coarse = patterns.normal(size=(num_classes, 4, 4, in_channels)).astype(np.float32)
    cells = np.arange(image_size) * 4 // image_size
    smooth = coarse[:, cells][:, :, cells]
    noise = np.random.default_rng([seed, 1 if split == "train" else 2])
    labels = noise.integers(num_classes, size=n)
    values = noise.standard_normal(size=(n, image_size, image_size, in_channels), dtype=np.float32)
    values *= 1.5
    values += smooth[labels]
    values *= 32
    values += 128
    images = np.clip(values, 0, 255).astype(np.uint8)
    grey = (0.5,) * in_channels
    return ImageSet(
        "synthetic", split, images, labels.astype(np.int64), tuple(f"pattern {i}" for i in range(num_classes)),
        grey, (0.22,) * in_channels, f"made here, seed {seed}",
        Augmentation(crop_padding=image_size // 8, flip=True, fill=(128,) * in_channels),
    )  # fmt: skip
