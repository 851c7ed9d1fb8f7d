"""The folder of a trial: made before it is trained, and left with its record."""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from edfstat.errors import InputError
from edfstat.trials import Trial
from trainers.checkpoints import checkpoint_path
from trainers.whole_files import remove_parts, replace_file

__all__ = ["finished", "leave", "make", "seconds"]

logger = logging.getLogger("trainers")


def make(folder: Path) -> None:
    """Make the trial's folder, and see that it can be written to before anything is trained.

    Raises
    ------
    InputError
        If it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"directory {folder} cannot be written to ({error}); give another one") from None


def leave(record: dict[str, Any], folder: Path) -> None:
    """Write the record to the trial's folder; what is done needs no checkpoint."""
    text = json.dumps(record, allow_nan=False)
    try:
        replace_file(folder / "record.json", lambda part: part.write_text(text, encoding="utf-8"))
    except OSError as error:
        # The caller has it still, and the checkpoint stays.
        logger.warning("%s cannot be written (%s); the record is returned only", folder / "record.json", error)
        return
    if record["status"] in ("ok", "diverged"):
        with contextlib.suppress(OSError):
            checkpoint_path(folder).unlink(missing_ok=True)


def finished(folder: Path, trial: Trial) -> dict[str, Any] | None:
    """The record that an earlier run of the same trial left, unless an accident ended it.

    Raises
    ------
    InputError
        If it is another trial's.
    """
    record = _record(folder)
    if record is None:
        return None
    if not isinstance(record, dict) or record.get("trial_id") != trial.id:
        raise InputError(f"{folder} holds the record of another trial; give each trial a directory of its own")
    return record if record.get("status") in ("ok", "diverged") else None


def seconds(folder: Path, trial: Trial) -> float:
    """Seconds of training in an earlier run of the trial that an accident ended, such as its time limit; else 0."""
    record = _record(folder)
    if not isinstance(record, dict) or record.get("trial_id") != trial.id:
        return 0.0
    provenance = record.get("provenance")
    spent = provenance.get("seconds") if isinstance(provenance, dict) else None
    return float(spent) if isinstance(spent, int | float) else 0.0


def _record(folder: Path) -> Any:
    """What ``record.json`` holds; None if it cannot be read."""
    try:
        return json.loads((folder / "record.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
