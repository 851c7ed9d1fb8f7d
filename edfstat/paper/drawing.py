"""Draws the panels of a figure from their numbers; computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["draw_figure", "draw_table"]

# Told apart in grey and by people who see few colours: dark to light, with a line style each.
_COLORS = ("#0b4f8a", "#c8511b", "#2f7d4f", "#8a3f97", "#7a6a00")
_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))
_AXES = {"params": "params (M)", "flops": "flops (B)", "none": ""}
_ERROR = "error (%)"


def draw_figure(numbers: dict[str, Any], png: Path, svg: Path) -> None:
    """Draw the panels side by side, at most four in a row."""
    panels = numbers["panels"]
    columns = min(len(panels), 4 if len(panels) != 6 else 3)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.2 * rows), layout="constrained")
    axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns))).ravel()
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, panel in zip(axes, panels, strict=False):
        _DRAW[panel["kind"]](ax, panel)
        ax.set_title(_title(panel), fontsize=9)
        ax.grid(alpha=0.3)
        if len(panel["curves"]) > 1 or panel["kind"] in ("edf", "search", "ks"):
            ax.legend(fontsize=7)
    figure.savefig(png, dpi=150)
    figure.savefig(svg, metadata={"Date": None})


def _title(panel: dict[str, Any]) -> str:
    normalized = panel["bins"] and panel["kind"] in ("edf", "search")
    suffix = f"normalized by {panel['measure']}, {panel['bins']} bins" if normalized else panel["title"]
    return f"{panel['panel']}: {suffix}" if suffix else str(panel["panel"])


def _style(number: int) -> dict[str, Any]:
    return {"color": _COLORS[number % len(_COLORS)], "linestyle": _STYLES[number % len(_STYLES)], "linewidth": 1.4}


def _label(curve: dict[str, Any], panel: dict[str, Any]) -> str:
    if "seeds" in curve:
        return f"{curve['seeds']} seed{'s' * (curve['seeds'] > 1)} (n = {curve['n']})"
    if "group" in curve:
        return f"{curve['group']} (n = {curve['n']})"
    same = len({c["file"] for c in panel["curves"]}) < len(panel["curves"])
    return f"n = {curve['n']}" if same else f"{curve['file']} (n = {curve['n']})"


def _edf(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        x, y = (curve["paper_x"], curve["paper_y"]) if "paper_x" in curve else (curve["x"], curve["y"])
        ax.plot(x, y, drawstyle="steps-post", label=_label(curve, panel), **_style(number))
    if "ks" in panel:
        ax.text(0.97, 0.05, f"D = {panel['ks']['statistic']:.3f}\np = {panel['ks']['pvalue']:.2f}", ha="right",
                transform=ax.transAxes, fontsize=8)  # fmt: skip
    ax.set(xlabel=_ERROR, ylabel="cumulative probability", ylim=(-0.02, 1.02))


def _search(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        style = _style(number)
        x, y, std = (np.asarray(curve[key], dtype=float) for key in ("x", "y", "std"))
        ax.plot(x, y, label=_label(curve, panel), **style)
        ax.fill_between(x, y - 2 * std, y + 2 * std, color=style["color"], alpha=0.12, linewidth=0)
        ax.plot(x, np.asarray(curve["simulated_mean"], dtype=float), ".", color=style["color"], markersize=4)
    ax.set_xscale("log", base=2)
    ax.set(xlabel="models drawn (dots: simulated)", ylabel="best error (%)")


def _ks(ax: Axes, panel: dict[str, Any]) -> None:
    for curve in panel["curves"]:
        x, y = np.asarray(curve["x"]), np.asarray(curve["y"], dtype=float)
        ax.plot(x, y, label="expected", **_style(0))
        mean, std = (np.asarray(curve[f"simulated_{key}"], dtype=float) for key in ("mean", "std"))
        ax.errorbar(x, mean, yerr=2 * std, fmt=".", color=_COLORS[1], label="simulated, 2 std", linewidth=1)
    ax.set_xscale("log", base=2)
    ax.set(xlabel="sample size", ylabel="KS statistic D")


def _hist(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        style = _style(number)
        ax.stairs(curve["counts"], curve["edges"], color=style["color"], linestyle=style["linestyle"],
                  label=_label(curve, panel), fill=False, linewidth=1.4)  # fmt: skip
    if "wins" in panel:
        exact = panel["wins"]["exact"]
        said = f"1000 wins {exact['best_of_1000']:.1%}\ntie {exact['tie']:.1%}\n100 wins {exact['best_of_100']:.1%}"
        ax.text(0.97, 0.95, said, ha="right", va="top", transform=ax.transAxes, fontsize=8)
    label = "difference of best errors (points)" if "wins" in panel else _AXES[panel["measure"]] or _ERROR
    ax.set(xlabel=label, ylabel="trials" if "wins" in panel else "models")


def _scatter(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        ax.plot(curve["x"], curve["y"], ".", markersize=2, alpha=0.4, color=_COLORS[number % len(_COLORS)],
                label=_label(curve, panel), rasterized=True)  # fmt: skip
    ax.set(xlabel=_AXES[panel["measure"]], ylabel=_ERROR)


def _map(ax: Axes, panel: dict[str, Any]) -> None:
    for curve in panel["curves"]:
        points = ax.scatter(
            curve["x"], curve["y"], c=curve["rank"], s=4, cmap="viridis_r", vmin=0, vmax=1, rasterized=True
        )
        if ax.figure is not None:
            ax.figure.colorbar(points, ax=ax, label="relative rank of error")
    ax.set(xlabel="log10 learning rate", ylabel="log10 weight decay")


def _bins(ax: Axes, panel: dict[str, Any]) -> None:
    scale = {"params": 1e-6, "flops": 1e-9}[panel["measure"]]
    for number, curve in enumerate(panel["curves"]):
        edges = np.asarray(curve["edges"]) * scale
        x = ((edges[1:] + edges[:-1]) / 2)[np.asarray(curve["x"])]
        y, std, style = np.asarray(curve["y"]), np.asarray(curve["std"]), _style(number)
        ax.plot(x, y, label=_label(curve, panel), **style)
        ax.fill_between(x, y - std, y + std, color=style["color"], alpha=0.15, linewidth=0)
    ax.set(xlabel=_AXES[panel["measure"]], ylabel="mean error, 1 std (%)")


_DRAW: dict[str, Callable[[Axes, dict[str, Any]], None]] = {
    "edf": _edf, "search": _search, "ks": _ks, "hist": _hist, "scatter": _scatter, "map": _map, "bins": _bins,
}  # fmt: skip


def draw_table(table: dict[str, Any], png: Path, svg: Path) -> None:
    """Draw a table as a figure."""
    cells = [[_cell(value) for value in row] for row in table["rows"]]
    figure = Figure(figsize=(1.6 * len(table["columns"]), 0.5 + 0.35 * len(cells)), layout="constrained")
    ax = figure.subplots()
    ax.set_axis_off()
    ax.set_title(table["title"], fontsize=9)
    drawn = ax.table(cells, colLabels=table["columns"], loc="center", cellLoc="right")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    figure.savefig(png, dpi=150)
    figure.savefig(svg, metadata={"Date": None})


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:g}"
    return str(value)
