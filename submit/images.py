"""What planning needs to know of the data sets, none of which need be on the machine that plans."""

from __future__ import annotations

__all__ = ["IMAGES"]

#: Training images of the data sets, and the shape that networks are costed at: side, channels, classes.
IMAGES = {
    "cifar10": (50_000, 32, 3, 10), "cifar100": (50_000, 32, 3, 100), "fashion-mnist": (60_000, 28, 1, 10),
    "digits": (1_347, 8, 1, 10), "synthetic": (1_024, 32, 3, 10), "imagenet": (1_281_167, 224, 3, 1000),
}  # fmt: skip
