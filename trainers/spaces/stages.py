"""Stage-wise networks: a stem, then stages of equal blocks, then a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from trainers.spaces.architectures import Architecture
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.values import LARGEST, listed, real_number, whole_number

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

#: Names of the lists in the latest code, and strides of its stems.
_LATEST_KEYS = {"depths": "ds", "widths": "ws", "strides": "ss", "bs": "bms", "group_ws": "gws"}
#: All keys that are read, and what the optional ones of a bottleneck may be mistaken for.
_KEYS = {
    "block_type", "ds", "ws", "ss", "bot_muls", "num_gs", "bms", "gws", "se_r", "stem_w", "stem_type", *_LATEST_KEYS,
}  # fmt: skip
_MISTAKEN = {
    "bot_muls": "bot_muls", "multipliers": "bot_muls", "num_gs": "num_gs", "groups": "num_gs", "num_groups": "num_gs",
    "se_ratio": "se_r",
}  # fmt: skip
_STEM_STRIDES = {"res_stem_cifar": 1, "simple_stem_in": 2, "res_stem_in": 4}


def block_named(name: Any) -> str:
    """Our name of a block from any name in use, such as ``"vanilla_block"`` or ``"double_plain_block"``.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        ``"vanilla"``, ``"basic"`` or ``"bottleneck"``.

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
    raise ArchitectureError(
        f"block_type is {name!r:.80}; known blocks are {sorted(BLOCKS)} and {sorted(BLOCKS.values())}"
    )


def inner_width(width: int, multiplier: float) -> int:
    """Width of a bottleneck's 3x3 convolution, rounded as the authors' code does.

    Parameters
    ----------
    width : int
        Output channels of the block.
    multiplier : float
        1 / ratio.

    Returns
    -------
    int
        Channels.

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
    se_ratio : float, default 0
        Squeeze-and-excitation after each 3x3 convolution of a bottleneck: channels that it squeezes to, as a multiple
        of the block's input width. 0: none, as in all published spaces.

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
    se_ratio: float = 0.0

    def __post_init__(self) -> None:
        block = block_named(self.block)
        bottleneck = block == "bottleneck"
        names = ("depths", "widths", "strides", "multipliers", "groups")
        lists = {name: listed(getattr(self, name), name) for name in names}
        count = len(lists["depths"])
        if count == 0:
            raise ArchitectureError("the list of stages is empty; a network has at least one stage")
        lists["strides"] = lists["strides"] or (1,) + (2,) * (count - 1)
        lists["multipliers"] = (lists["multipliers"] or (1.0,) * count) if bottleneck else ()
        lists["groups"] = (lists["groups"] or (1,) * count) if bottleneck else ()
        for name in names if bottleneck else names[:3]:
            if len(lists[name]) != count:
                raise ArchitectureError(f"{name} has {len(lists[name])} entries for {count} stages; give one per stage")
        for name in ("depths", "widths", "strides", "groups"):
            what = name if name == "groups" else name[:-1]
            each = (whole_number(v, f"stage {i}: {what}", least=1) for i, v in enumerate(lists[name], 1))
            object.__setattr__(self, name, tuple(each))
        object.__setattr__(self, "block", block)
        object.__setattr__(self, "multipliers", _multipliers(lists["multipliers"]))
        object.__setattr__(self, "stem_width", whole_number(self.stem_width, "stem: width", least=1))
        object.__setattr__(self, "stem_stride", whole_number(self.stem_stride, "stem: stride", least=1))
        object.__setattr__(self, "se_ratio", real_number(self.se_ratio, "se_ratio", "at least 0", least=0))
        if bottleneck:
            self._check_bottlenecks()
        elif self.se_ratio:
            raise ArchitectureError(
                f"se_ratio is {self.se_ratio:g} for {block} blocks; squeeze-and-excitation belongs to bottlenecks"
            )

    def _check_bottlenecks(self) -> None:
        before = self.stem_width
        for i, (width, multiplier, groups) in enumerate(zip(self.widths, self.multipliers, self.groups), 1):
            inner = inner_width(width, multiplier) if width * multiplier <= LARGEST else LARGEST + 1
            if not 1 <= inner <= LARGEST:
                raise ArchitectureError(
                    f"stage {i}: width {width} x multiplier {multiplier:g} leaves "
                    f"{'no inner channel' if inner < 1 else 'too many inner channels'}; "
                    f"the inner width must be at least 1 and at most {LARGEST:,}"
                )
            if inner % groups:
                raise ArchitectureError(
                    f"stage {i}: {groups} groups do not divide the inner width {inner} (width {width} x "
                    f"multiplier {multiplier:g}); the number of groups must divide the inner width"
                )
            squeezed = min(before, width) * self.se_ratio
            if self.se_ratio and not 0.5 < squeezed <= LARGEST:
                raise ArchitectureError(
                    f"stage {i}: an input of {min(before, width)} channels x se_ratio {self.se_ratio:g} leaves "
                    f"{'none' if squeezed < 1 else 'too many'} to squeeze to; give a ratio that leaves at least one"
                )
            before = width

    @property
    def inner_widths(self) -> tuple[int, ...]:
        """Channels of each stage's 3x3 convolutions: the width but for bottlenecks."""
        if self.block != "bottleneck":
            return self.widths
        return tuple(inner_width(w, m) for w, m in zip(self.widths, self.multipliers))

    @property
    def squeezed_widths(self) -> tuple[tuple[int, int], ...]:
        """Channels that each stage's first block and its later ones squeeze to; 0 without squeeze-and-excitation."""
        before = (self.stem_width, *self.widths[:-1])
        return tuple((round(b * self.se_ratio), round(w * self.se_ratio)) for b, w in zip(before, self.widths))

    @classmethod
    def from_net(cls, net: Mapping[str, Any]) -> StageArchitecture:
        """Stage-wise architecture from a published `net`.

        Parameters
        ----------
        net : mapping
            With ``block_type``, ``ds``, ``ws``, ``ss`` and the rest, in one of the layouts of `Architecture.from_net`.

        Returns
        -------
        StageArchitecture

        Raises
        ------
        ArchitectureError
            If a key is missing or misspelt, or no network can be built.

        Examples
        --------
        >>> net = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
        >>> StageArchitecture.from_net(net).widths
        (16, 32, 64)
        """
        net = {_LATEST_KEYS.get(key, key): value for key, value in net.items()} if "stem_w" in net else net
        missing = sorted({"block_type", "ds", "ws", "ss"} - set(net))
        if missing:
            raise ArchitectureError(f"a stage-wise net lacks {missing}; it has 'block_type', 'ds', 'ws' and 'ss'")
        block = block_named(net["block_type"])
        if block == "bottleneck":
            _check_spelling(net)
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
            stem_width=widths[0], stem_stride=strides[0], se_ratio=_se_ratio(net),
        )  # fmt: skip

    def to_net(self) -> dict[str, Any]:
        """The published `net`: lists with the stem at index 0, empty where the block has no use for them.

        Squeeze-and-excitation, which no published space has, adds the key ``se_r``.

        Returns
        -------
        dict
            Ready for JSON.

        Examples
        --------
        >>> StageArchitecture("basic", (9, 9), (16, 32)).to_net()["ds"]
        [1, 9, 9]
        """
        bottleneck = self.block == "bottleneck"
        net = {
            "block_type": BLOCKS[self.block],
            "ds": [1, *self.depths],
            "ws": [self.stem_width, *self.widths],
            "ss": [self.stem_stride, *self.strides],
            "bot_muls": [0.0, *self.multipliers] if bottleneck else [],
            "num_gs": [1, *self.groups] if bottleneck else [],
        }
        return net | ({"se_r": self.se_ratio} if self.se_ratio else {})


