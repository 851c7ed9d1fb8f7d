"""The tables of a report: one description for the page, its CSV files, Markdown and the PDF."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from edfstat.entries import entries_of
from edfstat.evidence import format_p, measure_words, three_digits
from edfstat.verdicts import MOST_PAIRS

__all__ = ["Table", "paper_tables", "table_csv", "tables_of"]

#: Rows of a table that are read on paper: ten pages. The page of HTML holds longer ones, which can be filtered there.
MOST_ROWS = 500


@dataclass(frozen=True)
class Table:
    """Header and rows; the first `text_columns` hold text, the others numbers. `measures` tags each row."""

    key: str
    title: str
    columns: list[str]
    rows: list[list[Any]]
    shown: list[list[str]]
    measures: list[str]
    groups: list[list[str]]
    text_columns: int = 1
    note: str = ""

    def is_number(self, place: int) -> bool:
        """Whether the column at `place` holds numbers."""
        return place >= self.text_columns and self.columns[place] not in ("above", "architecture", "run")


class _Rows:
    """Collects rows: values for CSV, text for reading, and the measure and groups each is about."""

    def __init__(self) -> None:
        self.values: list[list[Any]] = []
        self.shown: list[list[str]] = []
        self.measures: list[str] = []
        self.groups: list[list[str]] = []

    def add(self, cells: list[tuple[Any, str]], *, measure: str = "", groups: list[str]) -> None:
        """One row of (value, text) cells."""
        self.values.append([value for value, _ in cells])
        self.shown.append([text for _, text in cells])
        self.measures.append(measure)
        self.groups.append(groups)

    def table(self, key: str, title: str, columns: list[str], text_columns: int, note: str) -> Table:
        """The finished table."""
        return Table(key, title, columns, self.values, self.shown, self.measures, self.groups, text_columns, note)


def table_csv(table: Table) -> str:
    """The table as CSV with full digits; text that a spreadsheet would run as a formula is quoted with '."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow([_harmless(cell) for cell in row])
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return "" if isinstance(cell, float) and math.isnan(cell) else cell


def tables_of(comparison: xr.Dataset) -> dict[str, Table]:
    """All tables by key: population, bins, summary, pairs, search, odds, sample, best, sensitivity."""
    found = {
        "population": _population(comparison),
        "bins": _bins(comparison),
        "summary": _summary(comparison),
        "pairs": _pairs(comparison),
        "auc": _auc(comparison),
        "search": _search(comparison),
        "odds": _odds(comparison),
        "sample": _sample(comparison),
        "best": _best(comparison),
        "sensitivity": _sensitivity(comparison),
    }
    return {key: table for key, table in found.items() if table.rows}


def paper_tables(comparison: xr.Dataset) -> Iterator[Table]:
    """The tables for PDF and Markdown; of one that is too long to be read there, a note says where its rows are."""
    for table in tables_of(comparison).values():
        if len(table.rows) <= MOST_ROWS:
            yield table
        else:
            note = (
                f"{len(table.rows):,} rows, which are too many to be read here: the HTML report has them, as CSV too, "
                "and the comparison. Fewer groups give a table that fits."
            )
            yield replace(table, rows=[], shown=[], measures=[], groups=[], note=note)


def _num(value: Any, form: str = ".4g") -> tuple[Any, str]:
    number = float(value)
    if math.isnan(number):
        return number, "–"
    if math.isinf(number):
        return number, "∞" if number > 0 else "−∞"
    # From a thousand on, the whole number: 2,030 and neither 2.03e+03 nor 2030.4.
    shown = f"{number:,.0f}" if abs(number) >= 999.5 else format(number, form)
    return number, shown.replace("-", "−")


def _whole(value: Any) -> tuple[Any, str]:
    number = float(value)
    if not math.isfinite(number):
        return _num(number)
    return int(number), f"{int(number):,}"


def _count(value: Any) -> tuple[Any, str]:
    """A count of parameters or operations as people write them: 2.31 M."""
    number = float(value)
    # The unit is that of the rounded number: 999,999 is 1 M and not 1000 k.
    rounded = float(f"{number:.3g}")
    for scale, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if math.isfinite(number) and abs(rounded) >= scale:
            return number, f"{three_digits(rounded / scale)} {letter}"
    return _num(number)


