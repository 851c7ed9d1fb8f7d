"""Cell spaces: every edge of a normal and a reduction cell takes an operation and an input, independently."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainers.spaces.architectures import Architecture
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.genotypes import MOST_CELLS, MOST_NODES, OPERATIONS, CellArchitecture, loose_ends
from trainers.spaces.sampling import Digits
from trainers.spaces.space import Space
from trainers.spaces.tables import CellTable
from trainers.spaces.values import LARGEST, grid_of, listed, whole_number

__all__ = ["CellSpace"]


@dataclass(frozen=True)
class CellSpace(Space):
    """Networks of two cells that are drawn edge by edge.

    Parameters
    ----------
    name : str
    operations : sequence of str
        What an edge may do, of `trainers.spaces.OPERATIONS`.
    nodes : int
        Nodes per cell; each takes two edges from the two inputs and the nodes before it.
    output : {"loose", "all"}
        Whether a cell joins the nodes that no other node reads, or all.
    width, depth : sequence of int
        Channels of the first cell; number of cells.

    Raises
    ------
    ArchitectureError
        If an operation is unknown or a list is empty.

    Examples
    --------
    >>> space = CellSpace("tiny", ["skip_connect", "conv_3x3"], nodes=1, output="all", width=[16], depth=[4, 8])
    >>> space.num_cells, space.size
    (16, 512)
    """

    operations: Sequence[str]
    nodes: int
    output: Literal["loose", "all"]
    width: Sequence[int] = (16, 24, 32)
    depth: Sequence[int] = (4, 8, 12, 16, 20)

    def __post_init__(self) -> None:
        operations = listed(self.operations, f"{self.name}: operations")
        unknown = [op for op in operations if not isinstance(op, str) or op not in OPERATIONS]
        if unknown or not operations or len(set(operations)) < len(operations):
            raise ArchitectureError(
                f"{self.name}: operations are {list(operations)!s:.200}, unknown {unknown!s:.80}; "
                f"give different ones of {', '.join(OPERATIONS)}"
            )
        object.__setattr__(self, "operations", operations)
        object.__setattr__(self, "nodes", whole_number(self.nodes, f"{self.name}: nodes", least=1, most=MOST_NODES))
        if not isinstance(self.output, str) or self.output not in ("loose", "all"):
            raise ArchitectureError(f"{self.name}: output is {self.output!r:.80}; give 'loose' or 'all'")
        for name, most in (("width", LARGEST), ("depth", MOST_CELLS)):
            object.__setattr__(self, name, grid_of(getattr(self, name), f"{self.name}: {name}", most))

    @property
    def _inputs(self) -> tuple[int, ...]:
        """Number of inputs that each edge of a cell may read."""
        return tuple(edge // 2 + 2 for edge in range(2 * self.nodes))

    @property
    def num_cells(self) -> int:
        """Number of different cells: the product over edges of operations x available inputs."""
        count = 1
        for inputs in self._inputs:
            count *= len(self.operations) * inputs
        return count

    @property
    def radices(self) -> tuple[int, ...]:
        """Options of each edge's operation, of its input, for both cells; then of width and depth."""
        cell = (*(len(self.operations),) * (2 * self.nodes), *self._inputs)
        return (*cell, *cell, len(self.width), len(self.depth))

    def decode(self, digits: Digits) -> CellTable:
        """Architectures of rows (operations, inputs) x 2, width, depth.

        Parameters
        ----------
        digits : int array, shape (n, 8 nodes + 2)
            Of the normal cell: the number of each edge's operation, then of its input; so of the reduction cell;
            numbers of the width and of the depth.

        Returns
        -------
        CellTable
        """
        edges = 2 * self.nodes
        codes = np.array([OPERATIONS.index(op) for op in self.operations], dtype=np.int8)
        cells = digits[:, : 4 * edges].reshape(-1, 2, 2, edges)
        inputs = cells[:, :, 1].astype(np.int8)
        return CellTable(
            codes[cells[:, :, 0]],
            inputs,
            self._concat(inputs),
            np.array(self.width, dtype=np.int64)[digits[:, -2]],
            np.array(self.depth, dtype=np.int64)[digits[:, -1]],
            np.zeros(len(digits), dtype=np.bool_),
            np.zeros(len(digits)),
        )

    def _concat(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        names = np.arange(2, self.nodes + 2, dtype=np.int8)
        joined = np.broadcast_to(names, (*inputs.shape[:2], self.nodes))
        if self.output == "all":
            return joined.copy()
        loose = ~(inputs[..., None] == names).any(axis=2)
        # Loose nodes first, in order; the rest is filled up with -1.
        order = np.argsort(~loose, axis=2, kind="stable")
        return np.take_along_axis(np.where(loose, joined, np.int8(-1)), order, axis=2)

    def fixed(self, *, width: int, depth: int, name: str | None = None) -> CellSpace:
        """The space at one width and one depth.

        Parameters
        ----------
        width : int
            Channels of the first cell.
        depth : int
            Number of cells.
        name : str, optional
            Default: as the published files name such variants, ``DARTS_fix-w-d``.

        Returns
        -------
        CellSpace

        Raises
        ------
        ArchitectureError
            If width or depth is no whole number from 1 that a network can have.

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> variant = SPACES["DARTS"].fixed(width=16, depth=20)
        >>> variant.name, variant.size == variant.num_cells**2
        ('DARTS_fix-w-d', True)
        """
        return replace(self, name=name or f"{self.name}_fix-w-d", width=(width,), depth=(depth,))

    def to_dict(self) -> dict[str, Any]:
        """The definition as plain values; `from_dict` reads it back.

        Returns
        -------
        dict
            ``name``, ``operations``, ``nodes``, ``output``, ``width``, ``depth``.
        """
        return {
            "name": self.name,
            "operations": list(self.operations),
            "nodes": self.nodes,
            "output": self.output,
            "width": list(self.width),
            "depth": list(self.depth),
        }

    def _why_not(self, arch: Architecture) -> str | None:
        if not isinstance(arch, CellArchitecture):
            return f"{self.name} holds networks of cells; this one is stage-wise"
        cells = (("normal", arch.normal, arch.normal_concat), ("reduction", arch.reduce, arch.reduce_concat))
        for name, edges, concat in cells:
            if len(edges) != 2 * self.nodes:
                return f"the {name} cell has {len(edges) // 2} nodes; in {self.name} it has {self.nodes}"
            for position, (operation, _) in enumerate(edges):
                if operation not in self.operations:
                    return f"{name} cell, node {position // 2 + 2}: {operation} is not an operation of {self.name}"
            joined = loose_ends((i for _, i in edges), self.nodes) if self.output == "loose" else None
            wanted = tuple(range(2, self.nodes + 2)) if joined is None else joined
            if tuple(sorted(concat)) != wanted:
                rule = "all nodes" if joined is None else "the nodes that no other node reads"
                return f"the {name} cell joins {list(concat)}; {self.name} joins {rule}, {list(wanted)}"
        if arch.width not in self.width:
            return f"width {arch.width} is not one of {list(self.width)}"
        if arch.depth not in self.depth:
            return f"depth {arch.depth} is not one of {list(self.depth)}"
        return None

    def _cheapest(self) -> CellTable:
        # A chain of nodes: the fewest joined, so the narrowest outputs. Edges alike in stride and cell share their
        # cheapest operation: those of the normal cell, of the reduction cell's first node, and of its other nodes.
        chain = [edge // 2 + 1 if edge >= 2 else 0 for edge in range(2 * self.nodes)]
        options = range(len(self.operations))
        rows = [
            [*[normal] * (2 * self.nodes), *chain, first, first, *[later] * (2 * self.nodes - 2), *chain, width, depth]
            for normal, first, later in itertools.product(options, options, options if self.nodes > 1 else (0,))
            for width, depth in itertools.product(range(len(self.width)), range(len(self.depth)))
        ]
        return self.decode(np.array(rows, dtype=np.int64))
