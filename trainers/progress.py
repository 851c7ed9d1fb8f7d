"""What a training says while it runs: a line an epoch for people, the same as JSON on disk for programs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edfstat.errors import InputError, TrialInterrupted
from trainers.whole_files import replace_file

__all__ = ["Progress", "line"]

logger = logging.getLogger("trainers")


def line(row: dict[str, Any]) -> str:
    """One epoch in words.

    Examples
    --------
    >>> line({"epoch": 3, "epochs": 10, "train_loss": 0.8119, "train_error": 25.313, "test_error": 18.2,
    ...       "images_per_s": 4321.4, "remaining": 71.6})
    'epoch  3/10  loss 0.812  train 25.31 %  test 18.20 %  4,321 images/s  1:12 left'
    """
    width = len(str(row["epochs"]))
    seconds = round(row["remaining"])
    hours, minutes = divmod(seconds // 60, 60)
    left = f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"
    test = "  -  " if row["test_error"] is None else f"{row['test_error']:.2f} %"
    loss = "not finite" if row["train_loss"] is None else f"{row['train_loss']:.3f}"
    return (
        f"epoch {row['epoch']:>{width}}/{row['epochs']}  loss {loss}  train {row['train_error']:.2f} %  test {test}  "
        f"{row['images_per_s']:,.0f} images/s  {left} left"
    )


class Progress:
    """Writes rows to ``progress.jsonl`` of a directory and lines to a listener.

    Parameters
    ----------
    directory : Path or None
    listener : callable or None
        Gets each line. Default: the logger ``trainers``, level INFO.
    done : int
        Epochs that a checkpoint holds already; rows beyond them are of a run that was lost.
    """

    def __init__(self, directory: Path | None, listener: Callable[[str], None] | None, done: int = 0) -> None:
        self.path = None if directory is None else directory / "progress.jsonl"
        self.listener: Callable[[str], object] | None = listener or logger.info
        try:
            if self.path is not None and self.path.exists():
                _keep(self.path, done)
        except OSError as error:
            self._give_up("path", error)

    def __call__(self, row: dict[str, Any]) -> None:
        """Report one epoch; whoever cannot take it is left out from then on, and the training goes on."""
        try:
            if self.listener is not None:
                self.listener(line(row))
        except (TrialInterrupted, InputError):
            raise
        except Exception as error:
            self._give_up("listener", error)
        try:
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as out:
                    out.write(json.dumps({**row, "time": round(time.time(), 3)}) + "\n")
        except OSError as error:
            self._give_up("path", error)

    def _give_up(self, name: str, error: Exception) -> None:
        what = "the listener" if name == "listener" else self.path
        logger.warning("%s takes no more progress (%s: %s); the training goes on", what, type(error).__name__, error)
        setattr(self, name, None)


def _keep(path: Path, done: int) -> None:
    """Leave the rows of the epochs that are done."""
    # A row that the disk damaged is none.
    kept = [text for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if _epoch(text) <= done]
    replace_file(path, lambda part: part.write_text("".join(f"{text}\n" for text in kept), encoding="utf-8"))


def _epoch(text: str) -> float:
    try:
        return float(json.loads(text)["epoch"])
    except (ValueError, KeyError, TypeError):  # a line torn by a crash
        return float("inf")
