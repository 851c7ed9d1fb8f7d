"""Jobs of a results file, decoded by type: only what a population keeps becomes Python objects.

Curves are about 95 % of a published file. They stay undecoded text unless asked for; of the test curve only
the last value is read. Values are checked here, where a job still has its index and keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from numpy.typing import NDArray

from edfstat.errors import FormatError
from edfstat.formats.curves import SPELLED_TEXT, BadJob, curve_table, one_curve
from edfstat.formats.limits import MAX_TABLE_WASTE
from edfstat.formats.nets import net_texts

__all__ = ["Columns", "Job", "add_jobs", "decode_job", "decode_jobs", "tolerant"]

_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)] | float | None
_Percent = Annotated[float, Meta(ge=0, le=100)] | str | None
_Float = float | str | None
_Scalar = str | int | float | bool | None


class Optim(Struct, gc=False):
    """Settings of the optimiser that a population keeps."""

    base_lr: _Float = None
    wd: _Float = None
    max_ep: _Float = None


class Job(Struct, gc=False):
    """One trained model: keys of the published files, and those of our own records."""

    params: _Count = None
    flops: _Count = None
    acts: _Count = None
    net: Raw = Raw(b"")
    optim: Optim | None = None
    job_id: _Scalar = None
    rng_seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    iter_time: _Float = None
    min_test_top1: _Percent = None
    final_test_top1: _Percent = None
    test_ep_top1: Raw = Raw(b"")
    train_ep_top1: Raw = Raw(b"")
    train_ep_loss: Raw = Raw(b"")
    space: str | None = None
    dataset: str | None = None
    status: Literal["ok", "diverged", "oom", "timeout", "error", "lost"] | None = None
    group: str | None = None
    trial_id: str | None = None
    extra: dict[str, Any] | UnsetType = UNSET
    absent: list[str] | None = None


_JOBS = msgspec.json.Decoder(list[Job])
_ONE = msgspec.json.Decoder(Job)
_PLACE = re.compile(r"^(?P<reason>.*?) - at `\$(?:\[(?P<index>\d+)\])?(?:\.(?P<key>[^`]*))?`$", re.DOTALL)
_NO_OPTIM = Optim()
_T = TypeVar("_T")
_WORDS = re.compile(rb'"(?:[^"\\]|\\.)*"|-?Infinity|NaN', re.DOTALL)
_SPELLED = {b"NaN": b'"N"', b"Infinity": b'"Infini"', b"-Infinity": b'"-Infini"'}


def spell_nan(text: bytes) -> bytes:
    """JSON text with the bare words NaN and Infinity, which are not JSON, as strings of the same length."""
    return _WORDS.sub(lambda found: _SPELLED.get(found[0], found[0]), text)


def decode_jobs(text: bytes) -> list[Job]:
    """Jobs of a JSON list.

    Raises
    ------
    BadJob
        If a job is of another shape.
    msgspec.DecodeError
        If the text is no JSON.
    """
    return _decode(_JOBS, text)  # type: ignore[no-any-return]


def decode_job(text: bytes) -> Job:
    """The job of a JSON object; raises as `decode_jobs`."""
    return _decode(_ONE, text)  # type: ignore[no-any-return]


def _decode(decoder: Any, text: bytes) -> Any:
    try:
        return tolerant(decoder.decode, text)
    except msgspec.ValidationError as error:
        raise _bad_job(str(error)) from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it is not UTF-8 ({error.reason})") from None
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None


def tolerant(decode: Callable[[bytes], _T], text: bytes) -> _T:
    """Decode text that may hold bare NaN or Infinity.

    Most text holds none, so it is tried as it is, then with every NaN replaced, wherever it stands. A word within
    a string, replaced, always breaks the JSON (a string ends and a letter follows); what still fails is searched
    with strings told apart.
    """
    try:
        return decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"NaN" not in text and b"Infinity" not in text:
            raise
    try:
        return decode(text.replace(b"NaN", _SPELLED[b"NaN"]))
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return decode(spell_nan(text))


def _bad_job(complaint: str) -> BadJob:
    place = _PLACE.match(complaint)
    if not place:
        return BadJob(0, "", complaint)
    return BadJob(int(place["index"] or 0), place["key"] or "", place["reason"].replace("`", ""))


@dataclass
class Columns:
    """Columns of a population as they grow, chunk by chunk."""

    lists: dict[str, list[Any]] = field(default_factory=dict)
    curves: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    count: int = 0
    absent: set[str] = field(default_factory=set)

    def finish(self, label: str) -> dict[str, Any]:
        """Arrays, without the columns that no job has.

        Raises
        ------
        FormatError
            If a count is known for some models but not for all.
        """
        done: dict[str, Any] = {}
        for name, values in self.lists.items():
            if name in self.absent:
                continue
            if name in ("params", "flops", "acts") and values:
                missing = values.count(None)
                if missing == len(values):
                    continue
                if missing:
                    raise FormatError(
                        f"{label}: job {values.index(None)}, key '{name}': missing, though other jobs have it; "
                        "add it, or pass errors='skip' to leave such jobs out"
                    )
                done[name] = np.array(values, dtype=np.int64)
            elif name in ("seed",):
                done[name] = np.array(values, dtype=np.int64)
            elif name in _FLOAT_COLUMNS:
                array = np.array(values, dtype=np.float64)
                if name == "error" or not np.isnan(array).all():
                    done[name] = array
            else:
                done[name] = _objects(values)
        width = max((piece.shape[1] for pieces in self.curves.values() for piece in pieces), default=0)
        stored = sum(piece.size for pieces in self.curves.values() for piece in pieces)
        if width * self.count * len(self.curves) > MAX_TABLE_WASTE * (stored + 1_000_000):
            raise FormatError(
                f"{label}: some job has a curve of {width} entries, far more than the others; leave it out"
            )
        for name, pieces in self.curves.items():
            if not any(piece.shape[1] for piece in pieces):  # no job has this curve
                continue
            done[name] = _stack(pieces, width)
            pieces.clear()
        return done


_FLOAT_COLUMNS = ("error", "final_error", "lr", "weight_decay", "epochs", "iter_time")
_CURVES = {"train_ep_loss": "train_loss", "train_ep_top1": "train_error", "test_ep_top1": "test_error"}


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _stack(pieces: list[NDArray[np.float64]], width: int) -> NDArray[np.float64]:
    if len(pieces) == 1 and pieces[0].shape[1] == width:
        return pieces[0]
    table = np.full((sum(map(len, pieces)), width), np.nan)
    start = 0
    for piece in pieces:
        table[start : start + len(piece), : piece.shape[1]] = piece
        start += len(piece)
    return table


def add_jobs(columns: Columns, jobs: Sequence[Job], *, curves: bool, group: str = "") -> None:
    """Append jobs to columns.

    Raises
    ------
    BadJob
        If a value makes no sense; nothing is appended then.
    """
    optims = [job.optim or _NO_OPTIM for job in jobs]
    statuses = [job.status or _status(bytes(job.train_ep_loss)) for job in jobs]
    rows: dict[str, list[Any]] = {
        "params": _counts([job.params for job in jobs], "params"),
        "flops": _counts([job.flops for job in jobs], "flops"),
        "acts": _counts([job.acts for job in jobs], "acts"),
        "iter_time": _numbers([job.iter_time for job in jobs], "iter_time"),
        "seed": [job.rng_seed or 0 for job in jobs],
        "job_id": ["" if job.job_id is None else str(job.job_id) for job in jobs],
        "space": [job.space for job in jobs],
        "dataset": [job.dataset for job in jobs],
        "group": [group if job.group is None else job.group for job in jobs],
        "lr": _numbers([optim.base_lr for optim in optims], "optim.base_lr"),
        "weight_decay": _numbers([optim.wd for optim in optims], "optim.wd"),
        "epochs": _numbers([optim.max_ep for optim in optims], "optim.max_ep"),
        "net": net_texts([bytes(job.net) for job in jobs]),
        "status": statuses,
        "error": _errors(jobs, statuses),
        "final_error": _final_errors(jobs),
    }
    tables = {}
    if curves:
        tables = {name: curve_table([getattr(job, key) for job in jobs], key) for key, name in _CURVES.items()}
    for name, extra in _extras(jobs).items():
        columns.lists.setdefault(name, [None] * columns.count).extend(extra)
    for name, values in rows.items():
        columns.lists.setdefault(name, []).extend(values)
    for name, table in tables.items():
        columns.curves.setdefault(name, []).append(table)
    columns.count += len(jobs)
    columns.absent.update(name for job in jobs if job.absent for name in job.absent)
    for values in columns.lists.values():
        values.extend([None] * (columns.count - len(values)))


def _extras(jobs: Sequence[Job]) -> dict[str, list[Any]]:
    names = {name for job in jobs if isinstance(job.extra, dict) for name in job.extra}
    return {
        f"extra:{name}": [job.extra.get(name) if isinstance(job.extra, dict) else None for job in jobs]
        for name in sorted(names)
    }


def _counts(values: list[Any], key: str) -> list[int | None]:
    if float not in set(map(type, values)):
        return values
    for index, value in enumerate(values):
        if isinstance(value, float):
            if not (0 <= value < 2**63 and value.is_integer()):
                raise BadJob(index, key, f"{value} is no count")
            values[index] = int(value)
    return values


def _numbers(values: list[Any], key: str) -> list[float]:
    if set(map(type, values)) == {float}:
        return values
    return [_number(value, index, key) for index, value in enumerate(values)]


def _number(value: float | str | None, index: int, key: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str):
        if value not in SPELLED_TEXT:
            raise BadJob(index, key, f"Expected float, got str {value[:80]!r}")
        return math.nan
    return value


def _status(loss: bytes) -> str:
    """Published jobs name no status: a loss that is not a number tells the diverged ones."""
    return "diverged" if loss[:1] == b"[" and (b'"' in loss or b"u" in loss) else "ok"


def _errors(jobs: Sequence[Job], statuses: list[str]) -> list[float]:
    values = [job.min_test_top1 for job in jobs]
    if set(map(type, values)) == {float}:
        return values  # type: ignore[return-value]
    return [_error(job, status, i) for i, (job, status) in enumerate(zip(jobs, statuses, strict=True))]


def _error(job: Job, status: str, index: int) -> float:
    value = _number(job.min_test_top1, index, "min_test_top1")
    if not math.isnan(value):
        return value
    values = one_curve(bytes(job.test_ep_top1), "test_ep_top1", index)
    finite = [v for v in values if not math.isnan(v)]
    if finite:
        return min(finite)
    if status == "ok":
        raise BadJob(index, "min_test_top1", "missing, and there is no test_ep_top1 to take it from")
    return math.nan


def _final_errors(jobs: Sequence[Job]) -> list[float]:
    return [
        _last(bytes(job.test_ep_top1), index)
        if job.final_test_top1 is None
        else _number(job.final_test_top1, index, "final_test_top1")
        for index, job in enumerate(jobs)
    ]


def _last(text: bytes, index: int) -> float:
    """Last value of a list, of which nothing else is decoded."""
    try:
        value = float(text[text.rfind(b",") + 1 : -1].strip(b" \t\r\n["))
    except ValueError:
        return math.nan
    if not 0 <= value <= 100:
        raise BadJob(index, "test_ep_top1", f"{value} is outside 0 to 100 percent")
    return value
