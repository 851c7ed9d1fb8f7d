"""Compare populations of trained networks by statistics instead of by anecdote.

The public names live in one module each and are imported when first used, so that ``import edfstat`` stays
quick and needs neither matplotlib nor statsmodels until something is drawn or adjusted.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edfstat import plot as plot
    from edfstat.registry import Backend as Backend
    from edfstat.registry import backends as backends
    from edfstat.errors import FormatError as FormatError
    from edfstat.errors import InputError as InputError
    from edfstat.errors import PopulationError as PopulationError
    from edfstat.errors import TrialInterrupted as TrialInterrupted
    from edfstat.population import validate as validate
    from edfstat.records import from_records as from_records
    from edfstat.trials import Trial as Trial

_HOME = {
    "adjust_pvalues": "kolmogorov",
    "auc": "area",
    "Backend": "registry",
    "backends": "registry",
    "balance_weights": "balancing",
    "best_of": "search_odds",
    "compare": "comparison",
    "complexity_bins": "complexity",
    "complexity_weights": "complexity",
    "EDF": "distributions",
    "edf": "distributions",
    "example_population": "example",
    "expected_ks": "planning",
    "fetch": "downloads",
    "FormatError": "errors",
    "from_records": "records",
    "hit_probability": "budgets",
    "InputError": "errors",
    "Interval": "distributions",
    "ks_test": "kolmogorov",
    "ks_tests": "kolmogorov",
    "KSResult": "kolmogorov",
    "load": "formats",
    "models_needed": "search_odds",
    "parameter_range": "ranges",
    "pareto_inclusion": "fronts",
    "PopulationError": "errors",
    "random_search": "search_odds",
    "relative_rank": "ranges",
    "report": "reporting",
    "reruns": "rerun_variance",
    "sample_size": "planning",
    "sample_size_auc": "planning",
    "save": "formats",
    "search_budget": "budgets",
    "search_band": "search_bands",
    "search_crossings": "search_odds",
    "time_to_target": "budgets",
    "Trial": "trials",
    "TrialInterrupted": "errors",
    "validate": "population",
    "verdict": "verdicts",
    "wasserstein": "transport",
}

__all__ = sorted([*_HOME, "plot"])


def __getattr__(name: str) -> Any:
    if name == "plot":
        return import_module("edfstat.plot")
    if name not in _HOME:
        raise AttributeError(f"module 'edfstat' has no attribute {name!r}")
    value = getattr(import_module(f"edfstat.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
