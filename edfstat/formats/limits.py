"""Bounds on what a file may ask of the machine: files come from anywhere."""

from __future__ import annotations

__all__ = ["MAX_JOB_BYTES", "MAX_MEMBERS", "MAX_RATIO", "MAX_TABLE_WASTE", "MAX_TOTAL_BYTES", "MAX_VALUE_BYTES"]

#: Text that holds one job at most; also the most text that is held in memory at once.
MAX_JOB_BYTES = 512 << 20

#: Text that one net may have.
MAX_VALUE_BYTES = 1 << 20

#: Files in an archive.
MAX_MEMBERS = 10_000

#: What an archive or a compressed file may unfold to, in bytes and per compressed byte (JSON text of curves
#: compresses about 5 to 1, at the very best some 100 to 1).
MAX_TOTAL_BYTES = 64 << 30
MAX_RATIO = 400

#: A table of curves has one row per model, as long as the longest: cells at most, per value really there.
MAX_TABLE_WASTE = 100
