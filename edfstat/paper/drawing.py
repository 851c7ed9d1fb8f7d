"""Draws the panels of a figure from their numbers; computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edfstat.paper.tables import row_texts
from edfstat.plot.style import save_svg

__all__ = ["draw_figure", "draw_table", "panel_title"]

# Told apart in grey and by people who see few colours: each pair that the paper compares is blue and orange, and
# each curve of a panel has a line style of its own.
_COLORS = ("#0b4f8a", "#c8511b", "#2f7d4f", "#8a3f97", "#7a6a00", "#2a9fd6")
_SPACE_COLORS = {
    "Vanilla": 0, "ResNet": 1, "ResNet-B": 0, "ResNeXt-A": 5, "ResNeXt-B": 1,
    "NASNet": 0, "Amoeba": 1, "PNAS": 4, "ENAS": 2, "DARTS": 3,
}  # fmt: skip
_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))
_AXES = {"params": "params (M)", "flops": "flops (B)", "none": ""}
_ERROR = "error (%)"


def draw_figure(numbers: dict[str, Any], png: Path, svg: Path) -> None:
    """Draw the panels in rows: side by side, or a row for each letter where several share one."""
    panels = numbers["panels"]
    rows = [list(row) for _, row in groupby(panels, key=lambda panel: panel["panel"])]
    if len(rows) == len(panels):
        rows = [panels]
    columns = max(map(len, rows))
    figure = Figure(figsize=(3.8 * columns, 3.2 * len(rows)), layout="constrained")
    grid = np.asarray(figure.subplots(len(rows), columns, squeeze=False))
    for axes, row in zip(grid, rows, strict=True):
        for ax in axes[len(row) :]:
            ax.set_axis_off()
        for ax, panel in zip(axes, row, strict=False):
            _panel(ax, panel)
    figure.savefig(png, dpi=150)
    save_svg(figure, svg)


def _panel(ax: Axes, panel: dict[str, Any]) -> None:
    _DRAW[panel["kind"]](ax, panel)
    ax.set_title(panel_title(panel), fontsize=9)
    ax.grid(alpha=0.3)
    _set_view(ax, panel)
    if panel["kind"] != "map":
        _legend(ax, panel)


def _legend(ax: Axes, panel: dict[str, Any]) -> None:
    options: dict[str, Any] = {"fontsize": 7, "loc": "lower right" if panel["kind"] == "edf" else "best"}
    if "ks" in panel:
        ks = panel["ks"]
        options |= {"loc": "upper left", "title": f"D = {ks['statistic']:.3f}, p = {ks['pvalue']:.2f}"}
        options["title_fontsize"] = 7
    drawn = ax.legend(markerscale=3 if panel["kind"] == "scatter" else 1, **options)
    for handle in drawn.legend_handles:
        if handle is not None:
            handle.set_alpha(1)  # as dark as the curve, however faint its points


def _set_view(ax: Axes, panel: dict[str, Any]) -> None:
    """The paper's axes, where they show the bulk of every curve; data of another scale get axes of their own."""
    for axis, ends in panel.get("view", {}).items():
        if axis == "zoom":
            continue
        middles = [_middle(curve, axis, panel["kind"]) for curve in panel["curves"]]
        if all(np.isnan(middle) or ends[0] <= middle <= ends[1] for middle in middles):
            ax.set(**{f"{axis}lim": ends})


def _middle(curve: dict[str, Any], axis: str, kind: str) -> float:
    if kind == "edf":
        return float(curve["x"][min(np.searchsorted(curve["y"], 0.5), len(curve["x"]) - 1)])
    if kind == "hist":
        return float(np.average(np.asarray(curve["edges"][:-1], dtype=float), weights=np.asarray(curve["counts"])))
    values = np.asarray(curve[axis], dtype=float)
    return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")


def panel_title(panel: dict[str, Any]) -> str:
    """Place in the paper's figure, and what the panel shows."""
    shown = _shown(panel)
    return f"{panel['panel']}: {shown}" if shown and shown != panel["panel"] else str(panel["panel"])


