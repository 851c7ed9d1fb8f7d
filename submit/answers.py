"""What a backend gave for a trial: made a whole record, or one of an error that says why it is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, cast

import msgspec

from edfstat.population import STATUSES
from edfstat.records import make_record
from edfstat.trials import Trial

__all__ = ["failed", "whole_record"]

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Curve = list[float | None]
_COUNTS = ("params", "flops", "acts")


class _Record(msgspec.Struct):
    """What collecting reads of a record, and what it takes."""

    status: str
    message: str = ""
    provenance: dict[str, Any] = {}
    space: str = ""
    dataset: str = ""
    job_id: str | int = ""
    net: dict[str, Any] = {}
    optim: dict[str, Any] = {}
    rng_seed: int = 0
    params: Count | None = None
    flops: Count | None = None
    acts: Count | None = None
    min_test_top1: Percent | None = None
    final_test_top1: Percent | None = None
    iter_time: float | None = None
    test_ep_top1: Curve | None = None
    train_ep_top1: Curve | None = None
    train_ep_loss: Curve | None = None


def whole_record(answer: Any, trial: Trial) -> dict[str, Any]:
    """A backend's record, with what it left out as the trial says it; one of an error if it gave none.

    Examples
    --------
    >>> whole_record({"status": "ok", "min_test_top1": 250.0}, Trial("A", {}))["message"]
    'the backend gave no record: min_test_top1: expected `float` <= 100.0; edfstat.make_record(trial, ...) makes one'
    """
    try:
        return _checked(answer, trial)
    except (TypeError, ValueError, msgspec.ValidationError) as error:
        said = _said(error)
        return failed(trial, f"the backend gave no record: {said}; edfstat.make_record(trial, ...) makes one")


def _checked(answer: Any, trial: Trial) -> dict[str, Any]:
    """The whole record.

    Raises
    ------
    TypeError, ValueError, ValidationError
        If the answer makes none; the message says why.
    """
    if not isinstance(answer, Mapping):
        raise TypeError(f"it gave {type(answer).__name__}")
    if answer.get("status") not in STATUSES:
        raise ValueError(f"its status is {answer.get('status')!r:.80}, not one of {', '.join(STATUSES)}")
    if answer.get("trial_id", trial.id) != trial.id:
        raise ValueError(f"it is that of another trial, {answer['trial_id']!r:.80}")
    # Through JSON, as records are kept: numbers of numpy are numbers, NaN is nothing.
    told = {key: value for key, value in answer.items() if value is not None}
    found = json.loads(json.dumps({**make_record(trial), **told}, default=_plain), parse_constant=_nothing)
    found |= {key: int(found[key]) for key in _COUNTS if _is_whole(found.get(key))}
    record = msgspec.convert(found, _Record)
    if record.status == "ok" and record.min_test_top1 is None:
        raise ValueError("its status is ok, but min_test_top1 is no number")
    return cast(dict[str, Any], _writable(found))


def failed(trial: Trial, message: str, status: str = "error") -> dict[str, Any]:
    """Record of a trial that failed."""
    return make_record(trial, status=status, message=_writable(message))


def _writable(value: Any) -> Any:
    """Without halves of characters in its texts, which names of files can hold and no file of records takes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    return value


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy as plain ones.

    Raises
    ------
    TypeError
        For anything else.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"it holds {type(value).__name__}, which JSON has no form for")


def _is_whole(value: Any) -> bool:
    """Whether it is a count that was told as a number with a point, as some counters do."""
    return isinstance(value, float) and value.is_integer()


def _nothing(_: str) -> None:
    return None


def _said(error: Exception) -> str:
    """What is wrong, where: msgspec says it as "Expected ... - at `$.params`"."""
    what, _, where = str(error).partition(" - at `$.")
    return f"{where.rstrip('`')}: {what[0].lower()}{what[1:]}" if where else what
