"""The published result files: a JSON list of jobs, or an object with the lists of repeated trainings.

A file is read in pieces of some megabytes, cut between two jobs, so that memory holds one piece of text at a
time. Whether a cut is right needs no guess: the text before it, closed by a bracket, is a JSON list exactly if
the cut lies between two entries of the outer list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edfstat.errors import FormatError
from edfstat.formats.columns import Columns
from edfstat.formats.curves import BadJob
from edfstat.formats.jobs import Misplaced, add_jobs, decode_job, decode_jobs, tolerant
from edfstat.formats.limits import MAX_JOB_BYTES
from edfstat.formats.shortening import shortened
from edfstat.formats.sources import Source, Stream

__all__ = ["Reading", "read_published"]

PIECE = 1 << 20
_LISTS = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPACE = b" \t\r\n"


@dataclass
class Reading:
    """What is asked of a reader, and what it found besides the models."""

    curves: bool = False
    skip: bool = False
    skipped: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


def read_published(source: Source, stream: Stream, reading: Reading) -> dict[str, Any]:
    """Columns of a published file.

    Raises
    ------
    FormatError
        Naming the file and, where one job is at fault, its index and key.
    """
    columns = Columns()
    head = stream.read(PIECE).removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)
    if head[:1] == b"[":
        _read_list(source, stream, head[1:], columns, reading)
    elif head[:1] == b"{":
        _read_reruns(source, head + stream.read_all(MAX_JOB_BYTES), columns, reading)
    else:
        found = head[:20].decode(errors="replace") or "nothing"
        raise FormatError(f"{source.label} is no results file: it starts with {found!r}, not with a list of jobs")
    if not columns.count:
        why = f"; all {len(reading.skipped)} were left out" if reading.skipped else ""
        raise FormatError(f"{source.label} holds no jobs{why}; a population needs at least one model")
    return columns.finish(source.label)


def _read_list(source: Source, stream: Stream, text: bytes, columns: Columns, reading: Reading) -> None:
    first = text[: text.find(b":") + 1].lstrip(_SPACE)
    index, size, ended = 0, PIECE, False
    while not ended:
        more = b"" if len(text) >= size else stream.read(size - len(text))
        ended = len(text) < size and not more
        text += more
        cut = len(text) if ended else _cut(text, first)
        piece = b"[" + text if ended else b"".join((b"[", memoryview(text)[:cut], b"]"))
        try:
            if cut:
                index = _add_list(source, piece, columns, reading, index)
        except msgspec.DecodeError as error:
            if ended or not _may_be_wrong_cut(str(error), len(piece)):
                raise FormatError(
                    f"{source.label} is broken JSON at or after job {index}: {error}; get the file again"
                ) from None
            cut = 0
        if ended:
            return
        if cut:
            text, size = text[cut:].lstrip(_SPACE).removeprefix(b","), PIECE
        elif len(text) >= MAX_JOB_BYTES:
            raise FormatError(f"{source.label}: job {index} has more than {MAX_JOB_BYTES >> 20} MB of text")
        else:
            size = 2 * max(size, len(text))


def _cut(text: bytes, first: bytes) -> int:
    """Where the last job that is there in full ends, or 0: before ``, {"first key":``."""
    place = len(text)
    while (place := text.rfind(first or b"{", 0, place)) > 0:
        before = text[max(0, place - 200) : place].rstrip(_SPACE)
        if before.endswith(b",") and before[:-1].rstrip(_SPACE).endswith(b"}"):
            return place - (len(text[max(0, place - 200) : place]) - len(before)) - 1
    return 0


def _may_be_wrong_cut(complaint: str, length: int) -> bool:
    """A wrong cut leaves something open, so it shows at the very end."""
    return "truncated" in complaint or f"(byte {length - 1})" in complaint


def _add_list(source: Source, text: bytes, columns: Columns, reading: Reading, start: int, *, group: str = "") -> int:
    """Append the jobs of one list; the index of the job after them."""
    try:
        count = _add_shortened(text, columns, reading, group)
        if count is None:
            jobs = decode_jobs(text)
            add_jobs(columns, jobs, curves=reading.curves, group=group)
            count = len(jobs)
        return start + count
    except BadJob as bad:
        if not reading.skip:
            raise FormatError(complaint(source, start + bad.index, bad, group)) from None
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None
    raws = tolerant(_LISTS.decode, text)
    for offset, raw in enumerate(raws):
        try:
            add_jobs(columns, [decode_job(bytes(raw))], curves=reading.curves, group=group)
        except BadJob as bad:
            reading.skipped.append(complaint(source, start + offset, bad, group))
    return start + len(raws)


def _add_shortened(text: bytes, columns: Columns, reading: Reading, group: str) -> int | None:
    """Append the jobs of one list without decoding what is not needed; None if that cannot be."""
    cut = shortened(text, curves=reading.curves)
    try:
        jobs = decode_jobs(cut.text)
        add_jobs(columns, jobs, curves=reading.curves, group=group, cut=cut)
    except (BadJob, Misplaced):
        return None
    return len(jobs)


def complaint(source: Source, index: int, bad: BadJob, group: str = "") -> str:
    """What is wrong with one job, and the way out."""
    where = f"job {index}" + (f" of {group!r}" if group else "")
    key = f", key '{bad.key}'" if bad.key else ""
    return f"{source.label}: {where}{key}: {bad.reason}; correct it, or pass errors='skip' to leave such jobs out"


def _read_reruns(source: Source, text: bytes, columns: Columns, reading: Reading) -> None:
    try:
        lists = tolerant(_OBJECT.decode, text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"{source.label} is broken JSON: {error}; get the file again") from None
    if set(lists) != {"top", "mid"}:
        keys = json.dumps(sorted(lists)[:8], ensure_ascii=False)
        raise FormatError(
            f"{source.label} is an object with the keys {keys}; a results file is a list of jobs, or an object "
            "with the lists 'top' and 'mid'"
        )
    for group, raw in lists.items():
        try:
            _add_list(source, bytes(raw), columns, reading, 0, group=group)
        except msgspec.DecodeError as error:
            raise FormatError(f"{source.label}: list {group!r} is broken JSON: {error}; get the file again") from None
