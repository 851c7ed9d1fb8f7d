"""What a comparison supports and what it does not, in words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from edfstat.comparison.caveats import too_few_permutations
from edfstat.entries import entries_of
from edfstat.errors import InputError
from edfstat.evidence import MOST_NAMES, detectable, evidence_line, listed, measure_words, search_lines

__all__ = ["MOST_PAIRS", "Findings", "GroupFinding", "PairFinding", "findings", "verdict"]

#: What a claim adds if nothing but the raw comparison stands behind it.
RAW = "as the models are; complexity was not taken out"
#: Pairs up to which each has a paragraph of its own; of more the verdict goes group by group.
MOST_PAIRS = 15


class PairFinding(NamedTuple):
    """What is known about one pair of groups.

    `kind` is "better" (one side lies above wherever they demonstrably differ, under every measure), "depends"
    (measures disagree), "crossing" (they differ and neither lies above throughout) or "open". `raw` is what the
    comparison without complexity shows: "a" or "b" for the side above, "crossing" or "open".
    """

    a: str
    b: str
    kind: str
    winner: str
    claim: str
    evidence: list[str]
    raw: str

    def other(self, name: str) -> str:
        """The side that is not `name`."""
        return self.b if name == self.a else self.a


class GroupFinding(NamedTuple):
    """How one group stands to all others: `better` and `worse` than how many, and the same in words."""

    name: str
    better: int
    worse: int
    line: str


class Findings(NamedTuple):
    """The verdict in parts: one headline, each pair, the random search, and what limits all this.

    Where there are more pairs than one reads, `groups` holds each group against all others, the best first, as far as
    it is told apart from one, and `beside` what else there is to say of all pairs.
    """

    headline: str
    pairs: list[PairFinding]
    search: list[str]
    limits: list[str]
    groups: list[GroupFinding]
    beside: list[str]


def verdict(comparison: xr.Dataset) -> str:
    """Say in words what the data support: which group is better, how surely, and what stays open.

    Parameters
    ----------
    comparison : Dataset
        What `compare` returned.

    Returns
    -------
    str
        Plain text: a headline, one paragraph per pair (of a single pair the headline begins it; of more than 15 pairs
        one line per group, the best first), the cost of a random search, the limits, and what the words mean.

    Raises
    ------
    InputError
        If it is not a comparison.

    See Also
    --------
    compare : Makes what it reads.
    report : With the evidence.

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
    if len(found.pairs) > MOST_PAIRS:
        lines = [*(group.line for group in found.groups), *found.beside]
        paragraphs = (
            ["\n".join(["Group by group, the best first:", *(f"  - {line}" for line in lines)])] if lines else []
        )
    # The claim about a single pair is the headline.
    parts = paragraphs if len(found.pairs) == 1 else [found.headline, *paragraphs]
    if found.search:
        parts.append("\n".join(["Random search:", *(f"  - {line}" for line in found.search)]))
    if found.limits:
        parts.append("\n".join(["What limits this:", *(f"  - {line}" for line in found.limits)]))
    if found.pairs:
        words = _glossary(comparison, by_group=len(found.pairs) > MOST_PAIRS)
        parts.append("\n".join(["What the words mean:", *(f"  - {line}" for line in words)]))
    return "\n\n".join(parts)


