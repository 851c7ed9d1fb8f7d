"""From record shards to a population: every planned trial at most once, the newest attempt, the first record of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import xarray as xr

import edfstat
from edfstat.errors import InputError
from submit.directory import Sweep
from submit.shards import read_lines

__all__ = ["Collected", "commonest_message", "gather", "population_of"]


@dataclass
class Collected:
    """The records of a sweep that count, in the order of the plan, and what was passed over."""

    records: list[dict[str, Any]] = field(default_factory=list)
    duplicates: int = 0
    superseded: int = 0
    foreign: int = 0
    torn: int = 0


def gather(sweep: Sweep) -> Collected:
    """Read every shard of a sweep."""
    place = {trial.id: trial.index for trial in sweep.trials()}
    best: dict[int, tuple[int, float, dict[str, Any]]] = {}
    found = Collected()
    decoder = msgspec.json.Decoder()
    for path in sorted((sweep.path / "records").glob("[!.]*.jsonl")):
        lines, end = read_lines(path)
        found.torn += end < path.stat().st_size
        for line in lines:
            try:
                record = decoder.decode(line)
                index = place[record["trial_id"]]
                origin = record.get("provenance") or {}
                rank = (int(origin.get("attempt", 1)), -float(origin.get("ended", 0.0)))
            except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError):
                found.foreign += 1
                continue
            if index in best:
                found.duplicates += best[index][0] == rank[0]
                found.superseded += best[index][0] != rank[0]
                if best[index][:2] >= rank:
                    continue
            best[index] = (*rank, record)
    found.records = [best[index][2] for index in sorted(best)]
    return found


def population_of(sweep: Sweep, *, curves: bool = True) -> xr.Dataset:
    """Population of what a sweep has finished so far; its attributes hold the sweep's provenance.

    Raises
    ------
    InputError
        If nothing has finished yet.
    """
    found = gather(sweep)
    if not found.records:
        raise InputError(f"{sweep.path} has no finished trial yet; look at its status, collect later")
    return edfstat.from_records(found.records, curves=curves, attrs=_attributes(sweep, found))


def commonest_message(sweep: Sweep) -> str:
    """Last line of what most records that failed say; empty where none says anything."""
    said = [str(record.get("message") or "").strip().splitlines() for record in gather(sweep).records]
    counted = Counter(lines[-1] for lines in said if lines)
    return counted.most_common(1)[0][0] if counted else ""


def _attributes(sweep: Sweep, found: Collected) -> dict[str, Any]:
    origin = sweep.provenance()
    ran = [record.get("provenance") or {} for record in found.records]
    return {
        "sweep": sweep.name,
        "sweep_config": msgspec.json.encode(sweep.config.plain()).decode(),
        "sweep_trials": sweep.size,
        "sweep_records": len(found.records),
        "sweep_duplicates": found.duplicates,
        "sweep_hosts": ", ".join(sorted({each.get("host", "") for each in ran})),
        "sweep_jobs": ", ".join(sorted({each.get("job", "") for each in ran} - {""})[:1000]),
        "created": origin.get("created", ""),
        "git_revision": origin.get("git_revision", ""),
        "git_diff": origin.get("git_diff", "")[:20_000],
        "versions": msgspec.json.encode(origin.get("versions", {})).decode(),
        "python": origin.get("python", ""),
        "platform": origin.get("platform", ""),
        "gpu": origin.get("gpu", ""),
        "flops_convention": "published: multiply-adds + classes + 5 x batch-norm outputs",
    }
