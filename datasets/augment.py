"""What may be done to the images of a data set without changing what they show."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """The augmentation that a data set bears: a shifted crop, and a mirror image where that keeps the class.

    Parameters
    ----------
    crop_padding : int
        Pixels of margin added on each side before a crop of the original size is taken at random.
    flip : bool
        Whether half of the images may be mirrored left to right.
    fill : tuple of int
        Value of the margin in each channel, 0 to 255.

    Examples
    --------
    >>> Augmentation(crop_padding=1, flip=False, fill=(0,)).flip
    False
    """

    crop_padding: int
    flip: bool
    fill: tuple[int, ...]