def _shown(panel: dict[str, Any]) -> str:
    kind, measure = panel["kind"], panel["measure"]
    if panel["bins"] and kind in ("edf", "search"):
        return f"normalized by {measure}, {panel['bins']} bins"
    if panel["title"]:
        return str(panel["title"])
    if kind == "bins":
        return f"mean error in {panel['bins']} bins of {measure}"
    if kind == "edf" and measure == "none":
        return "not normalized"
    if measure == "none":
        return ""
    return f"error against {measure}" if kind == "scatter" else f"models by {measure}"


def _one_file(panel: dict[str, Any]) -> bool:
    return len({curve["file"].split("_")[0] for curve in panel["curves"]}) < len(panel["curves"])


def _style(number: int, panel: dict[str, Any]) -> dict[str, Any]:
    """Line of a curve: a space has the same colour wherever it is compared with another."""
    space = panel["curves"][number]["space"]
    color = number if _one_file(panel) else _SPACE_COLORS.get(space, number)
    return {"color": _COLORS[color % len(_COLORS)], "linestyle": _STYLES[number % len(_STYLES)], "linewidth": 1.4}


def _label(curve: dict[str, Any], panel: dict[str, Any]) -> str:
    if "seeds" in curve:
        return f"{curve['seeds']} seed{'s' * (curve['seeds'] > 1)} (n = {curve['n']})"
    if "group" in curve:
        return f"{curve['group']}-ranked (n = {curve['n']})"
    if _one_file(panel):
        return f"n = {curve['n']}"
    return f"{curve['space']} (n = {curve['n']})"


def _edf(ax: Axes, panel: dict[str, Any]) -> None:
    _steps(ax, panel)
    if "zoom" in panel.get("view", {}) and _passes(panel):
        across, up = panel["view"]["zoom"]
        part = ax.inset_axes((0.55, 0.08, 0.43, 0.36))
        _steps(part, panel)
        part.set(xlim=across, ylim=up)
        part.tick_params(labelsize=6)
        part.grid(alpha=0.3)
        ax.indicate_inset_zoom(part, edgecolor="0.3")
    ax.set(xlabel=_conditioned(panel), ylabel="cumulative probability", ylim=(-0.02, 1.02))


def _passes(panel: dict[str, Any]) -> bool:
    """Whether a curve runs through the part that the paper draws larger."""
    (left, right), (low, high) = panel["view"]["zoom"]
    points = [(np.asarray(curve["x"]), np.asarray(curve["y"])) for curve in panel["curves"]]
    return any(((left < x) & (x < right) & (low < y) & (y < high)).any() for x, y in points)


