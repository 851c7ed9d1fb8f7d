"""How far running trials are, from the line that they write after each epoch."""

from __future__ import annotations

import os
from dataclasses import dataclass

import msgspec

from submit.directory import Sweep

__all__ = ["Headway", "headway"]

#: Bytes at the end of a file in which its last line lies.
TAIL = 4096


class _Row(msgspec.Struct):
    epoch: int
    epochs: int
    elapsed: float


@dataclass(frozen=True)
class Headway:
    """Epochs of a trial that are done, of how many, in how many seconds."""

    epoch: int
    epochs: int
    seconds: float

    @property
    def share(self) -> float:
        return self.epoch / self.epochs


def headway(sweep: Sweep, trial_id: str) -> Headway | None:
    """How far a trial is; None where nothing tells, as backends need not write it."""
    try:
        with (sweep.path / "checkpoints" / trial_id / "progress.jsonl").open("rb") as file:
            file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            row = msgspec.json.decode(file.read().splitlines()[-1], type=_Row)
    except (OSError, IndexError, msgspec.MsgspecError):
        return None
    whole = 0 < row.epoch <= row.epochs and row.elapsed > 0
    return Headway(row.epoch, row.epochs, row.elapsed) if whole else None
