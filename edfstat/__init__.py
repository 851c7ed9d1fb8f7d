"""Compare populations of trained networks by statistics instead of by anecdote.

The public names live in one module each and are imported when first used, so that ``import edfstat`` stays
quick and needs neither matplotlib nor statsmodels until something is drawn or adjusted.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edfstat import plot as plot
    from edfstat.area import auc as auc
    from edfstat.area import auc_difference as auc_difference
    from edfstat.balancing import balance_weights as balance_weights
    from edfstat.budgets import hit_probability as hit_probability
    from edfstat.budgets import search_budget as search_budget
    from edfstat.budgets import time_to_target as time_to_target
    from edfstat.comparison import compare as compare
    from edfstat.complexity import complexity_bins as complexity_bins
    from edfstat.complexity import complexity_weights as complexity_weights
    from edfstat.complexity import most_bins as most_bins
    from edfstat.crossings import search_crossings as search_crossings
    from edfstat.distributions import EDF as EDF
    from edfstat.distributions import Interval as Interval
    from edfstat.distributions import edf as edf
    from edfstat.downloads import fetch as fetch
    from edfstat.errors import FormatError as FormatError
    from edfstat.errors import InputError as InputError
    from edfstat.errors import NotReady as NotReady
    from edfstat.errors import PopulationError as PopulationError
    from edfstat.errors import ProcessUnusable as ProcessUnusable
    from edfstat.errors import TrialInterrupted as TrialInterrupted
    from edfstat.example import example_population as example_population
    from edfstat.formats import load as load
    from edfstat.formats import save as save
    from edfstat.fronts import pareto_inclusion as pareto_inclusion
    from edfstat.kolmogorov import KSResult as KSResult
    from edfstat.kolmogorov import ks_test as ks_test
    from edfstat.kolmogorov import ks_tests as ks_tests
    from edfstat.mixtures import mixture as mixture
    from edfstat.multiple_tests import adjust_pvalues as adjust_pvalues
    from edfstat.planning import expected_ks as expected_ks
    from edfstat.planning import sample_size as sample_size
    from edfstat.planning import sample_size_auc as sample_size_auc
    from edfstat.population import build_population as build_population
    from edfstat.population import validate as validate
    from edfstat.ranges import parameter_range as parameter_range
    from edfstat.ranks import relative_rank as relative_rank
    from edfstat.records import from_records as from_records
    from edfstat.records import make_record as make_record
    from edfstat.registry import Backend as Backend
    from edfstat.registry import backends as backends
    from edfstat.reporting import report as report
    from edfstat.rerun_variance import reruns as reruns
    from edfstat.search_bands import search_band as search_band
    from edfstat.search_odds import best_of as best_of
    from edfstat.search_odds import models_needed as models_needed
    from edfstat.search_odds import random_search as random_search
    from edfstat.sensitivity import bin_sensitivity as bin_sensitivity
    from edfstat.transport import wasserstein as wasserstein
    from edfstat.trials import Trial as Trial
    from edfstat.verdicts import verdict as verdict

_HOME = {
    "adjust_pvalues": "multiple_tests",
    "auc": "area",
    "auc_difference": "area",
    "Backend": "registry",
    "backends": "registry",
    "balance_weights": "balancing",
    "bin_sensitivity": "sensitivity",
    "best_of": "search_odds",
    "build_population": "population",
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
    "make_record": "records",
    "mixture": "mixtures",
    "models_needed": "search_odds",
    "most_bins": "complexity",
    "parameter_range": "ranges",
    "pareto_inclusion": "fronts",
    "NotReady": "errors",
    "PopulationError": "errors",
    "ProcessUnusable": "errors",
    "random_search": "search_odds",
    "relative_rank": "ranks",
    "report": "reporting",
    "reruns": "rerun_variance",
    "sample_size": "planning",
    "sample_size_auc": "planning",
    "save": "formats",
    "search_budget": "budgets",
    "search_band": "search_bands",
    "search_crossings": "crossings",
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
    if name == "__version__":  # looked up when asked: it costs an import of importlib.metadata
        return import_module("edfstat.version").package_version()
    if name not in _HOME:
        raise AttributeError(f"module 'edfstat' has no attribute {name!r}")
    value = getattr(import_module(f"edfstat.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