def _check_spelling(net: Mapping[str, Any]) -> None:
    """Refuse a key that is nearly one of those that may be absent: left unread, another network would be built."""
    for key in sorted(set(map(str, net)) - _KEYS):
        if near := get_close_matches(key, _MISTAKEN, n=1, cutoff=0.85):
            raise ArchitectureError(f"a stage-wise net has no {key!r}; write {_MISTAKEN[near[0]]!r}")


def _multipliers(values: tuple[Any, ...]) -> tuple[float, ...]:
    return tuple(
        real_number(value, f"stage {i}: multiplier", "a positive number", above=0) for i, value in enumerate(values, 1)
    )


def _se_ratio(net: Mapping[str, Any]) -> Any:
    return 0.0 if net.get("se_r") is None else net["se_r"]


def _listed(net: Mapping[str, Any], *keys: str) -> tuple[Any, ...]:
    for key in keys:
        if net.get(key) is not None:
            return listed(net[key], key)
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
    # Where the stem is not named: one that keeps the resolution comes before a stage that does, as in CIFAR networks.
    stride = _STEM_STRIDES.get(str(net.get("stem_type")), 1 if strides[:1] == (1,) else 2)
    groups: list[int] = []
    if block == "bottleneck" and group_widths:
        multipliers = _multipliers(multipliers or (1.0,) * len(widths))
        for i, (width, multiplier, group) in enumerate(zip(widths, multipliers, group_widths), 1):
            inner = inner_width(whole_number(width, f"stage {i}: width", least=1), multiplier)
            group = whole_number(group, f"stage {i}: group width", least=1)
            if inner % group:
                raise ArchitectureError(
                    f"stage {i}: group width {group} does not divide the inner width {inner}; it must divide it"
                )
            groups.append(inner // group)
    return StageArchitecture(
        block, depths, widths, strides, multipliers, tuple(groups),
        stem_width=net["stem_w"], stem_stride=stride, se_ratio=_se_ratio(net),
    )  # fmt: skip
