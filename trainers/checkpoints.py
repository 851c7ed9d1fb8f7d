"""Checkpoints: written whole or not at all, and read as tensors and plain values only."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from edfstat.errors import InputError
from trainers import outcomes
from trainers.whole_files import replace_file

__all__ = ["CheckpointError", "DamagedCheckpoint", "checkpoint_path", "load", "save"]

FORMAT = "edfstat checkpoint 3"
#: The one before held whole epochs only, and is read as well.
READ = ("edfstat checkpoint 2", FORMAT)


class CheckpointError(InputError):
    """A checkpoint is damaged, of another format, or of another trial."""


class DamagedCheckpoint(CheckpointError):
    """A checkpoint that cannot be read as tensors and plain values: cut short, or never one."""


def checkpoint_path(directory: Path) -> Path:
    """Where the checkpoint of the trial in `directory` lies."""
    return directory / "checkpoint.pt"


def save(path: Path, *, trial_id: str, state: dict[str, Any]) -> None:
    """Write a checkpoint.

    Parameters
    ----------
    path : Path
    trial_id : str
        Whose it is.
    state : dict
        Tensors, and plain values of any nesting.

    Raises
    ------
    OSError
        If it cannot be written: then what was there before still is.
    """
    # By way of the memory, as torch does not say so if a disk is full.
    content = io.BytesIO()
    torch.save({"format": FORMAT, "trial_id": trial_id, "state": state}, content)
    replace_file(path, lambda part: part.write_bytes(content.getbuffer()))


def load(path: Path, *, trial_id: str) -> dict[str, Any] | None:
    """Read a checkpoint, on the CPU.

    Parameters
    ----------
    path : Path
    trial_id : str
        Whose it must be.

    Returns
    -------
    dict or None
        The state that `save` was given; None if there is no checkpoint.

    Raises
    ------
    CheckpointError
        If it is damaged, cannot be read or is not of this trial; the message says which.
    """
    if not path.exists():
        return None
    try:
        # torch does not look at the checksums of what it reads.
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise zipfile.BadZipFile(f"{broken} is not what was written")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:  # set aside in the meantime by another process of the trial
        return None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); try again, or delete it") from None
    except Exception as error:
        if outcomes.status_of(error)[0] == "oom":
            raise
        reason = str(error).split("\n", 1)[0][:200]
        raise DamagedCheckpoint(f"{path} is damaged or holds more than tensors ({reason}); delete it") from None
    if not isinstance(content, dict) or content.get("format") not in READ:
        raise CheckpointError(f"{path} is not a checkpoint of this program ({FORMAT!r}); delete or move it")
    if content.get("trial_id") != trial_id:
        raise CheckpointError(
            f"{path} belongs to trial {str(content.get('trial_id'))[:12]}, not {trial_id[:12]}; "
            "give each trial a directory of its own"
        )
    state = content.get("state")
    if not isinstance(state, dict):
        raise DamagedCheckpoint(f"{path} is damaged (it holds no state); delete it")
    return state
