"""What a comparison supports and what it does not, in words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from edfstat.errors import InputError
from edfstat.evidence import evidence_line, listed, measure_words, search_lines

#: What a claim adds if nothing but the raw comparison stands behind it.
RAW = "as the models are; complexity was not taken out"

__all__ = ["Findings", "PairFinding", "findings", "verdict"]


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
        search, the limits, and what the words mean.

    Raises
    ------
    InputError
        If it is not a comparison.

    Notes
    -----
    "Better" means first-order dominance as far as the data show it: under every complexity measure the
    difference is significant after Holm's adjustment, and the excess of the other EDF is not, even unadjusted. Where
    raw and normalised comparisons disagree, both are told. A comparison without complexity says so in its claim.

    Examples
    --------
    >>> from edfstat.comparison import compare
    >>> from edfstat import build_population
    >>> errors = [5.0 + i / 40 for i in range(40)] + [6.0 + i / 40 for i in range(40)]
    >>> text = verdict(compare(build_population({"error": errors, "space": ["A"] * 40 + ["B"] * 40})))
    >>> print(text.splitlines()[0])
    A is better than B as the models are; complexity was not taken out.
    """
    found = findings(comparison)
    paragraphs = ["\n".join([pair.claim, *(f"  - {line}" for line in pair.evidence)]) for pair in found.pairs]
    # The claim about a single pair is the headline.
    parts = paragraphs if len(paragraphs) == 1 else [found.headline, *paragraphs]
    if found.search:
        parts.append("\n".join(["Random search:", *(f"  - {line}" for line in found.search)]))
    if found.limits:
        parts.append("\n".join(["What limits this:", *(f"  - {line}" for line in found.limits)]))
    if found.pairs:
        parts.append("\n".join(["What the words mean:", *(f"  - {line}" for line in _glossary(comparison))]))
    return "\n\n".join(parts)


def _glossary(comparison: xr.Dataset) -> list[str]:
    level = float(comparison.attrs["level"])
    adjusted = ", Holm-adjusted over the pairs" if comparison.sizes["pair"] > 1 else ""
    return [
        "better: has the larger share of models below every error, as far as a difference shows.",
        "D: the largest gap between the two shares, from 0 to 1; p: how often groups of one law would show a gap as "
        f"large{adjusted}; demonstrated: p at most {1 - level:.2g}.",
        f"AUC difference: the gap of the shares, averaged over errors from 0 to {float(comparison.attrs['eps']):g} %.",
        f"[..]: interval that holds the true value with {100 * level:g} % confidence.",
    ]


def findings(comparison: xr.Dataset) -> Findings:
    """The verdict in parts, for those that lay it out themselves."""
    missing = [
        name for name in ("dominance", "pvalue_holm", "auc_difference", "models_needed") if name not in comparison
    ]
    if missing or "pair" not in comparison.dims:
        raise InputError(f"verdict takes what compare() returned; this Dataset lacks {', '.join(missing) or 'pairs'}")
    pairs = [_pair_finding(comparison, place) for place in range(comparison.sizes["pair"])]
    return Findings(
        _headline(comparison, pairs),
        pairs,
        search_lines(comparison),
        [str(w) for w in _texts(comparison.attrs["warnings"])],
    )


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
    rest = _tally(pairs)
    where = _where([str(name) for name in comparison["measure"].values], comparison)
    if top:
        return f"{top[0]} is better than each of the {len(names) - 1} others{where}; {rest}."
    beaten = set().union(*beats.values())
    unbeaten = [name for name in names if name not in beaten]
    if not beaten:
        return f"No group is shown to be better than another{where}; {rest}."
    if not unbeaten:
        return f"No group is best{where}: each is worse than some other; {rest}."
    return (
        f"No single group is better than all others{where}; none is shown to be better than "
        f"{listed(unbeaten, 'or')}; {rest}."
    )


