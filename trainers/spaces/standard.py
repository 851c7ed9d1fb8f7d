"""Stage-wise spaces: every stage takes its depth, width, ratio and groups from a grid, independently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from trainers.spaces.architectures import Architecture
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.sampling import Digits, digits_of
from trainers.spaces.space import Space
from trainers.spaces.stages import StageArchitecture, block_named, inner_width
from trainers.spaces.tables import StageTable
from trainers.spaces.values import LARGEST, grid_of, listed, one_or_many, real_number, whole_number

__all__ = ["StageSpace"]

#: Stages of a space, at most: each halves the images, or could.
_MOST_STAGES = 32

#: Combinations of stages that are gone through for the smallest network.
_MOST_TRIED = 500_000


@dataclass(frozen=True)
class StageSpace(Space):
    """A grid of stage-wise networks.

    Parameters
    ----------
    name : str
    block : {"vanilla", "basic", "bottleneck"}
    depth, width : sequence of int
        Blocks and channels that a stage may have.
    ratio : sequence of float
        Divisors of the width that give a bottleneck's inner width.
    groups : sequence of int
        Groups of a bottleneck's 3x3 convolution. Combinations of width, ratio and groups in which the groups do
        not divide the inner width are not in the space.
    stages : int
    strides : sequence of int, optional
        1, then 2 in every later stage, if not given.
    stem_width, stem_stride : int
    se_ratio : float
        Squeeze-and-excitation in every bottleneck, as in `StageArchitecture`; 0: none.

    Raises
    ------
    ArchitectureError
        If a list is empty, a value repeats, or no combination can be built.

    Examples
    --------
    >>> space = StageSpace("small", "basic", depth=[1, 2], width=[8, 16, 32], stages=2)
    >>> space.size == (2 * 3) ** 2
    True
    >>> space.sample(1, rng=0)[0].to_net()["ss"]
    [1, 1, 2]
    """

    block: str
    depth: Sequence[int]
    width: Sequence[int]
    ratio: Sequence[float] = (1,)
    groups: Sequence[int] = (1,)
    stages: int = 3
    strides: Sequence[int] = ()
    stem_width: int = 16
    stem_stride: int = 1
    se_ratio: float = 0.0
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "block", block_named(self.block))
        object.__setattr__(
            self, "stages", whole_number(self.stages, f"{self.name}: stages", least=1, most=_MOST_STAGES)
        )
        for name in ("depth", "width", "groups"):
            object.__setattr__(self, name, grid_of(getattr(self, name), f"{self.name}: {name}"))
        ratios = one_or_many(self.ratio)
        for ratio in ratios:
            real_number(ratio, f"{self.name}: ratio", "positive", above=0)
        if not ratios or len(set(ratios)) < len(ratios):
            raise ArchitectureError(f"{self.name}: ratio is {list(ratios)}; give different positive numbers")
        object.__setattr__(self, "ratio", ratios)
        strides = listed(self.strides, f"{self.name}: strides") or (1,) + (2,) * (self.stages - 1)
        if len(strides) != self.stages:
            raise ArchitectureError(f"{self.name}: strides has {len(strides)} entries for {self.stages} stages")
        each = (whole_number(v, f"{self.name}: stage {i}: stride", least=1) for i, v in enumerate(strides, 1))
        object.__setattr__(self, "strides", tuple(each))
        # A stem or a squeeze that cannot be built is named as a network's would be.
        for name, least in (("stem_width", 1), ("stem_stride", 1)):
            object.__setattr__(self, name, whole_number(getattr(self, name), f"{self.name}: {name}", least=least))
        se_ratio = real_number(self.se_ratio, f"{self.name}: se_ratio", "at least 0", least=0)
        object.__setattr__(self, "se_ratio", se_ratio)
        if se_ratio and (self.block != "bottleneck" or min(self.stem_width, *self.width) * se_ratio <= 0.5):
            raise ArchitectureError(
                f"{self.name}: se_ratio is {se_ratio:g}; squeeze-and-excitation belongs to bottlenecks, and must leave "
                "at least one channel of the narrowest stage and of the stem"
            )
        if self.block != "bottleneck" and (self.ratio != (1,) or self.groups != (1,)):
            raise ArchitectureError(f"{self.name}: ratio and groups belong to bottlenecks; leave them out")
        if not self._shapes:
            raise ArchitectureError(
                f"{self.name}: no groups of {list(self.groups)} divide an inner width (width / ratio); "
                "the number of groups must divide the inner width"
            )

    @cached_property
    def _shapes(self) -> list[tuple[int, float, int]]:
        """Width, multiplier and groups of a stage, of the combinations that can be built."""
        found: list[tuple[int, float, int]] = []
        for width in self.width:
            for ratio in self.ratio:
                inner = inner_width(width, 1 / ratio) if width / ratio <= LARGEST else 0
                found += [(width, 1 / ratio, groups) for groups in self.groups if inner and inner % groups == 0]
        return found

    @property
    def num_cells(self) -> None:
        """None: only a cell space has cells."""
        return None

    @property
    def radices(self) -> tuple[int, ...]:
        """Options of each stage's depth and of its width, ratio and groups together."""
        return (len(self.depth), len(self._shapes)) * self.stages

    def decode(self, digits: Digits) -> StageTable:
        """Architectures of rows (depth, shape) x stages.

        Parameters
        ----------
        digits : int array, shape (n, 2 stages)
            Of each stage: the number of its depth, then that of its width, ratio and groups together.

        Returns
        -------
        StageTable
        """
        depths = np.array(self.depth, dtype=np.int64)
        widths, multipliers, groups = (np.array(column) for column in zip(*self._shapes))
        # Column by column in Fortran order: counting reads one stage of all rows at a time.
        shape = np.asfortranarray(digits[:, 1::2])
        none = np.empty((len(digits), 0))
        bottleneck = self.block == "bottleneck"
        return StageTable(
            self.block,
            tuple(self.strides),
            depths[np.asfortranarray(digits[:, ::2])],
            widths.astype(np.int64)[shape],
            multipliers[shape] if bottleneck else none,
            groups.astype(np.int64)[shape] if bottleneck else none.astype(np.int64),
            self.stem_width,
            self.stem_stride,
            self.se_ratio,
        )

    def on_grid(self, **changes: Any) -> StageSpace:
        """The same space with some of its fields changed.

        Parameters
        ----------
        **changes
            Fields of `StageSpace`, such as ``name="ResNet_in"``, ``stages=4`` or ``stem_width=64``. `stages` without
            `strides` keeps the strides of the stages that are left and repeats the last one's for those that are added.

        Returns
        -------
        StageSpace

        Raises
        ------
        ArchitectureError
            If a value makes no sense, or no combination of them can be built.
        TypeError
            If there is no field of a name.

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> space = SPACES["ResNet"].on_grid(name="ResNet_in", stem_width=64, stem_stride=4, stages=4)
        >>> space.name, space.strides, space.size == (9 * 12) ** 4
        ('ResNet_in', (1, 2, 2, 2), True)
        """
        if "stages" in changes and "strides" not in changes:
            wanted = whole_number(changes["stages"], f"{self.name}: stages", least=1, most=_MOST_STAGES)
            changes["strides"] = (*self.strides, *tuple(self.strides[-1:]) * wanted)[:wanted]
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The definition as plain values; `from_dict` reads it back.

        Returns
        -------
        dict
            ``name``, ``block``, ``stages``, ``depth``, ``width``, ``strides``, ``stem_width``, ``stem_stride``; of
            bottlenecks also ``ratio``, ``groups`` and, unless 0, ``se_ratio``.
        """
        values: dict[str, Any] = {
            "name": self.name,
            "block": self.block,
            "stages": self.stages,
            "depth": list(self.depth),
            "width": list(self.width),
        }
        if self.block == "bottleneck":
            values |= {"ratio": list(self.ratio), "groups": list(self.groups)}
        values |= {"strides": list(self.strides), "stem_width": self.stem_width, "stem_stride": self.stem_stride}
        return values | ({"se_ratio": self.se_ratio} if self.se_ratio else {})

    def _why_not(self, arch: Architecture) -> str | None:
        if not isinstance(arch, StageArchitecture):
            return f"{self.name} holds stage-wise networks; this one is made of cells"
        wanted = {
            "block": self.block,
            "stages": self.stages,
            "strides": tuple(self.strides),
            "stem width": self.stem_width,
            "stem stride": self.stem_stride,
            "se_ratio": self.se_ratio,
        }
        given = {
            "block": arch.block,
            "stages": len(arch.depths),
            "strides": arch.strides,
            "stem width": arch.stem_width,
            "stem stride": arch.stem_stride,
            "se_ratio": arch.se_ratio,
        }
        for what, value in given.items():
            if value != wanted[what]:
                return f"{what} is {value}; in {self.name} it is {wanted[what]}"
        bottleneck = self.block == "bottleneck"
        for i in range(self.stages):
            where = f"stage {i + 1}"
            if arch.depths[i] not in self.depth:
                return f"{where}: depth {arch.depths[i]} is not one of {list(self.depth)}"
            if arch.widths[i] not in self.width:
                return f"{where}: width {arch.widths[i]} is not one of {list(self.width)}"
            if bottleneck and not any(abs(arch.multipliers[i] * r - 1) < 1e-6 for r in self.ratio):
                return f"{where}: ratio {1 / arch.multipliers[i]:g} is not one of {list(self.ratio)}"
            if bottleneck and arch.groups[i] not in self.groups:
                return f"{where}: groups {arch.groups[i]} is not one of {list(self.groups)}"
        return None

    @property
    def _cheapest_settles(self) -> bool:
        return bool(len(self._shapes) ** self.stages <= _MOST_TRIED)

    def _cheapest(self) -> StageTable:
        # Another block never saves anything, so the least depth in every stage suffices, whatever the shapes.
        least = int(np.argmin(self.depth))
        options = np.arange(len(self._shapes))
        if not self._cheapest_settles:
            options = np.array(self._narrow_shapes())
        combinations = min(len(options) ** self.stages, _MOST_TRIED)
        shapes = options[digits_of(np.arange(combinations, dtype=np.int64), (len(options),) * self.stages)]
        digits = np.full((len(shapes), 2 * self.stages), least, dtype=np.int64)
        digits[:, 1::2] = shapes
        return self.decode(digits)

    def _narrow_shapes(self) -> list[int]:
        """Of the narrowest width, and of the stem's: for each inner width, the shape of most groups.

        A stage that is neither narrowest nor as wide as the one before, which saves the projection, only costs more.
        """
        best: dict[tuple[int, int], int] = {}
        for place, (width, multiplier, groups) in enumerate(self._shapes):
            key = (width, inner_width(width, multiplier))
            if width in (min(self.width), self.stem_width) and groups >= self._shapes[best.get(key, place)][2]:
                best[key] = place
        narrow = [place for (width, inner), place in sorted(best.items())]
        return narrow or list(range(len(self._shapes)))
