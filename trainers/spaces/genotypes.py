"""Cell networks: two small graphs of operations, one normal and one reduction, stacked `depth` times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainers.spaces.architectures import Architecture
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.values import listed, real_number, whole_number

__all__ = ["MOST_CELLS", "MOST_NODES", "OPERATIONS", "CellArchitecture", "Edge", "loose_ends"]

#: Every operation that a cell may hold; a cell's input `j` feeds the operation of an edge `(operation, j)`.
OPERATIONS = (
    "none",
    "skip_connect",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "conv_3x1_1x3",
    "conv_7x1_1x7",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "dil_sep_conv_3x3",
)

Edge = tuple[str, int]

#: Limits of a cell network, far beyond any that was ever trained; tables keep indices of nodes in eight bits.
MOST_NODES, MOST_CELLS = 100, 10_000


def loose_ends(inputs: Iterable[int], nodes: int) -> tuple[int, ...]:
    """Nodes that no other node reads, numbered as in a genotype (the first node is 2).

    Parameters
    ----------
    inputs : iterable of int
        Index that each edge reads.
    nodes : int
        Number of nodes of the cell.

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> loose_ends([0, 1, 2, 0], nodes=2)
    (3,)
    """
    read = set(inputs)
    return tuple(node for node in range(2, nodes + 2) if node not in read)


@dataclass(frozen=True)
class CellArchitecture(Architecture):
    """A genotype, and how wide and deep it is stacked.

    Parameters
    ----------
    normal, reduce : tuple of (str, int)
        Two edges per node in node order: an operation and the index it reads. 0 and 1 are the cell's older
        and newer input, node *k* (from 0) has index *k* + 2.
    normal_concat, reduce_concat : tuple of int
        Indices whose outputs are concatenated.
    width, depth : int
        Channels of the first cell; number of cells.
    aux : bool
        Whether an auxiliary head is trained.
    drop_prob : float
        Final probability of DropPath.

    Raises
    ------
    ArchitectureError
        If no network can be built, naming the cell, the node and the rule.

    Examples
    --------
    >>> cell = (("sep_conv_3x3", 0), ("skip_connect", 1))
    >>> CellArchitecture(cell, (2,), cell, (2,), width=16, depth=4).nodes
    (1, 1)
    """

    normal: tuple[Edge, ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[Edge, ...]
    reduce_concat: tuple[int, ...]
    width: int
    depth: int
    aux: bool = False
    drop_prob: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "normal", _edges(self.normal, "normal"))
        object.__setattr__(self, "reduce", _edges(self.reduce, "reduction"))
        for name, edges, first in (("normal", self.normal, 0), ("reduce", self.reduce, 2)):
            concat = _concat(getattr(self, f"{name}_concat"), len(edges) // 2, f"{name}_concat", first)
            object.__setattr__(self, f"{name}_concat", concat)
        object.__setattr__(self, "width", whole_number(self.width, "width", least=1))
        object.__setattr__(self, "depth", whole_number(self.depth, "depth", least=1, most=MOST_CELLS))
        if not isinstance(self.aux, (bool, np.bool_)):
            raise ArchitectureError(f"aux is {self.aux!r:.80}; it must be true or false")
        object.__setattr__(self, "aux", bool(self.aux))
        drop_prob = real_number(self.drop_prob, "drop_prob", "from 0 to below 1", least=0)
        if drop_prob >= 1:
            raise ArchitectureError(f"drop_prob is {drop_prob!r}; it must be from 0 to below 1")
        object.__setattr__(self, "drop_prob", drop_prob)

    @property
    def nodes(self) -> tuple[int, int]:
        """Number of nodes of the normal and of the reduction cell."""
        return len(self.normal) // 2, len(self.reduce) // 2

    @property
    def reductions(self) -> frozenset[int]:
        """Positions of the reduction cells, at one and two thirds of the depth."""
        return frozenset((self.depth // 3, 2 * self.depth // 3))

    @classmethod
    def from_net(cls, net: Mapping[str, Any]) -> CellArchitecture:
        """Cell architecture from a published `net`.

        Parameters
        ----------
        net : mapping
            With ``genotype`` (a mapping or named tuple of ``normal``, ``normal_concat``, ``reduce``,
            ``reduce_concat``), ``width``, ``depth`` and, optionally, ``aux`` and ``drop_prob``.

        Returns
        -------
        CellArchitecture

        Raises
        ------
        ArchitectureError
            If a key is missing or no network can be built.

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> net = SPACES["DARTS"].sample(1, rng=0).to_nets()[0]
        >>> CellArchitecture.from_net(net).to_net() == net
        True
        """
        genotype = net["genotype"]
        if hasattr(genotype, "_asdict"):
            genotype = genotype._asdict()
        if not isinstance(genotype, Mapping):
            raise ArchitectureError(f"genotype is {genotype!r:.80}; it must map 'normal', 'normal_concat' and so on")
        missing = sorted({"normal", "normal_concat", "reduce", "reduce_concat"} - set(genotype))
        missing += sorted({"width", "depth"} - set(net))
        if missing:
            raise ArchitectureError(f"a cell net lacks {missing}")
        return cls(
            normal=genotype["normal"],
            normal_concat=genotype["normal_concat"],
            reduce=genotype["reduce"],
            reduce_concat=genotype["reduce_concat"],
            width=net["width"],
            depth=net["depth"],
            aux=False if net.get("aux") is None else net["aux"],
            drop_prob=0.0 if net.get("drop_prob") is None else net["drop_prob"],
        )

    def to_net(self) -> dict[str, Any]:
        """The published `net`, with lists where the architecture has tuples.

        Returns
        -------
        dict
            ``genotype``, ``width``, ``depth``, ``aux``, ``drop_prob``, ready for JSON.
        """
        return {
            "genotype": {
                "normal": [list(edge) for edge in self.normal],
                "normal_concat": list(self.normal_concat),
                "reduce": [list(edge) for edge in self.reduce],
                "reduce_concat": list(self.reduce_concat),
            },
            "width": self.width,
            "depth": self.depth,
            "aux": self.aux,
            "drop_prob": self.drop_prob,
        }


def _edges(edges: Any, cell: str) -> tuple[Edge, ...]:
    if isinstance(edges, (str, bytes)) or not isinstance(edges, Sequence) or len(edges) == 0 or len(edges) % 2:
        raise ArchitectureError(f"the {cell} cell is {edges!r:.80}; it must list two [operation, index] pairs per node")
    if len(edges) > 2 * MOST_NODES:
        raise ArchitectureError(f"the {cell} cell has {len(edges) // 2} nodes; it may have up to {MOST_NODES}")
    checked = []
    for position, edge in enumerate(edges):
        node = position // 2 + 2
        where = f"{cell} cell, node {node}"
        if isinstance(edge, (str, bytes)) or not isinstance(edge, Sequence) or len(edge) != 2:
            raise ArchitectureError(f"{where}: {edge!r:.80} is no [operation, index] pair")
        operation, index = edge
        if not isinstance(operation, str) or operation not in OPERATIONS:
            raise ArchitectureError(f"{where}: unknown operation {operation!r:.80}; known are {', '.join(OPERATIONS)}")
        index = whole_number(index, f"{where}: input", least=0)
        if index >= node:
            raise ArchitectureError(f"{where}: reads index {index}; a node reads only indices below its own, {node}")
        checked.append((str(operation), index))
    return tuple(checked)


def _concat(indices: Any, nodes: int, name: str, first: int) -> tuple[int, ...]:
    given = listed(indices, name)
    if not given:
        raise ArchitectureError(f"{name} is {indices!r:.80}; it must list at least one node")
    checked = tuple(whole_number(index, f"{name}: index", least=0) for index in given)
    for index in checked:
        if not first <= index < nodes + 2:
            raise ArchitectureError(f"{name}: index {index} is no node of the cell; it must be {first} to {nodes + 1}")
    if len(set(checked)) < len(checked):
        raise ArchitectureError(f"{name} is {list(checked)}; it must list each node once")
    return checked