def _text(value: Any) -> tuple[Any, str]:
    return str(value), str(value)


def _each(comparison: xr.Dataset, *, with_none: bool = True) -> Iterator[tuple[str, str, xr.Dataset]]:
    for measure in map(str, comparison["measure"].values):
        if with_none or measure != "none":
            yield measure, measure_words(comparison, measure), comparison.sel(measure=measure)


def _population(comparison: xr.Dataset) -> Table:
    rows = _Rows()
    statuses = [str(s) for s in comparison["status"].values]
    for place, name in enumerate(map(str, comparison["group"].values)):
        counts = comparison["n_status"].values[place]
        cells = [_text(name), _whole(comparison["n"].values[place]), *map(_whole, counts)]
        cells += [_whole(comparison["failed"].values[place])]
        rows.add(cells, groups=[name])
    columns = ["group", "models that count", *statuses, "no error reached"]
    note = (
        "Diverged models count: they are an outcome of the design space, worse than all others where they reached "
        "no error. Models lost to oom, timeout, error or a lost job are accidents of the run and are left out."
    )
    return rows.table("population", "Models of each group", columns, 1, note)


def _bins(comparison: xr.Dataset) -> Table:
    rows = _Rows()
    for measure, _, one in _each(comparison, with_none=False):
        for group in entries_of(one, "group"):
            name = str(group["group"])
            rows.add(
                [_text(measure), _text(name), _count(one["lower"]), _count(one["upper"]), _whole(one["bins"]),
                 _whole(one["empty_bins"]), *(_whole(group[v]) for v in ("thin_bins", "outside", "used")),
                 _num(group["effective_n"], ".1f"), _num(100 * group["max_weight"], ".2f"),
                 _num(group["imbalance_before"], "+.2f"), _num(group["imbalance"], "+.2f")],
                measure=measure, groups=[name],
            )  # fmt: skip
    columns = ["measure", "group", "from", "to", "bins", "dropped", "thin", "models outside", "models used",
               "effective n", "top weight (%)", "imbalance before", "after"]  # fmt: skip
    note = (
        "Imbalance: how far the mean log complexity of a group lies from that of all groups, in standard deviations. "
        "After normalization it should be near 0. Thin bins hold fewer than 10 models; effective n is the number of "
        "equally weighted models that would be as informative."
    )
    return rows.table("bins", "Complexity bins", columns, 2, note)


def _summary(comparison: xr.Dataset) -> Table:
    rows = _Rows()
    level = float(comparison.attrs["level"])
    for measure, words, one in _each(comparison):
        for group in entries_of(one, "group"):
            name = str(group["group"])
            rows.add(
                [_text(words), _text(name), *(_num(group[v], ".2f") for v in ("best", "median")),
                 *(_num(group[v], ".3f") for v in ("auc", "auc_lower", "auc_upper")),
                 _num(group["effective_n"], ".0f")],
                measure=measure, groups=[name],
            )  # fmt: skip
    columns = ["compared", "group", "best error (%)", "median error (%)", "AUC", "AUC from", "AUC to", "effective n"]
    note = (
        f"AUC: area under the error distribution up to eps = {float(comparison.attrs['eps']):g} %, as a share of eps; "
        f"larger is better. Bounds: {level:.0%} confidence."
    )
    return rows.table("summary", "Each group", columns, 2, note)


def _pairs(comparison: xr.Dataset) -> Table:
    rows = _Rows()
    for measure, words, one in _each(comparison):
        for pair in entries_of(one, "pair"):
            a, b = str(pair["a"]), str(pair["b"])
            above = {"a": a, "b": b}.get(str(pair["dominance"]), "neither shown")
            rows.add(
                [_text(words), _text(a), _text(b), _num(pair["ks"], ".3f"), _num(pair["ks_location"], ".2f"),
                 (float(pair["pvalue"]), _p(pair["pvalue"])), (float(pair["pvalue_holm"]), _p(pair["pvalue_holm"])),
                 _num(pair["ks_plus"], ".3f"), _num(pair["ks_minus"], ".3f"), _text(above),
                 _num(pair["wasserstein"], ".2f")],
                measure=measure, groups=[a, b],
            )  # fmt: skip
    columns = ["compared", "a", "b", "D", "at error (%)", "p", "p (Holm)", "a ahead by", "b ahead by", "above",
               "distance (points)"]  # fmt: skip
    note = (
        "D is the largest vertical gap between the two curves. p is the chance of a gap at least this large if the "
        "groups did not differ at equal complexity; Holm's adjustment allows for the number of pairs. Distance is the "
        "area between the curves in error points; it is infinite where shares of failed models differ."
    )
    return rows.table("pairs", "Pairwise tests", columns, 3, note)


