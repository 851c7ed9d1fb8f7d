"""Many architectures in columns: arrays with one row per architecture, read as a sequence of `Architecture`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trainers.spaces.architectures import Architecture
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.genotypes import OPERATIONS, CellArchitecture
from trainers.spaces.stages import StageArchitecture
from trainers.spaces.values import each_of

__all__ = ["Architectures", "CellTable", "MixedTable", "StageTable", "frame_of"]

Ints = NDArray[np.integer[Any]]
_CODE = {name: code for code, name in enumerate(OPERATIONS)}


class Architectures(Sequence[Architecture]):
    """A sequence of architectures, stored in columns.

    An index gives an `Architecture`; a slice, an array of indices or of booleans gives a table.
    `drawn` is how many candidates the sampler drew for it, None where it was not sampled.

    Examples
    --------
    >>> from trainers.spaces import SPACES
    >>> sample = SPACES["ResNet"].sample(3, rng=0)
    >>> len(sample), sample[0] == list(sample)[0], len(sample[1:])
    (3, True, 2)
    """

    drawn: int | None

    @staticmethod
    def of(architectures: Iterable[Architecture]) -> Architectures:
        """Table of a list of architectures; in columns where they share their kind, block, stem and strides.

        Parameters
        ----------
        architectures : iterable of Architecture

        Returns
        -------
        Architectures
            In their order; its `drawn` is None.

        Raises
        ------
        ArchitectureError
            If the list is empty, or holds something else.

        Examples
        --------
        >>> from trainers.spaces import Architectures, SPACES
        >>> mixed = [*SPACES["ResNet"].sample(2, rng=0), *SPACES["DARTS"].sample(1, rng=0)]
        >>> table = Architectures.of(mixed)
        >>> len(table), table[2] == mixed[2], table.drawn
        (3, True, None)
        """
        listed = _all_architectures(architectures)
        if not listed:
            raise ArchitectureError("the list of architectures is empty; give at least one")
        if all(isinstance(arch, CellArchitecture) for arch in listed):
            return CellTable.of(listed)
        if len({frame_of(arch) for arch in listed}) == 1 and isinstance(listed[0], StageArchitecture):
            return StageTable.of(listed)
        members = np.empty(len(listed), dtype=object)
        members[:] = listed
        return MixedTable(members)

    @property
    def drawn_per_accepted(self) -> float | None:
        """Candidates drawn for each architecture kept: 1 without a cap, None where nothing was sampled."""
        return None if self.drawn is None or len(self) == 0 else self.drawn / len(self)

    def counted(self, drawn: int) -> Self:
        """The same table, with the number of candidates drawn for it.

        Parameters
        ----------
        drawn : int

        Returns
        -------
        Architectures

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> SPACES["ResNet"].sample(3, rng=0).counted(12).drawn_per_accepted
        4.0
        """
        return replace(self, drawn=drawn)  # type: ignore[type-var]

    def to_nets(self) -> list[dict[str, Any]]:
        """The published `net` of each architecture.

        Returns
        -------
        list of dict
            Ready for JSON, in the order of the architectures.

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> [net["ss"] for net in SPACES["ResNet"].sample(2, rng=0).to_nets()]
        [[1, 1, 2, 2], [1, 1, 2, 2]]
        """
        return [arch.to_net() for arch in self]

    def __iter__(self) -> Iterator[Architecture]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"index {index} is outside the {len(self)} architectures")
            return self._row(int(index) % len(self))
        rows = index if isinstance(index, slice) else np.asarray(index)
        if isinstance(rows, np.ndarray) and rows.size == 0:
            rows = rows.astype(np.intp)  # of an empty list numpy makes real numbers
        return self._take(rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other))

    __hash__ = None  # type: ignore[assignment]

    def _row(self, index: int) -> Architecture:
        raise NotImplementedError

    def _take(self, rows: Any) -> Self:
        columns = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        taken = {name: column[rows] for name, column in columns.items() if isinstance(column, np.ndarray)}
        return replace(self, drawn=None, **taken)  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class StageTable(Architectures):
    """Stage-wise architectures of one block, stem, number of stages, strides and squeeze-and-excitation.

    `depths`, `widths`, `multipliers` and `groups` have shape (n, stages); the last two (n, 0) where the block
    does not use them.
    """

    block: str
    strides: tuple[int, ...]
    depths: NDArray[np.int64]
    widths: NDArray[np.int64]
    multipliers: NDArray[np.float64]
    groups: NDArray[np.int64]
    stem_width: int = 16
    stem_stride: int = 1
    se_ratio: float = 0.0
    drawn: int | None = None

    def __len__(self) -> int:
        return len(self.depths)

    @classmethod
    def of(cls, architectures: Iterable[Architecture]) -> StageTable:
        """Table of stage-wise architectures that share block, stem, strides and squeeze-and-excitation.

        Parameters
        ----------
        architectures : iterable of Architecture
            Others than stage-wise ones are left out.

        Returns
        -------
        StageTable

        Raises
        ------
        ArchitectureError
            If they share less, or none is stage-wise.

        Examples
        --------
        >>> from trainers.spaces import SPACES, StageTable
        >>> StageTable.of(SPACES["ResNet"].sample(5, rng=0)).widths.shape
        (5, 3)
        """
        listed = [arch for arch in architectures if isinstance(arch, StageArchitecture)]
        frames = {frame_of(arch) for arch in listed}
        if len(frames) != 1:
            raise ArchitectureError(
                "a table holds stage-wise architectures of one block, stem, strides and se_ratio; "
                f"these have {sorted(frames)}"
            )
        block, strides, stem_width, stem_stride, se_ratio = frames.pop()
        return cls(
            block,
            strides,
            np.array([a.depths for a in listed], dtype=np.int64, order="F"),
            np.array([a.widths for a in listed], dtype=np.int64, order="F"),
            np.array([a.multipliers for a in listed], dtype=np.float64, order="F"),
            np.array([a.groups for a in listed], dtype=np.int64, order="F"),
            stem_width,
            stem_stride,
            se_ratio,
        )

    @property
    def inner_widths(self) -> NDArray[np.int64]:
        """Channels of the 3x3 convolutions, shape (n, stages)."""
        if self.block != "bottleneck":
            return self.widths
        return np.rint(self.widths * self.multipliers).astype(np.int64)

    def _row(self, index: int) -> StageArchitecture:
        return StageArchitecture(
            self.block,
            tuple(self.depths[index].tolist()),
            tuple(self.widths[index].tolist()),
            self.strides,
            tuple(self.multipliers[index].tolist()),
            tuple(self.groups[index].tolist()),
            self.stem_width,
            self.stem_stride,
            self.se_ratio,
        )


@dataclass(frozen=True, eq=False)
class CellTable(Architectures):
    """Cell architectures. Axis 1 of the first three arrays is the normal and the reduction cell.

    `operations` (codes into `OPERATIONS`) and `inputs` have shape (n, 2, edges), `concat` (n, 2, indices);
    rows of architectures with fewer are filled with -1.
    """

    operations: NDArray[np.int8]
    inputs: NDArray[np.int8]
    concat: NDArray[np.int8]
    width: NDArray[np.int64]
    depth: NDArray[np.int64]
    aux: NDArray[np.bool_]
    drop_prob: NDArray[np.float64]
    drawn: int | None = None

    def __len__(self) -> int:
        return len(self.width)

    @classmethod
    def of(cls, architectures: Iterable[Architecture]) -> CellTable:
        """Table of cell architectures, of any numbers of nodes.

        Parameters
        ----------
        architectures : iterable of Architecture
            Others than cell networks are left out.

        Returns
        -------
        CellTable

        Examples
        --------
        >>> from trainers.spaces import SPACES, CellTable
        >>> CellTable.of(SPACES["DARTS"].sample(5, rng=0)).operations.shape
        (5, 2, 8)
        """
        listed = [arch for arch in architectures if isinstance(arch, CellArchitecture)]
        cells = [(arch.normal, arch.reduce) for arch in listed]
        concats = [(arch.normal_concat, arch.reduce_concat) for arch in listed]
        return cls(
            _filled([[[_CODE[op] for op, _ in cell] for cell in pair] for pair in cells]),
            _filled([[[index for _, index in cell] for cell in pair] for pair in cells]),
            _filled(concats),
            np.array([arch.width for arch in listed], dtype=np.int64),
            np.array([arch.depth for arch in listed], dtype=np.int64),
            np.array([arch.aux for arch in listed], dtype=np.bool_),
            np.array([arch.drop_prob for arch in listed], dtype=np.float64),
        )

    def _row(self, index: int) -> CellArchitecture:
        cells = [
            tuple((OPERATIONS[op], i) for op, i in zip(ops, ins) if op >= 0)
            for ops, ins in zip(self.operations[index].tolist(), self.inputs[index].tolist())
        ]
        concats = [tuple(i for i in row if i >= 0) for row in self.concat[index].tolist()]
        return CellArchitecture(
            cells[0],
            concats[0],
            cells[1],
            concats[1],
            int(self.width[index]),
            int(self.depth[index]),
            bool(self.aux[index]),
            float(self.drop_prob[index]),
        )


@dataclass(frozen=True, eq=False)
class MixedTable(Architectures):
    """Architectures that have no columns in common, such as stage-wise ones of different numbers of stages."""

    members: NDArray[np.object_]
    drawn: int | None = None

    def __len__(self) -> int:
        return len(self.members)

    def _row(self, index: int) -> Architecture:
        arch: Architecture = self.members[index]
        return arch


def _all_architectures(architectures: Any) -> list[Architecture]:
    found = each_of(architectures, "architectures", "Architecture")
    for place, arch in enumerate(found):
        if not isinstance(arch, (CellArchitecture, StageArchitecture)):
            raise ArchitectureError(f"architectures[{place}] is {arch!r:.80}; give Architecture objects")
    return found


def frame_of(arch: Architecture) -> Any:
    """What the rows of one table share: of a stage-wise one all but the numbers of its stages, else the kind alone."""
    if isinstance(arch, StageArchitecture):
        return arch.block, arch.strides, arch.stem_width, arch.stem_stride, arch.se_ratio
    return type(arch).__name__


def _filled(pairs: Sequence[Sequence[Sequence[int]]]) -> NDArray[np.int8]:
    longest = max(len(row) for pair in pairs for row in pair)
    array = np.full((len(pairs), 2, longest), -1, dtype=np.int8)
    for i, pair in enumerate(pairs):
        for j, row in enumerate(pair):
            array[i, j, : len(row)] = row
    return array
