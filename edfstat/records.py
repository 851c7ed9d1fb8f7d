"""Records: what one trial gave, in the schema of the published files, and populations made of them.

A record is a plain dict, strict JSON (what is not known or not finite is null):

- of the published files: `job_id`, `rng_seed`, `params`, `flops`, `net`, `optim` (`base_lr`, `wd`, `max_ep`),
  `iter_time` (s), `min_test_top1`, `test_ep_top1`, `train_ep_top1` (errors, percent), `train_ep_loss`;
- of the published files, but measured by nothing here: `exp_mem`, `act_mem`, `prec_time` (null), `train_it_loss`,
  `train_it_top1` (empty);
- of ours: `trial_id`, `space`, `dataset`, `recipe`, `acts`, `final_test_top1`, `status`, `message`,
  `provenance` (versions, host, device, times).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import FormatError
from edfstat.population import STATUSES, build_population
from edfstat.trials import Trial

__all__ = ["RECORD_KEYS", "from_records", "make_record"]

#: Keys of a record and whether every record has them.
RECORD_KEYS: dict[str, bool] = {
    "trial_id": True, "job_id": True, "space": True, "dataset": True, "net": True, "recipe": True,
    "optim": True, "rng_seed": True, "status": True, "message": True, "provenance": True,
    "params": False, "flops": False, "acts": False, "min_test_top1": False, "final_test_top1": False,
    "test_ep_top1": False, "train_ep_top1": False, "train_ep_loss": False, "iter_time": False,
    "exp_mem": False, "act_mem": False, "prec_time": False, "train_it_loss": False, "train_it_top1": False,
}  # fmt: skip

#: Published keys of things that nothing here measures; readers of published files find the keys they expect.
_UNMEASURED: dict[str, Any] = {
    "exp_mem": None, "act_mem": None, "prec_time": None, "train_it_loss": (), "train_it_top1": (),
}  # fmt: skip

_SCALARS = {
    "min_test_top1": "error", "params": "params", "flops": "flops", "acts": "acts",
    "final_test_top1": "final_error", "iter_time": "iter_time",
}  # fmt: skip
_TEXTS = ("space", "dataset", "status", "job_id", "source", "group")
_OPTIM = {"base_lr": "lr", "wd": "weight_decay", "max_ep": "epochs"}
_CURVES = {"train_ep_loss": "train_loss", "train_ep_top1": "train_error", "test_ep_top1": "test_error"}


def make_record(trial: Trial, *, status: str = "ok", message: str = "", **outcome: Any) -> dict[str, Any]:
    """Record of a trial: its description, how it ended, and the outcome under the published keys.

    Parameters
    ----------
    trial : Trial
    status : str
        One of `edfstat.population.STATUSES`.
    message : str
        Why, where the status is not ``ok``.
    **outcome
        Values for any other key of `RECORD_KEYS`. Floats that are not finite are written as None.

    Raises
    ------
    FormatError
        If the status or a key is unknown.

    See Also
    --------
    from_records : A population of records.
    Trial : What a record is of.

    Examples
    --------
    >>> from edfstat import Trial
    >>> record = make_record(Trial(space="A", net={}), min_test_top1=7.5)
    >>> record["status"], record["min_test_top1"]
    ('ok', 7.5)
    """
    unknown = sorted(set(outcome) - set(RECORD_KEYS))
    if unknown or status not in STATUSES:
        raise FormatError(
            f"a record has keys {sorted(RECORD_KEYS)} and a status of {STATUSES}; got {unknown or status!r}"
        )
    described = {
        "trial_id": trial.id, "job_id": trial.id, "space": trial.space, "dataset": trial.dataset,
        "net": dict(trial.net), "recipe": trial.recipe, "optim": dict(trial.optim), "rng_seed": trial.seed,
        "status": status, "message": message, "provenance": {},
    }  # fmt: skip
    return {**described, **{key: _finite(value) for key, value in (_UNMEASURED | outcome).items()}}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def from_records(
    records: Iterable[Mapping[str, Any]],
    *,
    curves: bool = False,
    attrs: Mapping[str, Any] | None = None,
    **defaults: str,
) -> xr.Dataset:
    """Population of records, one model each.

    Parameters
    ----------
    records : iterable of mapping
        Records of this package or jobs of the published files.
    curves : bool, default False
        Whether to keep the curves over epochs.
    attrs : mapping, optional
        Attributes of the population.
    **defaults : str
        Values for `space`, `dataset`, `source` or `group` where a record has none.

    Returns
    -------
    Dataset

    Raises
    ------
    FormatError
        If there are no records.
    PopulationError
        If a value is not of the data model.

    See Also
    --------
    make_record : A record.
    build_population : From arrays.

    Examples
    --------
    >>> from edfstat import Trial, from_records, make_record
    >>> trials = [Trial(space="A", net={"ws": [width]}) for width in (16, 32)]
    >>> records = [make_record(trials[0], min_test_top1=7.5), make_record(trials[1], status="oom", message="too large")]
    >>> population = from_records(records)
    >>> population["error"].values.tolist(), population["status"].values.tolist()
    ([7.5, nan], ['ok', 'oom'])
    """
    rows = list(records)
    if not rows:
        raise FormatError("there are no records; a population holds at least one model")
    columns: dict[str, Any] = {}
    for key, name in _SCALARS.items():
        if key == "min_test_top1" or any(row.get(key) is not None for row in rows):
            columns[name] = _numbers(rows, key)
    for key, name in _OPTIM.items():
        if any((row.get("optim") or {}).get(key) is not None for row in rows):
            columns[name] = _numbers([row.get("optim") or {} for row in rows], key)
    for name in _TEXTS:
        default = defaults.get(name, "ok" if name == "status" else "")
        columns[name] = np.array([str(row.get(name, default)) for row in rows], dtype=object)
    columns["seed"] = np.array([int(row.get("rng_seed") or 0) for row in rows], dtype=np.int64)
    columns["net"] = np.array([json.dumps(row.get("net") or {}, sort_keys=True) for row in rows], dtype=object)
    if curves:
        longest = max(len(row.get(key) or []) for row in rows for key in _CURVES)
        for key, name in _CURVES.items():
            columns[name] = _padded([row.get(key) or [] for row in rows], longest)
    return build_population(columns, attrs)


def _numbers(rows: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    return np.array([np.nan if row.get(key) is None else row[key] for row in rows], dtype=np.float64)


def _padded(lists: list[list[float | None]], longest: int) -> NDArray[np.float64]:
    table = np.full((len(lists), longest), np.nan)
    for row, values in zip(table, lists, strict=True):
        row[: len(values)] = [np.nan if value is None else value for value in values]
    return table
