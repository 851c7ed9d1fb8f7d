"""RegNet's parametrization: stages whose widths follow a line, rounded to powers of one factor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainers.spaces.errors import ArchitectureError
from trainers.spaces.stages import StageArchitecture
from trainers.spaces.values import real_number, whole_number

__all__ = ["REGNETS", "regnet"]

#: Parameters of the models that have names; those with a Y have squeeze-and-excitation.
REGNETS: dict[str, dict[str, Any]] = {
    name: {"depth": depth, "w0": w0, "wa": wa, "wm": wm, "group_width": group_width, "se_ratio": 0.25 * ("_y_" in name)}
    for name, depth, w0, wa, wm, group_width in (
        ("regnet_x_400mf", 22, 24, 24.48, 2.54, 16),
        ("regnet_x_800mf", 16, 56, 35.73, 2.28, 16),
        ("regnet_x_1_6gf", 18, 80, 34.01, 2.25, 24),
        ("regnet_x_3_2gf", 25, 88, 26.31, 2.25, 48),
        ("regnet_x_8gf", 23, 80, 49.56, 2.88, 120),
        ("regnet_x_16gf", 22, 216, 55.59, 2.1, 128),
        ("regnet_x_32gf", 23, 320, 69.86, 2.0, 168),
        ("regnet_y_400mf", 16, 48, 27.89, 2.09, 8),
        ("regnet_y_800mf", 14, 56, 38.84, 2.4, 16),
        ("regnet_y_1_6gf", 27, 48, 20.71, 2.65, 24),
        ("regnet_y_3_2gf", 21, 80, 42.63, 2.66, 24),
        ("regnet_y_8gf", 17, 192, 76.82, 2.19, 56),
        ("regnet_y_16gf", 18, 200, 106.23, 2.48, 112),
        ("regnet_y_32gf", 20, 232, 115.89, 2.53, 232),
        ("regnet_y_128gf", 27, 456, 160.83, 2.52, 264),
    )
}

#: Blocks of a RegNet, and channels of the line that gives their widths, at most.
_MOST_BLOCKS, _MOST_CHANNELS = 10_000, 10_000_000


def regnet(
    *,
    depth: int,
    w0: int,
    wa: float,
    wm: float,
    group_width: int,
    bottleneck: float = 1.0,
    stem_width: int = 32,
    stride: int = 2,
    se_ratio: float = 0.0,
) -> StageArchitecture | None:
    """Stage-wise architecture of RegNet's parameters, for the ``simple`` stem.

    Parameters
    ----------
    depth : int
        Blocks in all.
    w0 : int
        Width of the line at its start, a multiple of 8.
    wa : float
        Slope of the line, in channels per block.
    wm : float
        Factor between the widths of neighbouring stages, above 1.
    group_width : int
        Channels per group of the 3x3 convolution.
    bottleneck : float
        Ratio: the inner width is the width divided by it.
    stem_width : int
    stride : int
        Stride of every stage's first block.
    se_ratio : float
        Squeeze-and-excitation: channels that it squeezes to, as a multiple of the block's input width; 0: none.

    Returns
    -------
    StageArchitecture or None
        None where the rule leaves no width.

    Raises
    ------
    ArchitectureError
        If a parameter is out of its range.

    Notes
    -----
    Block j's width on the line, w0 + wa j, is rounded to w0 wm^s with a whole s, then to a multiple of 8; equal
    neighbours form a stage [1]_. Inner widths are then rounded to a multiple of the group width, halves up, and up
    where rounding down would take more than a tenth. `REGNETS` holds the parameters of the models that have names.

    References
    ----------
    .. [1] Radosavovic et al., Designing Network Design Spaces, CVPR 2020, eq. 2-4. arXiv:2003.13678.

    Examples
    --------
    RegNetX-400MF has four stages:

    >>> arch = regnet(**REGNETS["regnet_x_400mf"])
    >>> arch.depths, arch.widths
    ((1, 2, 7, 12), (32, 64, 160, 400))
    """
    depth = whole_number(depth, "RegNet: depth", least=1, most=_MOST_BLOCKS)
    w0 = whole_number(w0, "RegNet: w0", least=8)
    if w0 % 8:
        raise ArchitectureError(f"RegNet: w0 is {w0}; it must be a multiple of 8")
    wa = real_number(wa, "RegNet: wa", "at least 0", least=0)
    wm = real_number(wm, "RegNet: wm", "above 1", above=1)
    bottleneck = real_number(bottleneck, "RegNet: bottleneck", "above 0", above=0)
    group_width = whole_number(group_width, "RegNet: group_width", least=1)
    reached = (w0 + wa * depth) * max(1.0, 1 / bottleneck)
    if reached > _MOST_CHANNELS:
        raise ArchitectureError(
            f"RegNet: w0={w0}, wa={wa:g} and bottleneck={bottleneck:g} reach {reached:.3g} channels; the widths must "
            f"stay below {_MOST_CHANNELS:,}"
        )
    steps = np.rint(np.log((w0 + wa * np.arange(depth)) / w0) / math.log(wm))
    per_block = (np.rint(w0 * np.power(wm, steps) / 8) * 8).astype(np.int64)
    widths, depths = np.unique(per_block, return_counts=True)
    groups, fitted = [], []
    for width in widths.tolist():
        wanted = int(width / bottleneck)
        if not wanted:
            return None
        group = min(group_width, wanted)
        # Halves go up: with bankers' rounding 392 channels in groups of 16 would become 384, not 400.
        inner = max(group, (2 * wanted + group) // (2 * group) * group)
        inner += group if inner < 0.9 * wanted else 0
        fitted.append(int(inner * bottleneck))
        groups.append(round(fitted[-1] / bottleneck) // group)
    if not all(fitted) or any(not count or round(w / bottleneck) % count for w, count in zip(fitted, groups)):
        return None
    stages = len(fitted)
    return StageArchitecture(
        "bottleneck",
        tuple(depths.tolist()),
        tuple(fitted),
        (stride,) * stages,
        (1 / bottleneck,) * stages,
        tuple(groups),
        stem_width=stem_width,
        stem_stride=2,
        se_ratio=se_ratio,
    )
