"""Drawings for a report: the stages of a network side by side, a cell as a graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edfstat.plot.style import save_svg
from trainers.spaces.architectures import Architecture, as_architecture
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.genotypes import CellArchitecture, Edge
from trainers.spaces.stage_counts import halved
from trainers.spaces.stages import StageArchitecture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "draw_net", "save_drawing"]

# Okabe and Ito's colours, which all readers can tell apart, made light enough for black text.
_INK, _PAPER = "#222222", "#f2f2f2"
_KINDS = {"conv": "#a6d3f2", "pool": "#f6d58f", "skip": "#bfe3d5", "none": "#dddddd"}


def draw(arch: Architecture | Mapping[str, Any], *, image_size: int | None = 32, title: str | None = None) -> Figure:
    """Figure of an architecture: a row of stages, or its normal and reduction cell as graphs.

    Parameters
    ----------
    arch : Architecture or `net` dictionary
    image_size : int or None
        Height of the stages' input, after the stem; a stage-wise drawing names each stage's resolution. None where it
        is not known: then each stage's stride.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with pyplot, so it needs no closing.

    See Also
    --------
    save_drawing : Into a file.

    Examples
    --------
    >>> from trainers.spaces import SPACES
    >>> figure = draw(SPACES["DARTS"].sample(1, rng=0)[0])
    >>> [axes.get_title() for axes in figure.axes]
    ['normal cell', 'reduction cell']
    """
    from matplotlib.figure import Figure

    arch = as_architecture(arch)
    if isinstance(arch, StageArchitecture):
        figure = Figure(figsize=(2.0 + 1.9 * len(arch.depths), 2.6), layout="constrained")
        _draw_stages(figure.add_subplot(), arch, image_size)
    elif isinstance(arch, CellArchitecture):
        figure = Figure(figsize=(13, 0.8 + 1.1 * max(arch.nodes)), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_cell(left, arch.normal, arch.normal_concat, "normal cell")
        _draw_cell(right, arch.reduce, arch.reduce_concat, "reduction cell")
        title = title or f"width {arch.width}, {arch.depth} cells"
    else:
        raise ArchitectureError(f"{type(arch).__name__} is no architecture that can be drawn")
    if title:
        figure.suptitle(title)
    return figure


def draw_net(net: Mapping[str, Any]) -> Figure:
    """What reports draw of a model of which only the `net` dictionary is known, not the images it was trained on.

    Parameters
    ----------
    net : mapping

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw(net, image_size=None)


