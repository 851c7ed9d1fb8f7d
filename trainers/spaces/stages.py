"""Stage-wise networks: a stem, then stages of equal blocks, then a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainers.spaces.architectures import Architecture, whole_number
from trainers.spaces.errors import ArchitectureError

__all__ = ["BLOCKS", "StageArchitecture", "block_named", "inner_width"]

#: Our name of each block and the name that the published files use.
BLOCKS = {"vanilla": "double_plain_block", "basic": "res_basic_block", "bottleneck": "res_bottleneck_block"}

_PREFIXES = {
    "double_plain": "vanilla",
    "vanilla": "vanilla",
    "res_basic": "basic",
    "basic": "basic",
    "res_bottleneck": "bottleneck",
    "bottleneck": "bottleneck",
}


def block_named(name: Any) -> str:
    """Our name of a block from any name in use, such as ``"vanilla_block"`` or ``"double_plain_block"``.

    Raises
    ------
    ArchitectureError
        If no block has that name.

    Examples
    --------
    >>> block_named("double_plain_block"), block_named("res_bottleneck_block")
    ('vanilla', 'bottleneck')
    """
    for prefix, block in _PREFIXES.items():
        if isinstance(name, str) and name.startswith(prefix):
            return block
    raise ArchitectureError(f"block_type is {name!r}; known blocks are {sorted(BLOCKS)} and {sorted(BLOCKS.values())}")


def inner_width(width: int, multiplier: float) -> int:
    """Width of a bottleneck's 3x3 convolution, rounded as the authors' code does.

    Examples
    --------
    >>> inner_width(64, 0.25)
    16
    """
    return round(width * multiplier)


@dataclass(frozen=True)
class StageArchitecture(Architecture):
    """Depth, width, stride and, for bottlenecks, width multiplier and number of groups of each stage.

    Parameters
    ----------
    block : {"vanilla", "basic", "bottleneck"}
        Kind of block in every stage.
    depths, widths : tuple of int
        Blocks and output channels of each stage.
    strides : tuple of int, optional
        Stride of each stage's first block; 1, then 2 in every later stage, if not given.
    multipliers : tuple of float, optional
        Inner width as a multiple of the width (1 / ratio); bottlenecks only, 1 if not given.
    groups : tuple of int, optional
        Groups of the 3x3 convolution; bottlenecks only, 1 if not given.
    stem_width, stem_stride : int
        Output channels of the stem, and its stride as the published files note it.

    Raises
    ------
    ArchitectureError
        If no network can be built, naming the stage and the rule.

    Examples
    --------
    >>> StageArchitecture("bottleneck", (1, 2), (16, 32), multipliers=(0.5, 0.25), groups=(2, 4)).inner_widths
    (8, 8)
    """

    block: str
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    strides: tuple[int, ...] = ()
    multipliers: tuple[float, ...] = ()
    groups: tuple[int, ...] = ()
    stem_width: int = 16
    stem_stride: int = 1

    def __post_init__(self) -> None:
        block = block_named(self.block)
        count = len(self.depths)
        if count == 0:
            raise ArchitectureError("the list of stages is empty; a network has at least one stage")
        strides = self.strides or (1,) + (2,) * (count - 1)
        if block == "bottleneck":
            multipliers, groups = self.multipliers or (1.0,) * count, self.groups or (1,) * count
        else:
            multipliers, groups = (), ()
        lists = {"depths": self.depths, "widths": self.widths, "strides": strides}
        for name, values in lists.items():
            if len(values) != count:
                raise ArchitectureError(f"{name} has {len(values)} entries for {count} stages; give one per stage")
            each = (whole_number(v, f"stage {i}: {name[:-1]}", least=1) for i, v in enumerate(values, 1))
            object.__setattr__(self, name, tuple(each))
        object.__setattr__(self, "block", block)
        object.__setattr__(self, "multipliers", _multipliers(multipliers, count if block == "bottleneck" else 0))
        object.__setattr__(self, "groups", tuple(groups))
        object.__setattr__(self, "stem_width", whole_number(self.stem_width, "stem: width", least=1))
        object.__setattr__(self, "stem_stride", whole_number(self.stem_stride, "stem: stride", least=1))
        if block == "bottleneck":
            self._check_groups(count)

    def _check_groups(self, count: int) -> None:
        if len(self.groups) != count:
            raise ArchitectureError(f"groups has {len(self.groups)} entries for {count} stages; give one per stage")
        checked = []
        for i, (width, multiplier, groups) in enumerate(zip(self.widths, self.multipliers, self.groups), 1):
            checked.append(whole_number(groups, f"stage {i}: groups", least=1))
            inner = inner_width(width, multiplier)
            if inner < 1:
                raise ArchitectureError(
                    f"stage {i}: width {width} x multiplier {multiplier:g} leaves no inner channel; "
                    "the inner width must be at least 1"
                )
            if inner % checked[-1]:
                raise ArchitectureError(
                    f"stage {i}: {groups} groups do not divide the inner width {inner} (width {width} x "
                    f"multiplier {multiplier:g}); the number of groups must divide the inner width"
                )
        object.__setattr__(self, "groups", tuple(checked))

    @property
    def inner_widths(self) -> tuple[int, ...]:
        """Channels of each stage's 3x3 convolutions: the width but for bottlenecks."""
        if self.block != "bottleneck":
            return self.widths
        return tuple(inner_width(w, m) for w, m in zip(self.widths, self.multipliers))

    @classmethod
    def from_net(cls, net: Mapping[str, Any]) -> StageArchitecture:
        """Stage-wise architecture from a published `net`; see `Architecture.from_net`."""
        missing = sorted({"block_type", "ds", "ws", "ss"} - set(net))
        if missing:
            raise ArchitectureError(f"a stage-wise net lacks {missing}; it has 'block_type', 'ds', 'ws' and 'ss'")
        block = block_named(net["block_type"])
        depths, widths, strides = (_listed(net, key) for key in ("ds", "ws", "ss"))
        multipliers, groups = _listed(net, "bot_muls", "bms"), _listed(net, "num_gs", "gws")
        if "stem_w" in net:
            return _from_later_layout(net, block, depths, widths, strides, multipliers, groups)
        if len(widths) < 2 or len(depths) < 2:
            raise ArchitectureError(
                f"ds is {list(depths)}: the list of stages is empty; index 0 is the stem, at least one stage follows"
            )
        if len({len(depths), len(widths), len(strides)}) > 1:
            raise ArchitectureError(
                f"ds, ws and ss have {len(depths)}, {len(widths)} and {len(strides)} entries; "
                "give one for the stem and one per stage in each"
            )
        return cls(
            block, depths[1:], widths[1:], strides[1:], multipliers[1:], groups[1:],
            stem_width=widths[0], stem_stride=strides[0],
        )  # fmt: skip

    def to_net(self) -> dict[str, Any]:
        """The published `net`: lists with the stem at index 0, empty where the block has no use for them."""
        bottleneck = self.block == "bottleneck"
        return {
            "block_type": BLOCKS[self.block],
            "ds": [1, *self.depths],
            "ws": [self.stem_width, *self.widths],
            "ss": [self.stem_stride, *self.strides],
            "bot_muls": [0.0, *self.multipliers] if bottleneck else [],
            "num_gs": [1, *self.groups] if bottleneck else [],
        }


