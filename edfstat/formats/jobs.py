"""Jobs of a results file, decoded by type: only what a population keeps becomes Python objects.

Curves are about 95 % of a published file. They stay undecoded text unless asked for; of the test curve only
the last value is read. Values are checked here, where a job still has its index and keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from edfstat.formats.columns import Columns
from edfstat.formats.curves import SPELLED_TEXT, BadJob, curve_table, one_curve, with_words
from edfstat.formats.nets import net_texts
from edfstat.formats.shortening import Shortened
from edfstat.population import COORDINATES, VARIABLES

__all__ = ["FILLED", "Job", "Misplaced", "add_jobs", "decode_job", "decode_jobs", "tolerant"]

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
    empty: list[str] | None = None


#: Variables that a reader fills in where a file lacks them, unless a file of ours lists them as `absent`.
FILLED = ("dataset", "net", "job_id", "seed", "group", "final_error")


class Misplaced(Exception):
    """What was taken out of the text does not turn up where it should, or is needed after all."""


_JOBS = msgspec.json.Decoder(list[Job])
_ONE = msgspec.json.Decoder(Job)
_PLACE = re.compile(r"^(?P<reason>.*?) - at `\$(?:\[(?P<index>\d+)\])?(?:\.(?P<key>[^`]*))?`$", re.DOTALL)
_NO_OPTIM = Optim()
_OWN = {*VARIABLES, *COORDINATES}
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


_CURVES = {"train_ep_loss": "train_loss", "train_ep_top1": "train_error", "test_ep_top1": "test_error"}
_PARTS = attrgetter(*Job.__struct_fields__)
_SETTINGS = attrgetter("base_lr", "wd", "max_ep")
_FLOATS = msgspec.json.Decoder(list[float])


def add_jobs(
    columns: Columns,
    jobs: Sequence[Job],
    places: Sequence[int],
    *,
    curves: bool,
    group: str = "",
    cut: Shortened | None = None,
) -> None:
    """Append jobs to columns.

    Parameters
    ----------
    columns : Columns
    jobs : sequence of Job
    places : sequence of int
        Index of each job in its list.
    curves : bool
        Whether to keep the curves.
    group : str
        List of a reruns file that the jobs are in.
    cut : Shortened, optional
        What was taken out of the text before the jobs were decoded.

    Raises
    ------
    BadJob
        If a value makes no sense; nothing is appended then.
    Misplaced
        If the jobs have to be decoded again from the whole text; nothing is appended then.
    """
    if not jobs:
        return
    parts: dict[str, Any] = dict(zip(Job.__struct_fields__, zip(*map(_PARTS, jobs), strict=True), strict=True))
    optims = [optim or _NO_OPTIM for optim in parts["optim"]]
    rates, decays, epochs = zip(*map(_SETTINGS, optims), strict=True)
    nets = [bytes(net) for net in parts["net"]]
    lists = {key: _lists(parts[key], key, cut) for key in _CURVES}
    given = parts["extra"] if set(map(type, parts["extra"])) != {UnsetType} else ()
    if cut is not None:
        _check_cut(parts["min_test_top1"], nets, given, curves=curves)
    statuses = _statuses(parts["status"], lists["train_ep_loss"])
    rows: dict[str, Sequence[Any]] = {
        "params": _counts(parts["params"], "params"),
        "flops": _counts(parts["flops"], "flops"),
        "acts": _counts(parts["acts"], "acts"),
        "iter_time": _numbers(parts["iter_time"], "iter_time"),
        "seed": [seed or 0 for seed in parts["rng_seed"]],
        "job_id": ["" if name is None else str(name) for name in parts["job_id"]],
        "space": parts["space"],
        "dataset": parts["dataset"],
        "group": [group if own is None else own for own in parts["group"]],
        "lr": _numbers(rates, "optim.base_lr"),
        "weight_decay": _numbers(decays, "optim.wd"),
        "epochs": _numbers(epochs, "optim.max_ep"),
        "net": net_texts(nets),
        "status": statuses,
        "error": _errors(parts["min_test_top1"], lists["test_ep_top1"], statuses),
        "final_error": _final_errors(parts["final_test_top1"], lists["test_ep_top1"]),
    }
    tables = {name: curve_table(lists[key], key) for key, name in _CURVES.items()} if curves else {}
    rows |= _extras(given)
    if any(parts["empty"]):
        unknown = {"error": math.nan, "final_error": math.nan, "net": ""}
        rows |= {name: _emptied(rows[name], name, value, parts["empty"]) for name, value in unknown.items()}
    columns.append(rows, tables, places)
    if any(parts["absent"]):
        columns.absent.update(name for names in parts["absent"] if names for name in names if name in FILLED)
    if any(parts["empty"]):
        columns.empty.update(name for names in parts["empty"] if names for name in names)


def _emptied(values: Sequence[Any], name: str, unknown: Any, empty: Sequence[Sequence[str] | None]) -> list[Any]:
    """Values without those that a file of ours says are not known, whatever its curves are."""
    return [unknown if names and name in names else value for value, names in zip(values, empty, strict=True)]


def _lists(raws: Sequence[Raw], key: str, cut: Shortened | None) -> list[bytes]:
    """Text of each job's list of one kind, empty where it has none."""
    texts = [bytes(raw) for raw in raws]
    marks = cut.marks(key) if cut else []
    if not marks or cut is None:
        return texts
    if texts == marks:
        return cut.lists[key]
    if [text for text in texts if text] != marks:
        raise Misplaced
    following = iter(cut.lists[key])
    return [next(following) if text else b"" for text in texts]