def save_drawing(arch: Architecture | Mapping[str, Any], path: str | Path, **options: Any) -> Path:
    """Write the drawing of an architecture to a file, SVG or PNG by suffix.

    Parameters
    ----------
    arch : Architecture or `net` dictionary
    path : path
    **options
        Of `draw`.

    Returns
    -------
    Path

    Raises
    ------
    ArchitectureError
        If the suffix is neither ``.svg`` nor ``.png``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from trainers.spaces import SPACES
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_drawing(SPACES["ResNet"].sample(1, rng=0)[0], Path(folder, "first.svg"))
    ...     path.name, path.exists()
    ('first.svg', True)
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".png"):
        raise ArchitectureError(f"{path.name} ends in {suffix!r}; a drawing is written as .svg or .png")
    figure = draw(arch, **options)
    if suffix == ".svg":
        save_svg(figure, path, text=True)
    else:
        figure.savefig(path, dpi=160)
    return path


def _draw_stages(axes: Axes, arch: StageArchitecture, image_size: int | None) -> None:
    from matplotlib.patches import FancyBboxPatch

    widest = max(arch.stem_width, *arch.widths)
    size = image_size
    boxes = [(f"{arch.stem_width} channels", "stem", arch.stem_width)]
    for stage, (depth, width, stride) in enumerate(zip(arch.depths, arch.widths, arch.strides)):
        size = None if size is None else halved(size, stride)
        scale = f"stride {stride}" if size is None else f"{size} x {size}"
        lines = f"{depth} x {arch.block}\n{width} channels\n{scale}"
        if arch.block == "bottleneck":
            lines += f"\ninner {arch.inner_widths[stage]}, groups {arch.groups[stage]}"
        boxes.append((lines, f"stage {stage + 1}", width))
    boxes.append(("pool, linear", "head", arch.widths[-1]))
    for column, (text, name, width) in enumerate(boxes):
        # Height shows the width on a root scale, so that 16 and 1024 channels both stay legible.
        height = 0.9 + 1.1 * (width / widest) ** 0.5
        fill = _PAPER if name in ("stem", "head") else _KINDS["conv"]
        axes.add_patch(
            FancyBboxPatch(
                (1.9 * column, -height / 2),
                1.5,
                height,
                boxstyle="round,pad=0.05",
                facecolor=fill,
                edgecolor=_INK,
                linewidth=1,
            )
        )
        axes.text(1.9 * column + 0.75, 0, text, ha="center", va="center", fontsize=8, color=_INK)
        axes.text(1.9 * column + 0.75, 1.25, name, ha="center", va="center", fontsize=9, weight="bold", color=_INK)
        if column:
            axes.annotate(
                "", (1.9 * column - 0.06, 0), (1.9 * column - 0.34, 0), arrowprops={"arrowstyle": "->", "color": _INK}
            )
    axes.set(xlim=(-0.2, 1.9 * len(boxes) - 0.2), ylim=(-1.3, 1.5))
    axes.axis("off")


def _draw_cell(axes: Axes, edges: tuple[Edge, ...], concat: tuple[int, ...], title: str) -> None:
    nodes = len(edges) // 2
    # Inputs on the left, nodes stepping down to the right, the joined output at the far right.
    places = {0: (0.0, nodes - 0.7), 1: (0.0, 0.2)}
    places |= {k + 2: (3.2 + 1.7 * k, float(nodes - 1 - k)) for k in range(nodes)}
    end = (3.2 + 1.7 * nodes, (nodes - 1) / 2)
    for position, (operation, index) in enumerate(edges):
        node = places[position // 2 + 2]
        # An operation stands right before the node that it feeds, so no label can be taken for another edge's.
        box = (node[0] - 1.0, node[1] + (0.21 if position % 2 == 0 else -0.21))
        _arrow(axes, places[index], (box[0] - 0.55, box[1]), bend=0.06)
        _arrow(axes, (box[0] + 0.45, box[1]), (node[0] - 0.12, node[1]), bend=0.0)
        kind = next((kind for kind in ("pool", "skip", "none") if kind in operation), "conv")
        axes.text(
            *box, f"{index}: {operation}", ha="center", va="center", fontsize=6.5, color=_INK, zorder=5,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": _KINDS[kind], "edgecolor": "none"},
        )  # fmt: skip
    for index in concat:
        _arrow(axes, places[index], (end[0] - 0.15, end[1]), bend=0.0, dotted=True)
    for index, place in places.items():
        label = {0: "0: older\ninput", 1: "1: newer\ninput"}.get(index, str(index))
        _disc(axes, place, label, _PAPER if index < 2 else "white")
    _disc(axes, end, "join", _PAPER)
    axes.set(xlim=(-0.7, end[0] + 0.5), ylim=(-0.6, nodes - 0.3), title=title)
    axes.axis("off")


def _disc(axes: Axes, place: tuple[float, float], text: str, fill: str) -> None:
    axes.text(
        *place, text, ha="center", va="center", fontsize=8, color=_INK, zorder=6,
        bbox={"boxstyle": "round,pad=0.4", "facecolor": fill, "edgecolor": _INK},
    )  # fmt: skip


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], *, bend: float, dotted: bool = False
) -> None:
    axes.annotate(
        "", end, start,
        arrowprops={
            "arrowstyle": "->", "color": "#777777" if dotted else _INK, "linestyle": ":" if dotted else "-",
            "linewidth": 0.8, "connectionstyle": f"arc3,rad={bend}", "shrinkA": 0, "shrinkB": 0,
        },
    )  # fmt: skip