def _steps(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        x, y = (curve["paper_x"], curve["paper_y"]) if "paper_x" in curve else (curve["x"], curve["y"])
        ax.plot(x, y, drawstyle="steps-post", label=_label(curve, panel), **_style(number, panel))


def _conditioned(panel: dict[str, Any]) -> str:
    return _ERROR if panel["measure"] == "none" else f"{_ERROR} | {panel['measure']}"


def _search(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        style = _style(number, panel)
        x, y, std = (np.asarray(curve[key], dtype=float) for key in ("x", "y", "std"))
        ax.plot(x, y, label=_label(curve, panel), **style)
        ax.fill_between(x, y - 2 * std, y + 2 * std, color=style["color"], alpha=0.08, linewidth=0)
        ax.plot(x, np.asarray(curve["simulated_mean"], dtype=float), ".", color=style["color"], markersize=5)
    ax.set_xscale("log", base=2)
    ax.set(xlabel="models drawn (line: exact, dots: simulated)", ylabel=f"best {_conditioned(panel)}")


def _ks(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        x, y = np.asarray(curve["x"]), np.asarray(curve["y"], dtype=float)
        ax.plot(x, y, label="expected", **_style(number, panel))
        mean, std = (np.asarray(curve[f"simulated_{key}"], dtype=float) for key in ("mean", "std"))
        ax.errorbar(x, mean, yerr=2 * std, fmt=".", color="0.2", label="simulated, 2 std", linewidth=1)
    ax.axvspan(100, 1000, color="0.5", alpha=0.12, linewidth=0, label="100 to 1000 models")
    ax.set_xscale("log", base=2)
    ax.set(xlabel="sample size", ylabel="KS statistic D")


def _hist(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        style = _style(number, panel)
        ax.stairs(curve["counts"], curve["edges"], color=style["color"], fill=True, alpha=0.25)
        ax.stairs(curve["counts"], curve["edges"], color=style["color"], linestyle=style["linestyle"],
                  label=_label(curve, panel), linewidth=1.4)  # fmt: skip
    if "wins" in panel:
        ax.axvline(0, color="0.2", linestyle="--", linewidth=1)
        exact = panel["wins"]["exact"]
        said = f"1000 wins {exact['best_of_1000']:.1%}\ntie {exact['tie']:.1%}\n100 wins {exact['best_of_100']:.1%}"
        ax.text(0.97, 0.75, said, ha="right", va="top", transform=ax.transAxes, fontsize=8)
    label = "difference of best errors (points)" if "wins" in panel else _AXES[panel["measure"]] or _ERROR
    runs = "runs" if any("group" in curve for curve in panel["curves"]) else "models"
    ax.set(xlabel=label, ylabel=f"number of {'trials' if 'wins' in panel else runs}")


def _scatter(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        ax.plot(curve["x"], curve["y"], ".", markersize=2, alpha=0.3, color=_style(number, panel)["color"],
                label=_label(curve, panel), rasterized=True)  # fmt: skip
    ax.set(xlabel=_AXES[panel["measure"]], ylabel=_ERROR)


def _map(ax: Axes, panel: dict[str, Any]) -> None:
    for curve in panel["curves"]:
        points = ax.scatter(
            curve["x"], curve["y"], c=curve["rank"], s=6, cmap="viridis", vmin=0, vmax=1, rasterized=True
        )
        if ax.figure is not None:
            ax.figure.colorbar(points, ax=ax, label="relative rank of error")
    if panel.get("default"):
        # The default setting of the paper's recipe, with lines to both axes.
        lr, decay = np.log10([panel["default"]["lr"], panel["default"]["weight_decay"]])
        bottom, left = np.log10([panel["limits"]["weight_decay"][0], panel["limits"]["lr"][0]])
        ax.plot([left, lr, lr], [decay, decay, bottom], "--", color=_COLORS[1], linewidth=1.6)
        ax.plot([lr], [decay], "o", color=_COLORS[1], markersize=5)
    ax.set(xlabel="learning rate (log10)", ylabel="weight decay (log10)")


def _bins(ax: Axes, panel: dict[str, Any]) -> None:
    for number, curve in enumerate(panel["curves"]):
        x, y, std = (np.asarray(curve[key], dtype=float) for key in ("x", "y", "std"))
        style = _style(number, panel)
        ax.plot(x, y, "os"[number % 2], color=style["color"], markersize=4, label=_label(curve, panel))
        ax.fill_between(x, y - 2 * std, y + 2 * std, color=style["color"], alpha=0.12, linewidth=0)
    ax.set(xlabel=f"{panel['measure']}: number of the bin", ylabel="mean error, band of 2 std (%)")


_DRAW: dict[str, Callable[[Axes, dict[str, Any]], None]] = {
    "edf": _edf, "search": _search, "ks": _ks, "hist": _hist, "scatter": _scatter, "map": _map, "bins": _bins,
}  # fmt: skip


def draw_table(table: dict[str, Any], png: Path, svg: Path) -> None:
    """Draw a table as a figure."""
    cells = [row_texts(row, table["columns"]) for row in table["rows"]]
    figure = Figure(figsize=(1.6 * len(table["columns"]), 0.5 + 0.35 * len(cells)), layout="constrained")
    ax = figure.subplots()
    ax.set_axis_off()
    ax.set_title(table["title"], fontsize=9)
    drawn = ax.table(cells, colLabels=table["columns"], loc="center", cellLoc="right")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    figure.savefig(png, dpi=150)
    save_svg(figure, svg)
