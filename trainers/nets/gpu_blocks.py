"""How the work of a convolution is cut into programs of a GPU, by what was fastest on an H200."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GROUPS", "Blocks", "of_conv", "of_weight"]

#: The most groups of pixels whose moments are kept apart: each program of the batch norm reads all of them.
GROUPS = 256


class Blocks(NamedTuple):
    """How a kernel is cut: output pixels, numbers of a row of the kernel and outputs at a time; warps of a program."""

    pixels: int
    k: int
    outputs: int
    warps: int


def of_conv(length: int, outputs: int, pixels: int, *, turned: bool = False) -> Blocks:
    """How a convolution is cut, by trying on an H200: many pixels at a time where there are few outputs."""
    n = _power(outputs, 64)
    if n == 16 and pixels > 128 * GROUPS and not turned:
        return Blocks(512, _k_block(length), n, 8)
    return Blocks(64 if n == 64 else 128, _k_block(length), n, 4)


def of_weight(length: int, outputs: int) -> tuple[Blocks, int]:
    """How the gradient of weights is cut, likewise, and how many programs share the sums over the pixels.

    All rows of the kernel at once where that is one product of at most 128 x 128.
    """
    k, n = (max(64, _power(size, 128)) if size <= 128 else 64 for size in (length, outputs))
    if k * n > 64 * 64:
        return Blocks(128, k, n, 8), 128
    return (Blocks(256, k, n, 8), 256) if length <= 64 else (Blocks(128, k, n, 4), 32)


def _k_block(length: int) -> int:
    """How many numbers of a row of the kernel are taken at once: those that leave the least over, and then the most."""
    return min((64, 32, 16), key=lambda block: -(-length // block) * block)


def _power(number: int, most: int) -> int:
    return min(most, max(16, 1 << (number - 1).bit_length()))
