"""RegNet's parametrization: stages whose widths follow a line, rounded to powers of one factor."""

from __future__ import annotations

import math

import numpy as np

from trainers.spaces.errors import ArchitectureError
from trainers.spaces.stages import StageArchitecture

__all__ = ["regnet"]


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
    neighbours form a stage [1]_. Stage widths are then made multiples of the group width.

    References
    ----------
    .. [1] Radosavovic et al., Designing Network Design Spaces, CVPR 2020, eq. 2-4. arXiv:2003.13678.

    Examples
    --------
    RegNetX-400MF has four stages:

    >>> arch = regnet(depth=22, w0=24, wa=24.48, wm=2.54, group_width=16)
    >>> arch.depths, arch.widths
    ((1, 2, 7, 12), (32, 64, 160, 400))
    """
    if depth < 1 or w0 < 8 or w0 % 8 or wa < 0 or wm <= 1 or group_width < 1 or bottleneck <= 0:
        raise ArchitectureError(
            f"depth={depth}, w0={w0}, wa={wa}, wm={wm}, group_width={group_width}, bottleneck={bottleneck} make no "
            "RegNet; w0 must be a multiple of 8, wa at least 0, wm above 1, the others positive"
        )
    steps = np.rint(np.log((w0 + wa * np.arange(depth)) / w0) / math.log(wm))
    per_block = (np.rint(w0 * np.power(wm, steps) / 8) * 8).astype(int)
    widths, depths = np.unique(per_block, return_counts=True)
    groups, fitted = [], []
    for width in widths.tolist():
        inner = round(width / bottleneck)
        group = min(group_width, inner)
        # Halves go up: with bankers' rounding 392 channels in groups of 16 would become 384, not 400.
        inner = max(group, math.floor(inner / group + 0.5) * group)
        fitted.append(round(inner * bottleneck))
        groups.append(inner // group)
    if any(round(width / bottleneck) % count for width, count in zip(fitted, groups)):
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
    )