def _p(value: Any) -> str:
    return format_p(float(value)).removeprefix("= ")


def _auc(comparison: xr.Dataset) -> Table:
    rows = _Rows()
    for measure, words, one in _each(comparison):
        for pair in entries_of(one, "pair"):
            a, b = str(pair["a"]), str(pair["b"])
            ends = [_num(pair[f"auc_difference{end}"], "+.3f") for end in ("", "_lower", "_upper")]
            rows.add([_text(words), _text(a), _text(b), *ends], measure=measure, groups=[a, b])
    columns = ["compared", "a", "b", "AUC of a minus b", "from", "to"]
    note = "Positive: a is better on average over errors up to eps. An interval that excludes 0 shows a difference."
    if comparison.sizes["pair"] > 1:
        note += " Each holds for itself: of many pairs without a difference, some exclude 0 by chance."
    return rows.table("auc", "AUC differences", columns, 3, note)


def _search(comparison: xr.Dataset) -> Table:
    rows = _Rows()
    targets = comparison["target"].values
    for measure, words, one in _each(comparison):
        for group in entries_of(one, "group"):
            name = str(group["group"])
            for column, target in enumerate(targets):
                draws = [_whole(group[f"models_needed{end}"][column]) for end in ("", "_lower", "_upper")]
                draws.append(_num(group["models_needed"][column] * group["train_hours"], ".3g"))
                rows.add([_text(words), _text(name), _num(target, "g"), *draws], measure=measure, groups=[name])
    columns = ["compared", "group", "error to reach (%)", "models needed", "from", "to", "device hours"]
    note = (
        "Models to train, drawn at random, to reach the error with 95 % probability, and the range that is compatible "
        "with the data. ∞: no model of the sample reached it. Hours: models times mean training time "
        "on one device, where the population knows it (CIFAR and Fashion-MNIST: batches of 128)."
    )
    return rows.table("search", "Cost of a random search", columns, 2, note)


def _odds(comparison: xr.Dataset) -> Table:
    rows = _Rows()
    sizes = [int(m) for m in comparison["m"].values]
    chosen = [i for i, m in enumerate(sizes) if m in (1, 4, 16, 64, 256, 1024)]
    for measure, words, one in _each(comparison):
        for pair in entries_of(one, "pair"):
            a, b = str(pair["a"]), str(pair["b"])
            wins = [_num(100 * pair["search_win"][i], ".0f") for i in chosen]
            rows.add([_text(words), _text(a), _text(b), *wins], measure=measure, groups=[a, b])
    columns = ["compared", "a", "b", *(f"best of {sizes[i]}" for i in chosen)]
    note = "Chance (%) that the best of so many random models of a has a lower error than the best of as many of b."
    return rows.table("odds", "Who wins a random search", columns, 3, note)


def _sample(comparison: xr.Dataset) -> Table:
    rows = _Rows()
    for measure, words, one in _each(comparison):
        for group in entries_of(one, "group"):
            name = str(group["group"])
            n = float(group["effective_n"])
            judged = "ample" if n >= 1000 else "enough for clear differences" if n >= 100 else "small"
            rows.add(
                [_text(words), _text(name), _text(judged), _whole(group["used"]), _num(n, ".0f"),
                 _num(group["ks_expected"], ".3f")],
                measure=measure, groups=[name],
            )  # fmt: skip
    columns = ["compared", "group", "sample", "models used", "effective n", "D expected by chance"]
    note = (
        "D expected by chance: how far, on average, the curve of a sample of this size lies from the true one. About "
        "100 models make it 0.09, 1000 make it 0.03."
    )
    return rows.table("sample", "Is the sample large enough?", columns, 3, note)


