"""Our own records: one JSON object a line, appended by workers that may be killed at any moment, or one alone."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Any

import msgspec

from edfstat.errors import FormatError
from edfstat.formats.columns import Columns
from edfstat.formats.curves import BadJob
from edfstat.formats.jobs import Job, add_jobs, decode_job
from edfstat.formats.limits import MAX_JOB_BYTES
from edfstat.formats.published import PIECE, Reading, complaint
from edfstat.formats.sources import Source, Stream

__all__ = ["read_record", "read_record_lines"]


def read_record_lines(source: Source, stream: Stream, reading: Reading) -> dict[str, Any] | None:
    """Columns of a file of records, or None if it adds none.

    A torn last line (no line end, no JSON: its writer was killed) is left out and noted. Of several records of one
    trial the first counts, so that a file adds nothing if all of its trials were read before, from another worker's.
    A file that was found in a folder may hold nothing at all: its writer was killed before its first record.

    Raises
    ------
    FormatError
        Naming the file, the record's index and its key.
    """
    columns, index, rest, ended, repeats = Columns(), 0, b"", False, 0
    while not ended:
        more = stream.read(PIECE)
        ended = not more
        if not stream.size - len(more):  # some editors begin UTF-8 with a mark
            more = more.removeprefix(BOM_UTF8)
        *lines, rest = (rest + more).split(b"\n")
        if len(rest) > MAX_JOB_BYTES:
            raise FormatError(f"{source.label}: record {index + len(lines)} has more than {MAX_JOB_BYTES >> 20} MB")
        jobs: list[tuple[int, Job]] = []
        for line in [*lines, *([rest] if ended else [])]:
            if not line.strip():
                continue
            job = _decode(source, line, index, reading, torn=ended and line is rest)
            if job is not None and _is_new(job, reading):
                jobs.append((index, job))
            elif job is not None:
                repeats += 1
            index += 1
        _add(source, columns, jobs, reading)
    return _finished(source, columns, reading, repeats)


def read_record(source: Source, stream: Stream, reading: Reading) -> dict[str, Any] | None:
    """Columns of a file of one record, as training leaves it, or None if it was read before.

    Raises
    ------
    FormatError
        Naming the file and the record's key.
    """
    columns = Columns()
    text = stream.read_all(MAX_JOB_BYTES).removeprefix(BOM_UTF8)
    job = _decode(source, text, 0, reading, torn=False)
    new = job is not None and _is_new(job, reading)
    _add(source, columns, [(0, job)] if job is not None and new else [], reading)
    return _finished(source, columns, reading, repeats=int(job is not None and not new))


def _finished(source: Source, columns: Columns, reading: Reading, repeats: int) -> dict[str, Any] | None:
    if reading.skip:
        reading.skipped += columns.without_partial_counts(source.label)
    if columns.count:
        return columns.finish(source.label)
    if source.named and not repeats:
        raise FormatError(f"{source.label} holds no records; a population needs at least one model")
    return None


def _is_new(job: Job, reading: Reading) -> bool:
    if not job.trial_id:
        return True
    if job.trial_id in reading.seen:
        reading.skipped.append(f"trial {job.trial_id}: recorded more than once; the first record counts")
        return False
    reading.seen.add(job.trial_id)
    return True


def _decode(source: Source, line: bytes, index: int, reading: Reading, *, torn: bool) -> Job | None:
    try:
        return decode_job(line)
    except BadJob as bad:
        said = complaint(source, index, bad)
    except msgspec.DecodeError as error:
        said = f"{source.label}: record {index} is broken JSON: {error}; correct the line, or pass errors='skip'"
        if torn:
            reading.skipped.append(said)
            return None
    if not reading.skip:
        raise FormatError(said)
    reading.skipped.append(said)
    return None


def _add(source: Source, columns: Columns, indexed: list[tuple[int, Job]], reading: Reading) -> None:
    try:
        add_jobs(columns, [job for _, job in indexed], [index for index, _ in indexed], curves=reading.curves)
        return
    except BadJob as bad:
        if not reading.skip:
            raise FormatError(complaint(source, indexed[bad.index][0], bad)) from None
    for index, job in indexed:
        try:
            add_jobs(columns, [job], [index], curves=reading.curves)
        except BadJob as bad:
            reading.skipped.append(complaint(source, index, bad))
