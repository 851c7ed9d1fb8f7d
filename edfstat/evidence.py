"""The numbers behind a verdict, in words: what was tested and found, how sure it is, what a search would cost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

__all__ = [
    "MOST_NAMES",
    "detectable",
    "evidence_line",
    "format_p",
    "listed",
    "measure_words",
    "search_lines",
    "three_digits",
]

#: Groups that one sentence names; of more it says how many.
MOST_NAMES = 6


def format_p(p: float) -> str:
    """A p-value with its relation sign: ``= 0.031``, ``< 1e-06``."""
    if math.isnan(p):
        return "unknown"
    if p < 1e-6:
        return "< 1e-06"
    return f"= {p:.3f}" if p >= 0.0095 else f"= {p:.2g}"


def three_digits(value: float) -> str:
    """A number as people write it: three digits, and from a thousand on the whole number.

    Examples
    --------
    >>> three_digits(2.0345), three_digits(2034.5)
    ('2.03', '2,034')
    """
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def measure_words(comparison: xr.Dataset, measure: str) -> str:
    """How a measure is compared: as the models are, at equal complexity, or merely in the same range of it."""
    if measure == "none":
        return "as the models are"
    equal = int(comparison["bins"].sel(measure=measure)) > 1
    return f"at equal {measure}" if equal else f"in the same range of {measure}"


def evidence_line(pair: dict[str, Any], words: str, relation: str, detectable: float) -> str:
    """What was found for a pair under one measure.

    Parameters
    ----------
    pair : dict
        Of `edfstat.entries.entries_of`, under one measure.
    words : str
        How that measure is compared, of `measure_words`.
    relation : str
        That of `edfstat.verdicts`.
    detectable : float
        Gap that samples of this size show, of `detectable`.
    """
    a, b = str(pair["a"]), str(pair["b"])
    ks, p = pair["ks"], pair["pvalue_holm"]
    parts = [
        f"{words}: {_shape(pair, a, b, relation)}",
        f"D = {ks:.3f}, p {format_p(p)} (Holm)",
        _area(pair, a, b, reverse=relation == "b"),
    ]
    distance = pair["wasserstein"]
    if math.isfinite(distance):
        parts.append(f"{distance:.3g} error points apart on average")
    elif math.isinf(distance):
        parts.append("infinitely far apart on average, since different shares failed")
    if relation == "open" and ks > 0:
        parts.append(_reach(ks, pair["sample_size"], detectable))
    return "; ".join(parts) + "."


def _area(pair: dict[str, Any], a: str, b: str, *, reverse: bool) -> str:
    gap, low, high = (pair[f"auc_difference{end}"] for end in ("", "_lower", "_upper"))
    if reverse:
        a, b, gap, low, high = b, a, -gap, -high, -low
    known = math.isfinite(low + high)
    interval = f"[{low:+.3f}, {high:+.3f}]" if known else "(no interval: too few models or no spread)"
    return f"AUC difference ({a} minus {b}) {gap:+.3f} {interval}"


def _shape(pair: dict[str, Any], a: str, b: str, relation: str) -> str:
    """What was shown, with the excess of the sides that the claim rests on."""
    if relation == "open":
        return "not told apart"
    excess = {name: pair[f"ks_{side}"] for name, side in ((a, "plus"), (b, "minus"))}
    chance = {name: format_p(pair[f"pvalue_{side}"]) for name, side in ((a, "plus"), (b, "minus"))}
    if relation == "crossing":
        sides = ", ".join(f"{name} above by up to {excess[name]:.3f} (p {chance[name]})" for name in (a, b))
        return f"different, curves cross: {sides}"
    winner, loser = (a, b) if relation == "a" else (b, a)
    if excess[loser] <= 0:
        return f"{winner} above, {loser} nowhere"
    return f"{winner} above; {loser} above by at most {excess[loser]:.3f} (p {chance[loser]}), which may be chance"


def _reach(distance: float, planned: float, detectable: float) -> str:
    """What samples of this size can show, and what it would take if the truth were as seen."""
    models = f"if the true D is {distance:.2g}, about {planned:,.0f} models per group would show it"
    if detectable >= 1:
        return f"so few models can hardly show any difference; {models}"
    return f"samples of this size show a D of about {detectable:.2g} or more; {models}"


def detectable(n_a: float, n_b: float, level: float, pairs: int) -> float:
    """Kolmogorov's critical D at two effective sizes, at the level that Holm's method holds the smallest p-value to."""
    return math.sqrt(-math.log((1 - level) / pairs / 2) / 2 * (1 / n_a + 1 / n_b))


def search_lines(comparison: xr.Dataset) -> list[str]:
    """Draws to the hardest target that at least two groups reach, under each measure."""
    names = [str(name) for name in comparison["group"].values]
    lines = (_search_line(comparison.sel(measure=measure), names) for measure in comparison["measure"].values)
    return [
        f"{measure_words(comparison, str(measure))}: {line}"
        for measure, line in zip(comparison["measure"].values, lines, strict=True)
        if line
    ]


def _search_line(one: xr.Dataset, names: list[str]) -> str:
    """The same under one measure; empty where too few groups reach any target."""
    reached = np.isfinite(one["models_needed"].values).sum(axis=0) >= min(2, len(names))
    if not reached.any():
        return ""
    place = int(np.flatnonzero(reached)[one["target"].values[reached].argmin()])
    needed, low, high = (one[f"models_needed{end}"].values[:, place] for end in ("", "_lower", "_upper"))
    draws = [
        f"{_draws(value, 'none seen')} [{_draws(least, 'no end')}, {_draws(most, 'no end')}] in {name}"
        for name, value, least, most in zip(names, needed, low, high, strict=True)
    ]
    if len(names) > MOST_NAMES:
        # The easiest to search; the table of a report has all.
        first = np.argsort(needed, kind="stable")[:MOST_NAMES].tolist()
        draws = [draws[group] for group in first if math.isfinite(needed[group])]
        rest = len(names) - len(draws)
        draws.append(f"more, or none seen, in {rest} other{'s' * (rest > 1)}")
    elif np.isfinite(hours := needed * one["train_hours"].values).any():
        costs = (f"{three_digits(h)} h in {name}" for name, h in zip(names, hours, strict=True) if math.isfinite(h))
        draws[-1] += f" (on one device: {', '.join(costs)})"
    return (
        f"models to train for an error of {float(one['target'][place]):g} % with 95 % probability "
        f"[interval]: {', '.join(draws)}."
    )


def _draws(value: float, otherwise: str) -> str:
    """A number of draws; beyond what anybody trains, its digits say nothing."""
    if not math.isfinite(value):
        return otherwise
    return "over a million" if value > 1e6 else f"{int(value):,}"


def listed(parts: list[str], conjunction: str = "and") -> str:
    """Parts as one reads them: ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}"