def _check_cut(errors: Sequence[Any], nets: list[bytes], extras: Sequence[Any], *, curves: bool) -> None:
    if not curves and set(map(type, errors)) != {float}:
        raise Misplaced  # then the test errors are needed
    given = [extra for extra in extras if isinstance(extra, dict)]
    inner = b",".join([*nets, msgspec.json.encode(given)])
    if b'"train_' in inner or b'"test_ep_top1"' in inner:
        raise Misplaced  # a list of theirs was taken out


def _extras(extras: Sequence[Any]) -> dict[str, list[Any]]:
    for index, extra in enumerate(extras):
        if isinstance(extra, dict) and (own := sorted(_OWN & set(extra))):
            raise BadJob(index, f"extra.{own[0]}", f"{own[0]} is a variable of the data model; give yours another name")
    names = {name for extra in extras if isinstance(extra, dict) for name in extra}
    return {
        f"extra:{name}": [extra.get(name) if isinstance(extra, dict) else None for extra in extras]
        for name in sorted(names)
    }


def _counts(values: Sequence[Any], key: str) -> Sequence[int | None]:
    if float not in set(map(type, values)):
        return values
    whole = list(values)
    for index, value in enumerate(values):
        if isinstance(value, float):
            if not (0 <= value < 2**63 and value.is_integer()):
                raise BadJob(index, key, f"{value} is no count")
            whole[index] = int(value)
    return whole


def _numbers(values: Sequence[Any], key: str) -> Sequence[float]:
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


def _statuses(known: Sequence[str | None], losses: Sequence[bytes]) -> list[str]:
    """Published jobs name no status: a loss that is not a number tells the diverged ones."""
    diverged = {place for place in with_words(losses) if losses[place][:1] == b"["}
    return [status or ("diverged" if place in diverged else "ok") for place, status in enumerate(known)]


def _errors(values: Sequence[Any], lists: Sequence[bytes], statuses: Sequence[str]) -> Sequence[float]:
    if set(map(type, values)) == {float}:
        return values
    return [_error(value, lists[i], statuses[i], i) for i, value in enumerate(values)]


def _error(value: float | str | None, text: bytes, status: str, index: int) -> float:
    known = _number(value, index, "min_test_top1")
    if not math.isnan(known):
        return known
    finite = [v for v in one_curve(text, "test_ep_top1", index) if not math.isnan(v)]
    if finite:
        return min(finite)
    if status == "ok":
        raise BadJob(index, "min_test_top1", "missing, and there is no test_ep_top1 to take it from")
    return math.nan


def _final_errors(values: Sequence[Any], lists: Sequence[bytes]) -> Sequence[float]:
    if set(values) == {None}:
        joined = b"".join(lists)
        if b"," in joined:  # more than the last value of each
            joined = b"".join([b"[" + text[text.rfind(b",") + 1 :].lstrip(b"[") for text in lists])
        with suppress(msgspec.DecodeError):
            found = _FLOATS.decode(joined.replace(b"][", b","))
            if len(found) == len(lists) and min(found) >= 0 and max(found) <= 100:
                return found
    return [
        _last(lists[index], index) if value is None else _number(value, index, "final_test_top1")
        for index, value in enumerate(values)
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
