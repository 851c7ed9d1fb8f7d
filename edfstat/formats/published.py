"""The published result files: a JSON list of jobs, or an object with the lists of repeated trainings.

A file is read in pieces of some megabytes, cut between two jobs, so that memory holds one piece of text at a
time. Whether a cut is right needs no guess: the text before it, closed by a bracket, is a JSON list exactly if
the cut lies between two entries of the outer list.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from contextlib import suppress
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

__all__ = ["PIECE", "Reading", "complaint", "read_published"]

PIECE = 1 << 20
_LISTS = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPACE = b" \t\r\n"
_FIRST_LIST = re.compile(rb'\{\s*"(top|mid)"\s*:\s*\[')
_NEXT_LIST = re.compile(rb'\]\s*,\s*"(top|mid)"\s*:\s*\[')


@dataclass
class Reading:
    """What is asked of a reader, and what it found besides the models."""

    curves: bool = False
    skip: bool = False
    tables: int = 0
    skipped: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Piece:
    """JSON text of a list of jobs: the first `stop` letters, and what closes them."""

    text: bytes
    stop: int
    closing: bytes = b""

    def whole(self) -> bytes:
        return self.text[: self.stop] + self.closing


def read_published(source: Source, stream: Stream, reading: Reading) -> dict[str, Any]:
    """Columns of a published file.

    Raises
    ------
    FormatError
        Naming the file and, where one job is at fault, its index and key.
    """
    columns = Columns()
    head = stream.read(PIECE).removeprefix(BOM_UTF8).lstrip(_SPACE)
    if head[:1] == b"[":
        _read_lists(source, stream, head, columns, reading)
    elif opening := _FIRST_LIST.match(head):
        _read_lists(source, stream, b"[" + head[opening.end() :], columns, reading, opening[1].decode())
    elif head[:1] == b"{":
        raise _other_object(source) or FormatError(f"{source.label} is broken JSON; get the file again")
    else:
        if not head:
            raise FormatError(f"{source.label} is empty; get the file again")
        found = head[:20].decode(errors="replace")
        raise FormatError(
            f"{source.label} is no results file: it starts with {found!r}, not with a list of jobs; "
            "formats are told by the ends of names, such as .csv for a table"
        )
    if reading.skip:
        reading.skipped += columns.without_partial_counts(source.label)
    if not columns.count:
        why = f"; all {len(reading.skipped)} were left out" if reading.skipped else ""
        raise FormatError(f"{source.label} holds no jobs{why}; a population needs at least one model")
    return columns.finish(source.label)


def _read_lists(
    source: Source, stream: Stream, text: bytes, columns: Columns, reading: Reading, group: str = ""
) -> None:
    """Append all jobs: of one list, or of the lists of an object, of which `group` is the first."""
    first = text[1 : text.find(b":") + 1].lstrip(_SPACE)
    index, size, groups = 0, PIECE, [group]
    while True:
        more = b"" if len(text) >= size else stream.read(size - len(text))
        ended = len(text) < size and not more
        text += more
        piece = _rest(text, groups[-1]) if ended else _Piece(text, _cut(text, first), b"]")
        try:
            if piece.stop > 1:
                index = _add_list(source, piece, columns, reading, index, group=groups[-1])
        except msgspec.DecodeError as error:
            end = _end_of_list(source, text, columns, reading, index, groups[-1]) if groups[-1] else None
            if end:
                text, index, size = b"[" + text[end.end() :], 0, PIECE
                groups.append(end[1].decode())
                continue
            if ended or not _may_be_wrong_cut(str(error), piece.stop + len(piece.closing)):
                raise _broken(source, index, groups[-1], error) from None
            piece = _Piece(text, 0)
        if ended:
            break
        if piece.stop > 1:
            text, size = b"[" + text[piece.stop :].lstrip(_SPACE).removeprefix(b","), PIECE
        elif len(text) >= MAX_JOB_BYTES:
            raise FormatError(f"{source.label}: job {index} has more than {MAX_JOB_BYTES >> 20} MB of text")
        else:
            size = 2 * max(size, len(text))
    if group and sorted(groups) != ["mid", "top"]:
        raise _unknown_keys(source, groups)


def _rest(text: bytes, group: str) -> _Piece:
    """The last piece; the brace that closes the object around lists is no part of it."""
    stop = len(text.rstrip(_SPACE))
    return _Piece(text, stop - (bool(group) and text[:stop].endswith(b"}")))


def _end_of_list(
    source: Source, text: bytes, columns: Columns, reading: Reading, index: int, group: str
) -> re.Match[bytes] | None:
    """Append the last jobs of a list that ends in this text; where the next list starts."""
    for found in _NEXT_LIST.finditer(text):
        with suppress(msgspec.DecodeError):
            _add_list(source, _Piece(text, found.start() + 1), columns, reading, index, group=group)
            return found
    return None


def _broken(source: Source, index: int, group: str, error: Exception) -> FormatError:
    where = f"job {index}" + (f" of {group!r}" if group else "")
    other = _other_object(source) if group else None
    return other or FormatError(f"{source.label} is broken JSON at or after {where}: {error}; get the file again")


def _other_object(source: Source) -> FormatError | None:
    """What to say of an object that holds something else, if it is JSON at all."""
    with source.open() as again:
        text = again.read_all(MAX_JOB_BYTES).removeprefix(BOM_UTF8)
    try:
        keys = set(tolerant(_OBJECT.decode, text))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return _unknown_keys(source, keys)


def _unknown_keys(source: Source, keys: Iterable[str]) -> FormatError:
    shown = json.dumps(sorted(keys)[:8], ensure_ascii=False)
    return FormatError(
        f"{source.label} is an object with the keys {shown}; a results file is a list of jobs, or an object "
        "with the lists 'top' and 'mid'"
    )


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


def _add_list(source: Source, piece: _Piece, columns: Columns, reading: Reading, start: int, *, group: str) -> int:
    """Append the jobs of one list; the index of the job after them."""
    try:
        count = _add_shortened(piece, columns, reading, start, group)
        if count is None:
            jobs = decode_jobs(piece.whole())
            count = len(jobs)
            add_jobs(columns, jobs, range(start, start + count), curves=reading.curves, group=group)
        return start + count
    except BadJob as bad:
        if not reading.skip:
            raise FormatError(complaint(source, start + bad.index, bad, group)) from None
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None
    raws = tolerant(_LISTS.decode, piece.whole())
    for offset, raw in enumerate(raws):
        try:
            add_jobs(columns, [decode_job(bytes(raw))], [start + offset], curves=reading.curves, group=group)
        except BadJob as bad:
            reading.skipped.append(complaint(source, start + offset, bad, group))
    return start + len(raws)


def _add_shortened(piece: _Piece, columns: Columns, reading: Reading, start: int, group: str) -> int | None:
    """Append the jobs of one list without decoding what is not needed; None if that cannot be."""
    cut = shortened(piece.text, curves=reading.curves, stop=piece.stop, closing=piece.closing)
    try:
        jobs = decode_jobs(cut.text)
        places = range(start, start + len(jobs))
        add_jobs(columns, jobs, places, curves=reading.curves, group=group, cut=cut)
    except (BadJob, Misplaced, msgspec.DecodeError):  # the whole text tells what is wrong with it, if anything is
        return None
    return len(jobs)


def complaint(source: Source, index: int, bad: BadJob, group: str = "") -> str:
    """What is wrong with one job, and the way out."""
    where = f"job {index}" + (f" of {group!r}" if group else "")
    key = f", key '{bad.key}'" if bad.key else ""
    return f"{source.label}: {where}{key}: {bad.reason}; correct it, or pass errors='skip' to leave such jobs out"
