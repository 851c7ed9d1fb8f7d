"""One figure per module: each draws a population or a comparison into Axes and returns them.

Matplotlib is imported when a figure is drawn, global settings are left alone, and pyplot is used only where no
`ax` is given, so that notebooks show what a call draws.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edfstat.plot.area_curves import auc_vs_eps as auc_vs_eps
    from edfstat.plot.complexity_shares import complexity_histogram as complexity_histogram
    from edfstat.plot.edf_steps import edf as edf
    from edfstat.plot.error_cloud import error_vs_complexity as error_vs_complexity
    from edfstat.plot.pareto_steps import pareto as pareto
    from edfstat.plot.rank_grid import lr_wd_map as lr_wd_map
    from edfstat.plot.rerun_spread import reruns as reruns
    from edfstat.plot.sample_sizes import ks_vs_sample_size as ks_vs_sample_size
    from edfstat.plot.search_curves import random_search as random_search
    from edfstat.plot.terminal import terminal_edf as terminal_edf

_HOME = {
    "auc_vs_eps": "area_curves",
    "complexity_histogram": "complexity_shares",
    "edf": "edf_steps",
    "error_vs_complexity": "error_cloud",
    "ks_vs_sample_size": "sample_sizes",
    "lr_wd_map": "rank_grid",
    "pareto": "pareto_steps",
    "random_search": "search_curves",
    "reruns": "rerun_spread",
    "terminal_edf": "terminal",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'edfstat.plot' has no attribute {name!r}")
    value = getattr(import_module(f"edfstat.plot.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
