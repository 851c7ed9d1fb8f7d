"""Jobs of a results file, decoded by type: only what a population keeps becomes Python objects.

Curves are about 95 % of a published file. They stay undecoded text unless asked for; of the test curve only
the last value is read. Values are checked here, where a job still has its index and keys.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from numpy.typing import NDArray

from edfstat.errors import FormatError
from edfstat.formats.limits import MAX_TABLE_WASTE, MAX_VALUE_BYTES

__all__ = ["BadJob", "Columns", "Job", "add_jobs", "decode_job", "decode_jobs", "spell_nan"]

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


_JOBS = msgspec.json.Decoder(list[Job])
_ONE = msgspec.json.Decoder(Job)
_FLOATS = msgspec.json.Decoder(list[float | None])
_ANY = msgspec.json.Decoder()
_SORTED = msgspec.json.Encoder(order="sorted")
_PLACE = re.compile(r"^(?P<reason>.*?) - at `\$(?:\[(?P<index>\d+)\])?(?:\.(?P<key>[^`]*))?`$", re.DOTALL)
_WORDS = re.compile(rb'"(?:[^"\\]|\\.)*"|-?Infinity|NaN', re.DOTALL)
_SPELLED = {b"NaN": b'"N"', b"Infinity": b'"Infini"', b"-Infinity": b'"-Infini"'}
_SPELLED_TEXT = frozenset(text[1:-1].decode() for text in _SPELLED.values())


class BadJob(Exception):
    """A job that makes no sense: where in its list, under which key, and why."""

    def __init__(self, index: int, key: str, reason: str) -> None:
        super().__init__(index, key, reason)
        self.index, self.key, self.reason = index, key, reason


def spell_nan(text: bytes, *, exact: bool = False) -> bytes:
    """JSON text with the bare words NaN and Infinity, which are not JSON, as strings of the same length.

    A word within a string, replaced, always breaks the JSON (a string ends and a letter follows), so the quick
    replacement is safe to try first; with `exact` strings are skipped over.
    """
    if exact:
        return _WORDS.sub(lambda found: _SPELLED.get(found[0], found[0]), text)
    if b"NaN" in text:
        text = text.replace(b"NaN", _SPELLED[b"NaN"])
    if b"Infinity" in text:
        text = text.replace(b"-Infinity", _SPELLED[b"-Infinity"]).replace(b"Infinity", _SPELLED[b"Infinity"])
    return text


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
        try:
            return decoder.decode(spell_nan(text))
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if b"NaN" not in text and b"Infinity" not in text:
                raise
            return decoder.decode(spell_nan(text, exact=True))
    except msgspec.ValidationError as error:
        raise _bad_job(str(error)) from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it is not UTF-8 ({error.reason})") from None
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None


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

    def finish(self, label: str) -> dict[str, Any]:
        """Arrays, without the columns that no job has.

        Raises
        ------
        FormatError
            If a count is known for some models but not for all.
        """
        done: dict[str, Any] = {}
        for name, values in self.lists.items():
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
    rows: dict[str, list[Any]] = {
        "params": _counts(jobs, "params"),
        "flops": _counts(jobs, "flops"),
        "acts": _counts(jobs, "acts"),
        "iter_time": [_number(job.iter_time, index, "iter_time") for index, job in enumerate(jobs)],
        "seed": [job.rng_seed or 0 for job in jobs],
        "job_id": ["" if job.job_id is None else str(job.job_id) for job in jobs],
        "space": [job.space for job in jobs],
        "dataset": [job.dataset for job in jobs],
        "group": [group if job.group is None else job.group for job in jobs],
    }
    empty = Optim()
    for key, name in (("base_lr", "lr"), ("wd", "weight_decay"), ("max_ep", "epochs")):
        rows[name] = [_number(getattr(job.optim or empty, key), i, f"optim.{key}") for i, job in enumerate(jobs)]
    rows["net"] = [_net_text(job.net, index) for index, job in enumerate(jobs)]
    rows["status"] = [job.status or _status(job) for job in jobs]
    rows["error"] = [_error(job, status, i) for i, (job, status) in enumerate(zip(jobs, rows["status"], strict=True))]
    rows["final_error"] = [_final_error(job, index) for index, job in enumerate(jobs)]
    tables = {name: _table(jobs, key) for key, name in _CURVES.items()} if curves else {}
    for name, extra in _extras(jobs).items():
        columns.lists.setdefault(name, [None] * columns.count).extend(extra)
    for name, values in rows.items():
        columns.lists.setdefault(name, []).extend(values)
    for name, table in tables.items():
        columns.curves.setdefault(name, []).append(table)
    columns.count += len(jobs)
    for values in columns.lists.values():
        values.extend([None] * (columns.count - len(values)))


def _extras(jobs: Sequence[Job]) -> dict[str, list[Any]]:
    names = {name for job in jobs if isinstance(job.extra, dict) for name in job.extra}
    return {
        f"extra:{name}": [job.extra.get(name) if isinstance(job.extra, dict) else None for job in jobs]
        for name in sorted(names)
    }


def _counts(jobs: Sequence[Job], key: str) -> list[int | None]:
    values = [getattr(job, key) for job in jobs]
    for index, value in enumerate(values):
        if isinstance(value, float):
            if not (0 <= value < 2**63 and value.is_integer()):
                raise BadJob(index, key, f"{value} is no count")
            values[index] = int(value)
    return values


def _number(value: float | str | None, index: int, key: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str):
        if value not in _SPELLED_TEXT:
            raise BadJob(index, key, f"Expected float, got str {value[:80]!r}")
        return math.nan
    return value


def _status(job: Job) -> str:
    """Published jobs name no status: a loss that is not a number tells the diverged ones."""
    text = bytes(job.train_ep_loss)
    return "diverged" if text[:1] == b"[" and (b'"' in text or b"u" in text) else "ok"


def _error(job: Job, status: str, index: int) -> float:
    value = _number(job.min_test_top1, index, "min_test_top1")
    if not math.isnan(value):
        return value
    values = _curve(job, "test_ep_top1", index)
    finite = [v for v in values if not math.isnan(v)]
    if finite:
        return min(finite)
    if status == "ok":
        raise BadJob(index, "min_test_top1", "missing, and there is no test_ep_top1 to take it from")
    return math.nan


def _final_error(job: Job, index: int) -> float:
    if job.final_test_top1 is not None:
        return _number(job.final_test_top1, index, "final_test_top1")
    tail = bytes(memoryview(job.test_ep_top1)[-40:]).rstrip()
    if not tail.endswith(b"]"):
        return math.nan
    last = re.split(rb"[\[,]", tail[:-1])[-1].strip()
    try:
        value = float(last)
    except ValueError:
        return math.nan
    if not 0 <= value <= 100:
        raise BadJob(index, "test_ep_top1", f"{value} is outside 0 to 100 percent")
    return value


def _net_text(net: Raw, index: int) -> str:
    """Canonical text, as `json.dumps` with sorted keys spells it."""
    text = bytes(net)
    if not text or text == b"null":
        return "{}"
    if len(text) > MAX_VALUE_BYTES:
        raise BadJob(index, "net", f"it has {len(text)} bytes; a net has at most {MAX_VALUE_BYTES}")
    if text[:1] != b"{":
        raise BadJob(index, "net", f"Expected object, got {text[:40].decode(errors='replace')}")
    try:
        value = _ANY.decode(text)
        # Numbers in exponent form and letters beyond ASCII are spelled differently by the two encoders.
        if text.isascii() and b"\\" not in text and not _EXPONENT.search(text):
            return msgspec.json.format(_SORTED.encode(value), indent=0).decode("ascii")
        return json.dumps(value, sort_keys=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise BadJob(index, "net", str(error)) from None


_EXPONENT = re.compile(rb"\d[eE]|0\.0000|\d{15}|\{\}|\[\]")


def _table(jobs: Sequence[Job], key: str) -> NDArray[np.float64]:
    """Curves of one kind, one row per job, NaN beyond each job's last epoch."""
    rows = [_curve(job, key, index) for index, job in enumerate(jobs)]
    width = max(map(len, rows), default=0)
    if width * len(rows) > MAX_TABLE_WASTE * (sum(map(len, rows)) + 10_000):
        longest = max(range(len(rows)), key=lambda i: len(rows[i]))
        raise BadJob(longest, key, f"it has {width} entries, far more than the other jobs")
    table = np.full((len(rows), width), np.nan)
    for target, values in zip(table, rows, strict=True):
        target[: len(values)] = values
    if key.endswith("top1"):
        bad = (table < 0) | (table > 100)
        if bad.any():
            index, epoch = (int(i) for i in np.argwhere(bad)[0])
            raise BadJob(index, f"{key}[{epoch}]", f"{table[index, epoch]} is outside 0 to 100 percent")
    return table


def _curve(job: Job, key: str, index: int) -> Sequence[float]:
    text = getattr(job, key)
    if not bytes(memoryview(text)[:1]):
        return ()
    try:
        values = _FLOATS.decode(text)
        if None in values:
            return [math.nan if value is None else value for value in values]
        return values  # type: ignore[return-value]
    except msgspec.ValidationError as error:
        return _odd_curve(bytes(text), key, index, str(error))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadJob(index, key, str(error)) from None


def _odd_curve(text: bytes, key: str, index: int, complaint: str) -> Sequence[float]:
    """A curve with NaN or infinity in it (infinity is not kept: what is not finite is not known)."""
    if text == b"null":
        return ()
    values: Iterable[Any] = _ANY.decode(text)
    if isinstance(values, list) and all(
        value is None or type(value) in (int, float) or value in _SPELLED_TEXT for value in values
    ):
        return [math.nan if value is None or isinstance(value, str) else float(value) for value in values]
    raise BadJob(index, key, complaint.replace("`", ""))
