"""What a comparison supports and what it does not, in words."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xarray as xr

from edfstat.errors import InputError

__all__ = ["Findings", "PairFinding", "findings", "format_p", "measure_words", "verdict"]


class PairFinding(NamedTuple):
    """What is known about one pair of groups.

    `kind` is "better" (one side lies above wherever they demonstrably differ, under every measure), "depends"
    (measures disagree), "crossing" (they differ and neither lies above throughout) or "open".
    """

    a: str
    b: str
    kind: str
    winner: str
    claim: str
    evidence: list[str]


class Findings(NamedTuple):
    """The verdict in parts: one headline, each pair, the random search, and what limits all this."""

    headline: str
    pairs: list[PairFinding]
    search: list[str]
    limits: list[str]


def verdict(comparison: xr.Dataset) -> str:
    """Say in words what the data support: which group is better, how surely, and what stays open.

    Parameters
    ----------
    comparison : Dataset
        What `compare` returned.

    Returns
    -------
    str
        Plain text: a headline, one paragraph per pair (of a single pair the headline begins it), the cost of a random
        search, and the limits.

    Raises
    ------
    InputError
        If it is not a comparison.

    Notes
    -----
    "Better" means first-order dominance as far as the data show it: under every complexity measure the
    excess of one EDF is significant after Holm's adjustment and that of the other is not. Where raw and
    normalised comparisons disagree, both are told, for complexity then explains part of the difference.

    Examples
    --------
    >>> from edfstat.comparison import compare
    >>> from edfstat.population import build_population
    >>> errors = [5.0 + i / 40 for i in range(40)] + [6.0 + i / 40 for i in range(40)]
    >>> text = verdict(compare(build_population({"error": errors, "space": ["A"] * 40 + ["B"] * 40})))
    >>> print(text.splitlines()[0])
    A is better than B.
    """
    found = findings(comparison)
    paragraphs = ["\n".join([pair.claim, *(f"  - {line}" for line in pair.evidence)]) for pair in found.pairs]
    # The claim about a single pair is the headline.
    parts = paragraphs if len(paragraphs) == 1 else [found.headline, *paragraphs]
    if found.search:
        parts.append("\n".join(["Random search:", *(f"  - {line}" for line in found.search)]))
    if found.limits:
        parts.append("\n".join(["What limits this:", *(f"  - {line}" for line in found.limits)]))
    return "\n\n".join(parts)


def findings(comparison: xr.Dataset) -> Findings:
    """The verdict in parts, for those that lay it out themselves."""
    missing = [
        name for name in ("dominance", "pvalue_holm", "auc_difference", "models_needed") if name not in comparison
    ]
    if missing or "pair" not in comparison.dims:
        raise InputError(f"verdict takes what compare() returned; this Dataset lacks {', '.join(missing) or 'pairs'}")
    pairs = [_pair_finding(comparison, place) for place in range(comparison.sizes["pair"])]
    return Findings(
        _headline(comparison, pairs), pairs, _search(comparison), [str(w) for w in _texts(comparison.attrs["warnings"])]
    )


def format_p(p: float) -> str:
    """A p-value with its relation sign: ``= 0.031``, ``< 1e-06``."""
    if math.isnan(p):
        return "unknown"
    if p < 1e-6:
        return "< 1e-06"
    return f"= {p:.3f}" if p >= 0.0095 else f"= {p:.2g}"


def _texts(value: object) -> list[str]:
    """Attributes that went through a file may come back as one text or an array."""
    if isinstance(value, str):
        return [value] if value else []
    return [str(item) for item in np.atleast_1d(np.asarray(value, dtype=object))]


def _headline(comparison: xr.Dataset, pairs: list[PairFinding]) -> str:
    names = [str(name) for name in comparison["group"].values]
    if len(names) == 1:
        median = float(comparison["median"].sel(measure="none")[0])
        return f"There is one group, {names[0]} (median error {median:.4g} %), so there is nothing to compare it with."
    if len(pairs) == 1:
        return pairs[0].claim
    beats = {
        name: {pair.b if pair.winner == pair.a else pair.a for pair in pairs if pair.winner == name} for name in names
    }
    top = [name for name in names if len(beats[name]) == len(names) - 1]
    undecided = sum(pair.kind != "better" for pair in pairs)
    rest = (
        f"; {undecided} of {len(pairs)} pairs stay undecided" if undecided else f"; all {len(pairs)} pairs are decided"
    )
    if top:
        return f"{top[0]} is better than each of the {len(names) - 1} others{rest}."
    beaten = set().union(*beats.values())
    unbeaten = [name for name in names if name not in beaten]
    if not beaten:
        return f"No group is demonstrably better than another throughout: all {len(pairs)} pairs stay undecided."
    return f"No single group is better than all others; none is better than {_listed(unbeaten, 'or')}{rest}."


def _pair_finding(comparison: xr.Dataset, place: int) -> PairFinding:
    pair = comparison.isel(pair=place)
    a, b = str(pair["a"].item()), str(pair["b"].item())
    measures = [str(name) for name in comparison["measure"].values]
    relation = {name: _relation(pair.sel(measure=name), float(comparison.attrs["level"])) for name in measures}
    under = {name: measure_words(comparison, name) for name in measures}
    kind, winner, claim = _claim(a, b, relation, under)
    evidence = [_evidence(pair.sel(measure=name), a, b, under[name], relation[name]) for name in measures]
    return PairFinding(a, b, kind, winner, claim, evidence)


def _relation(pair: xr.Dataset, level: float) -> str:
    """`a` or `b` for dominance, ``crossing`` where they differ otherwise, ``open`` where that is not shown."""
    if pair["dominance"].item():
        return str(pair["dominance"].item())
    return "crossing" if float(pair["pvalue_holm"]) <= 1 - level else "open"


def measure_words(comparison: xr.Dataset, measure: str) -> str:
    """How a measure is compared: as the models are, at equal complexity, or merely in the same range of it."""
    if measure == "none":
        return "as the models are"
    equal = int(comparison["bins"].sel(measure=measure)) > 1
    return f"at equal {measure}" if equal else f"in the same range of {measure}"


def _claim(a: str, b: str, relation: dict[str, str], under: dict[str, str]) -> tuple[str, str, str]:
    raw = relation["none"]
    normalised = {name: found for name, found in relation.items() if name != "none"}
    where = f" {_listed([under[name] for name in normalised])}" if normalised else ""
    decisive = set(normalised.values()) or {raw}
    if len(decisive) > 1:
        return _claim_depends(a, b, normalised, under)
    only = decisive.pop()
    if only in ("a", "b"):
        winner, loser = (a, b) if only == "a" else (b, a)
        also = "" if not normalised else _beside_raw(raw, only, loser)
        return "better", winner, f"{winner} is better than {loser}{where}{also}."
    if only == "crossing":
        return "crossing", "", f"{a} and {b} differ{where}, but neither is better throughout: {_crossing_words()}."
    hint = f" The raw difference ({_said(raw, a, b)}) may be one of complexity." if normalised and raw != "open" else ""
    return "open", "", f"No difference between {a} and {b} is demonstrated{where}.{hint}"


def _claim_depends(a: str, b: str, normalised: dict[str, str], under: dict[str, str]) -> tuple[str, str, str]:
    """Measures disagree: in direction, or only in whether a difference is demonstrated."""
    parts = [f"{under[name]}, {_said(found, a, b)}" for name, found in normalised.items()]
    directions = set(normalised.values()) - {"open"}
    how = "the answer depends on the measure of complexity" if len(directions) > 1 else "the evidence is mixed"
    return "depends", "", f"{a} and {b}: {how}; {'; '.join(parts)}."


def _crossing_words() -> str:
    return "which one has more models below an error depends on the error"


def _beside_raw(raw: str, only: str, loser: str) -> str:
    if raw == only:
        return ", and also as the models are"
    if raw == "open":
        return ", though the raw comparison shows no difference: complexity hid it"
    if raw == "crossing":
        return ", though in the raw comparison the curves cross: complexity blurred it"
    return f", though the raw comparison favours {loser}: complexity reversed it"


def _said(relation: str, a: str, b: str) -> str:
    return {
        "a": f"{a} is better",
        "b": f"{b} is better",
        "crossing": "they differ, with neither better throughout",
        "open": "no difference is demonstrated",
    }[relation]


def _evidence(pair: xr.Dataset, a: str, b: str, under: str, relation: str) -> str:
    number = {
        str(name): float(pair[name]) for name in ("ks", "pvalue_holm", "auc_difference", "wasserstein", "sample_size")
    }
    low, high = float(pair["auc_difference_lower"]), float(pair["auc_difference_upper"])
    gap = number["auc_difference"]
    above, below = (b, a) if relation == "b" else (a, b)
    if relation == "b":
        gap, low, high = -gap, -high, -low
    shape = {"open": "not told apart", "crossing": "different, curves cross"}.get(
        relation, f"{above} above wherever they differ"
    )
    interval = f" [{low:+.3f}, {high:+.3f}]" if math.isfinite(low + high) else " (no interval: too few models)"
    text = (
        f"{under}: {shape}; D = {number['ks']:.3f}, p {format_p(number['pvalue_holm'])} (Holm); "
        f"AUC difference ({above} minus {below}) {gap:+.3f}{interval}"
    )
    if math.isfinite(number["wasserstein"]):
        text += f"; {number['wasserstein']:.3g} error points apart"
    if relation == "open" and 0 < number["sample_size"] < math.inf and number["ks"] > 0:
        text += f"; to show a D this large would take about {number['sample_size']:.0f} models per group"
    return text + "."


def _search(comparison: xr.Dataset) -> list[str]:
    """Draws to the hardest target that at least two groups reach, under each measure."""
    lines = []
    names = [str(name) for name in comparison["group"].values]
    for measure in comparison["measure"].values:
        needed = comparison["models_needed"].sel(measure=measure)
        reached = np.isfinite(needed.values).sum(axis=0) >= min(2, len(names))
        if not reached.any():
            continue
        place = int(np.flatnonzero(reached)[comparison["target"].values[reached].argmin()])
        draws = [
            f"{int(value)} in {name}" if math.isfinite(value) else f"none seen in {name}"
            for name, value in zip(names, needed.values[:, place], strict=True)
        ]
        under = measure_words(comparison, str(measure))
        target = float(comparison["target"][place])
        hours = needed.values[:, place] * comparison["train_hours"].sel(measure=measure).values
        if np.isfinite(hours).any():
            costs = [f"{cost:.3g} h in {name}" for name, cost in zip(names, hours, strict=True) if math.isfinite(cost)]
            draws[-1] += f" (on one device: {', '.join(costs)})"
        lines.append(
            f"{under}: models to train for an error of {target:g} % with 95 % probability: {', '.join(draws)}."
        )
    return lines


def _listed(parts: list[str], conjunction: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}"