def _best(comparison: xr.Dataset) -> Table:
    rows = _Rows()
    for group in entries_of(comparison, "group"):
        name = str(group["group"])
        for rank, error in enumerate(group["top_error"].tolist()):
            if not math.isfinite(error):
                continue
            rows.add(
                [_text(name), _whole(rank + 1), _num(error, ".2f"), _count(group["top_params"][rank]),
                 _count(group["top_flops"][rank]), _text(group["top_job"][rank]), _net(str(group["top_net"][rank]))],
                groups=[name],
            )  # fmt: skip
    columns = ["group", "rank", "error (%)", "params", "flops", "run", "architecture"]
    note = (
        "The lowest errors are partly luck: the best of many noisy runs looks better than it is. Train them again "
        "with other seeds before relying on one."
    )
    return rows.table("best", "Best models", columns, 1, note)


def _net(text: str) -> tuple[Any, str]:
    """An architecture for reading: key and value pairs instead of JSON, as far as it is an object."""
    try:
        net = json.loads(text) if text else {}
    except ValueError:
        return text, text
    if not isinstance(net, dict):
        return text, text
    return text, "; ".join(f"{key} {_short(value)}" for key, value in net.items())


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(", ", ": ")).replace('"', "")


def _sensitivity(comparison: xr.Dataset) -> Table:
    if comparison.sizes["pair"] > MOST_PAIRS:
        return _sensitivity_over_pairs(comparison)
    rows = _Rows()
    for measure, _, one in _each(comparison, with_none=False):
        bins, settings = one["sensitivity_bins"].values, [str(name) for name in one["setting"].values]
        for pair in entries_of(one, "pair"):
            a, b = str(pair["a"]), str(pair["b"])
            made = np.flatnonzero(np.isfinite(pair["sensitivity_ks"])).tolist()
            for column, setting in ((column, settings[column]) for column in made):
                gap = (pair[f"sensitivity_auc_difference{end}"][column] for end in ("", "_lower", "_upper"))
                ends = [_num(value, "+.3f") for value in gap]
                rows.add(
                    [_text(measure), _text(a), _text(b), _text(setting), _whole(bins[column]),
                     _num(pair["sensitivity_ks"][column], ".3f"), *ends],
                    measure=measure, groups=[a, b],
                )  # fmt: skip
    columns = ["measure", "a", "b", "setting", "bins", "D", "AUC difference", "from", "to"]
    note = "The same comparison under other complexity bins. Signs or sizes that change much mean that bins decide."
    return rows.table("sensitivity", "Other bins", columns, 4, note)


def _sensitivity_over_pairs(comparison: xr.Dataset) -> Table:
    """What other bins change, over all pairs: a row per setting where a row per pair and setting is not read."""
    rows = _Rows()
    for measure, _, one in _each(comparison, with_none=False):
        ks, gap, low, high = (
            one[name].transpose("setting", "pair").values
            for name in ("sensitivity_ks", *(f"sensitivity_auc_difference{end}" for end in ("", "_lower", "_upper")))
        )
        # The first setting is the bins that are used.
        shown = (low[0] > 0) | (high[0] < 0)
        for column, setting in enumerate(map(str, one["setting"].values)):
            if column == 0 or not np.isfinite(ks[column]).any():
                continue
            reversed_ = shown & (np.sign(gap[column]) == -np.sign(gap[0]))
            rows.add(
                [_text(measure), _text(setting), _whole(one["sensitivity_bins"][column]), _whole(shown.sum()),
                 _whole(reversed_.sum()), _num(np.nanmax(np.abs(ks[column] - ks[0])), ".3f"),
                 _num(np.nanmax(np.abs(gap[column] - gap[0])), ".3f")],
                measure=measure, groups=[],
            )  # fmt: skip
    columns = ["measure", "setting", "bins", "intervals without 0", "of these reversed", "largest change of D",
               "of AUC difference"]  # fmt: skip
    note = (
        "All pairs under other complexity bins. Intervals without 0: pairs whose interval of the AUC difference "
        "excludes 0 as compared; reversed: its sign is the other under the setting. Many of these, or large changes, "
        "mean that bins decide. The variables sensitivity_ks and sensitivity_auc_difference hold each pair."
    )
    return rows.table("sensitivity", "Other bins", columns, 2, note)