def _glossary(comparison: xr.Dataset, *, by_group: bool) -> list[str]:
    level = float(comparison.attrs["level"])
    adjusted = ", Holm-adjusted over the pairs" if comparison.sizes["pair"] > 1 else ""
    better = "better: has the larger share of models below every error, as far as a difference shows"
    if by_group:
        return [
            f"{better}; worse: the other is better; demonstrated: p at most {1 - level:.2g}{adjusted}.",
            "not told apart: no difference is demonstrated; mixed evidence: measures of complexity disagree.",
            "the numbers of each pair are in the tables of the comparison and of a report.",
        ]
    return [
        f"{better}.",
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
    pairs = _pair_findings(comparison)
    names = [str(name) for name in comparison["group"].values]
    groups, beside = _by_group(comparison, names, pairs) if len(pairs) > MOST_PAIRS else ([], [])
    return Findings(
        _headline(comparison, pairs),
        pairs,
        search_lines(comparison),
        _texts(comparison.attrs["warnings"]),
        groups,
        beside,
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
    beats = {name: {pair.other(name) for pair in pairs if pair.winner == name} for name in names}
    top = [name for name in names if len(beats[name]) == len(names) - 1]
    rest = _tally(pairs)
    where = _where([str(name) for name in comparison["measure"].values], comparison)
    if top:
        return f"{top[0]} is better than each of the {len(names) - 1} others{where}; {rest}."
    beaten = set().union(*beats.values())
    unbeaten = [name for name in names if name not in beaten]
    if not beaten:
        why = " So few permutations can show none among so many pairs." * too_few_permutations(comparison)
        return f"No group is shown to be better than another{where}; {rest}.{why}"
    if not unbeaten:
        return f"No group is best{where}: each is worse than some other; {rest}."
    some = f"any of {len(unbeaten)} of them" if len(unbeaten) > MOST_NAMES else listed(unbeaten, "or")
    return f"No single group is better than all others{where}; none is shown to be better than {some}; {rest}."


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


def _by_group(
    comparison: xr.Dataset, names: list[str], pairs: list[PairFinding]
) -> tuple[list[GroupFinding], list[str]]:
    """Groups that are told apart from another, those that beat most (less those that beat them) first; and the rest."""
    apart = {name for pair in pairs if pair.kind != "open" for name in (pair.a, pair.b)}
    found = [
        _group_finding(name, [pair for pair in pairs if name in (pair.a, pair.b)]) for name in names if name in apart
    ]
    alone = [name for name in names if name not in apart]
    lines = [f"Not told apart from any other: {', '.join(alone)}."] if alone and apart else []
    if comparison.sizes["measure"] > 1 and not too_few_permutations(comparison):
        lines += _beside(pairs)
    return sorted(found, key=lambda group: group.worse - group.better), lines


def _group_finding(name: str, pairs: list[PairFinding]) -> GroupFinding:
    better = [pair.other(name) for pair in pairs if pair.winner == name]
    worse = [pair.winner for pair in pairs if pair.winner not in ("", name)]
    parts = [
        f"{how} {_named(group, len(pairs))}" for how, group in (("better than", better), ("worse than", worse)) if group
    ]
    for kind, how in (
        ("crossing", "different without a better side from"),
        ("depends", "with mixed evidence against"),
        ("open", "not told apart from"),
    ):
        if others := [pair.other(name) for pair in pairs if pair.kind == kind]:
            parts.append(f"{how} {_named(others, len(pairs), brief=True)}")
    return GroupFinding(name, len(better), len(worse), f"{name}: {'; '.join(parts)}.")


def _named(others: list[str], all_of: int, *, brief: bool = False) -> str:
    """Groups by name; all of them, and with `brief` many of them, by their number."""
    if len(others) == all_of:
        return f"all {all_of} others"
    return f"{len(others)} others" if brief and len(others) > MOST_NAMES else listed(others)


def _beside(pairs: list[PairFinding]) -> list[str]:
    """Where the raw comparison says something else than that at equal complexity."""
    decided = [pair for pair in pairs if pair.winner]
    otherwise = sum({"a": pair.a, "b": pair.b}.get(pair.raw, "") != pair.winner for pair in decided)
    made = sum(pair.kind == "open" and pair.raw != "open" for pair in pairs)
    lines = []
    if otherwise:
        lines.append(f"Decided at equal complexity, but not so as the models are: {otherwise} of {len(decided)} pairs.")
    if made:
        lines.append(
            f"Different as the models are, which may be complexity, but not told apart: {made} pair{'s' * (made > 1)}."
        )
    return lines


def _pair_findings(comparison: xr.Dataset) -> list[PairFinding]:
    measures = [str(name) for name in comparison["measure"].values]
    under = {name: measure_words(comparison, name) for name in measures}
    level, count = float(comparison.attrs["level"]), comparison.sizes["pair"]
    parts = {name: comparison.sel(measure=name) for name in measures}
    tables = {name: entries_of(part, "pair") for name, part in parts.items()}
    sizes = {
        name: dict(zip(map(str, part["group"].values), part["effective_n"].values.tolist(), strict=True))
        for name, part in parts.items()
    }
    found = []
    for place in range(count):
        pair = {name: table[place] for name, table in tables.items()}
        a, b = str(pair["none"]["a"]), str(pair["none"]["b"])
        relation = {name: _relation(one, level) for name, one in pair.items()}
        kind, winner, claim = _claim(a, b, relation, under)
        evidence = [
            evidence_line(one, under[name], relation[name], detectable(sizes[name][a], sizes[name][b], level, count))
            for name, one in pair.items()
        ]
        found.append(PairFinding(a, b, kind, winner, claim, evidence, relation["none"]))
    return found


def _relation(pair: dict[str, Any], level: float) -> str:
    """`a` or `b` for dominance, ``crossing`` where they differ otherwise, ``open`` where that is not shown."""
    if pair["dominance"]:
        return str(pair["dominance"])
    return "crossing" if pair["pvalue_holm"] <= 1 - level else "open"


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
        aside = "" if normalised else f" ({RAW})"
        why = "which one has more models below an error depends on the error"
        return "crossing", "", f"{a} and {b} differ{where}, but neither is better throughout: {why}{aside}."
    hint = f" The raw difference ({_said(raw, a, b)}) may be one of complexity." if normalised and raw != "open" else ""
    return "open", "", f"No difference between {a} and {b} is demonstrated{where}{alone}.{hint}"


def _claim_depends(a: str, b: str, normalised: dict[str, str], under: dict[str, str]) -> tuple[str, str, str]:
    """Measures disagree: in direction, or only in whether a difference is demonstrated."""
    parts = [f"{under[name]}, {_said(found, a, b)}" for name, found in normalised.items()]
    directions = set(normalised.values()) - {"open"}
    how = "the answer depends on the measure of complexity" if len(directions) > 1 else "the evidence is mixed"
    return "depends", "", f"{a} and {b}: {how}; {'; '.join(parts)}."


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