def _tally(pairs: list[PairFinding]) -> str:
    """How many pairs ended how."""
    said = {
        "open": ("shows no difference", "show no difference"),
        "crossing": ("differs without a better side", "differ without a better side"),
        "depends": ("depends on the measure of complexity", "depend on the measure of complexity"),
    }
    counts = {kind: sum(pair.kind == kind for pair in pairs) for kind in said}
    parts = [f"{counts[kind]} {words[counts[kind] > 1]}" for kind, words in said.items() if counts[kind]]
    return f"of {len(pairs)} pairs, {listed(parts)}" if parts else f"all {len(pairs)} pairs are decided"


def _where(measures: list[str], comparison: xr.Dataset) -> str:
    under = [measure_words(comparison, name) for name in measures if name != "none"]
    return f" {listed(under)}" if under else f" {RAW}"


def _pair_finding(comparison: xr.Dataset, place: int) -> PairFinding:
    pair = comparison.isel(pair=place)
    a, b = str(pair["a"].item()), str(pair["b"].item())
    measures = [str(name) for name in comparison["measure"].values]
    relation = {name: _relation(pair.sel(measure=name), float(comparison.attrs["level"])) for name in measures}
    under = {name: measure_words(comparison, name) for name in measures}
    kind, winner, claim = _claim(a, b, relation, under)
    evidence = [evidence_line(comparison, place, name, relation[name]) for name in measures]
    return PairFinding(a, b, kind, winner, claim, evidence)


def _relation(pair: xr.Dataset, level: float) -> str:
    """`a` or `b` for dominance, ``crossing`` where they differ otherwise, ``open`` where that is not shown."""
    if pair["dominance"].item():
        return str(pair["dominance"].item())
    return "crossing" if float(pair["pvalue_holm"]) <= 1 - level else "open"


def _claim(a: str, b: str, relation: dict[str, str], under: dict[str, str]) -> tuple[str, str, str]:
    raw = relation["none"]
    normalised = {name: found for name, found in relation.items() if name != "none"}
    where = f" {listed([under[name] for name in normalised])}" if normalised else ""
    alone = "" if normalised else f" {RAW}"
    decisive = set(normalised.values()) or {raw}
    if len(decisive) > 1:
        return _claim_depends(a, b, normalised, under)
    only = decisive.pop()
    if only in ("a", "b"):
        winner, loser = (a, b) if only == "a" else (b, a)
        also = "" if not normalised else _beside_raw(raw, only, loser)
        return "better", winner, f"{winner} is better than {loser}{where}{also}{alone}."
    if only == "crossing":
        return (
            "crossing",
            "",
            f"{a} and {b} differ{where}, but neither is better throughout: {_crossing_words()}{_aside(alone)}.",
        )
    hint = f" The raw difference ({_said(raw, a, b)}) may be one of complexity." if normalised and raw != "open" else ""
    return "open", "", f"No difference between {a} and {b} is demonstrated{where}{alone}.{hint}"


def _claim_depends(a: str, b: str, normalised: dict[str, str], under: dict[str, str]) -> tuple[str, str, str]:
    """Measures disagree: in direction, or only in whether a difference is demonstrated."""
    parts = [f"{under[name]}, {_said(found, a, b)}" for name, found in normalised.items()]
    directions = set(normalised.values()) - {"open"}
    how = "the answer depends on the measure of complexity" if len(directions) > 1 else "the evidence is mixed"
    return "depends", "", f"{a} and {b}: {how}; {'; '.join(parts)}."


def _aside(text: str) -> str:
    return f" ({text.strip()})" if text else ""


def _crossing_words() -> str:
    return "which one has more models below an error depends on the error"


def _beside_raw(raw: str, only: str, loser: str) -> str:
    if raw == only:
        return ", and also as the models are"
    if raw == "open":
        return ", though the raw comparison shows no difference: complexity may hide it"
    if raw == "crossing":
        return ", though in the raw comparison the curves cross: complexity may blur it"
    return f", though the raw comparison favours {loser}: complexity reversed it"


def _said(relation: str, a: str, b: str) -> str:
    return {
        "a": f"{a} is better",
        "b": f"{b} is better",
        "crossing": "they differ, with neither better throughout",
        "open": "no difference is demonstrated",
    }[relation]
