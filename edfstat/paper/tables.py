"""The paper's tables: sizes of the design spaces, worked out from their grids, and the sanity check as printed."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, prod
from typing import Any

__all__ = ["paper_tables", "row_texts"]

# space: numbers of choices per stage for depth, width, ratio and groups; three stages.
_STAGES = {
    "Vanilla": (9, 12, 1, 1),
    "ResNet": (9, 12, 1, 1),
    "ResNeXt-A": (5, 5, 3, 3),
    "ResNeXt-B": (5, 5, 3, 5),
}
_GRIDS = {
    "Vanilla": ("1,24,9", "16,256,12", "", ""),
    "ResNet": ("1,24,9", "16,256,12", "", ""),
    "ResNeXt-A": ("1,16,5", "16,256,5", "1,4,3", "1,4,3"),
    "ResNeXt-B": ("1,16,5", "64,1024,5", "1,4,3", "1,16,5"),
}
# space: operations, nodes, which nodes are the output (L: those that no node reads, A: all).
_CELLS = {
    "NASNet": (13, 5, "L"),
    "Amoeba": (8, 5, "L"),
    "PNAS": (8, 5, "A"),
    "ENAS": (5, 5, "L"),
    "DARTS": (8, 4, "A"),
}
_ERRORS = ("original", "default", "enhanced")
# network: params (M), flops (B), error (%): original, default recipe, enhanced recipe.
_SANITY = {
    "ResNet-110": (1.7, 0.26, 6.61, 5.91, 3.65),
    "ResNeXt*": (2.5, 0.38, None, 4.90, 2.75),
    "DARTS*": (3.4, 0.54, 2.83, 5.21, 2.63),
}


def cell_count(operations: int, nodes: int) -> int:
    """Cells: each node takes two inputs among the cell's own two and the nodes before it, one operation each.

    Examples
    --------
    >>> round(cell_count(13, 5) / 1e9)
    71465842
    """
    return prod((operations * (node + 2)) ** 2 for node in range(nodes))


def paper_tables() -> list[dict[str, Any]]:
    """The tables as number, title, columns and rows."""
    stages = [[space, *_GRIDS[space], prod(choices) ** 3] for space, choices in _STAGES.items()]
    cells = [
        [space, operations, nodes, output, cell_count(operations, nodes) / 1e9]
        for space, (operations, nodes, output) in _CELLS.items()
    ]
    sanity = [[network, *values] for network, values in _SANITY.items()]
    return [
        {
            "table": "spaces",
            "title": "Design spaces of three stages: choices (from, to, number) and networks in total",
            "columns": ["space", "depth", "width", "ratio", "groups", "total"],
            "rows": stages,
        },
        {
            "table": "cells",
            "title": "Design spaces of cells: how many cells there are, in billions",
            "columns": ["space", "operations", "nodes", "output", "cells (billions)"],
            "rows": cells,
        },
        {
            "table": "sanity",
            "title": "Sanity check of the training setup, as printed in the paper: error in percent",
            "columns": ["network", "params (M)", "flops (B)", *_ERRORS],
            "rows": sanity,
        },
    ]


def row_texts(row: Sequence[Any], columns: Sequence[str]) -> list[str]:
    """A row of a table as it is read.

    Examples
    --------
    >>> row_texts(["ENAS", 5062.5, 4.9, None], ["space", "cells (billions)", "default", "enhanced"])
    ['ENAS', '5,063', '4.90', '-']
    """
    return [_text(value, column) for value, column in zip(row, columns, strict=True)]


def _text(value: Any, column: str) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if column in _ERRORS:
            return f"{value:.2f}"
        # As the paper rounds, a half upwards; Python's own formats round it to the even neighbour.
        return f"{floor(value + 0.5):,}" if value >= 100 else f"{value:g}"
    return str(value)