def _multipliers(values: Sequence[Any], count: int) -> tuple[float, ...]:
    if len(values) != count:
        raise ArchitectureError(f"multipliers has {len(values)} entries for {count} stages; give one per stage")
    for i, value in enumerate(values, 1):
        if not isinstance(value, (int, float, np.number)) or not 0 < value < float("inf"):
            raise ArchitectureError(f"stage {i}: multiplier is {value!r}; it must be a positive number")
    return tuple(float(value) for value in values)


def _listed(net: Mapping[str, Any], *keys: str) -> tuple[Any, ...]:
    for key in keys:
        if net.get(key) is not None:
            value = net[key]
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise ArchitectureError(f"{key} is {value!r:.80}; it must be a list")
            return tuple(value)
    return ()


def _from_later_layout(
    net: Mapping[str, Any],
    block: str,
    depths: tuple[Any, ...],
    widths: tuple[Any, ...],
    strides: tuple[Any, ...],
    multipliers: tuple[Any, ...],
    group_widths: tuple[Any, ...],
) -> StageArchitecture:
    """From 2020 the lists hold the stages only, and a group width takes the place of the number of groups."""
    groups: list[int] = []
    if block == "bottleneck" and group_widths:
        multipliers = _multipliers(multipliers or (1.0,) * len(widths), len(widths))
        for i, (width, multiplier, group) in enumerate(zip(widths, multipliers, group_widths), 1):
            inner = inner_width(whole_number(width, f"stage {i}: width", least=1), multiplier)
            group = whole_number(group, f"stage {i}: group width", least=1)
            if inner % group:
                raise ArchitectureError(
                    f"stage {i}: group width {group} does not divide the inner width {inner}; it must divide it"
                )
            groups.append(inner // group)
    return StageArchitecture(
        block, depths, widths, strides, multipliers, tuple(groups), stem_width=net["stem_w"], stem_stride=2
    )
