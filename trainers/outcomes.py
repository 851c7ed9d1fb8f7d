"""How a trial can end, and what its record says about where it ran."""

from __future__ import annotations

import math
import platform
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

__all__ = ["Stopped", "best", "clean", "provenance", "status_of"]


class Stopped(Exception):
    """A trial that ends before its last epoch, with a status for its record."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def status_of(error: BaseException) -> tuple[str, str]:
    """Status and message of a trial that ended by an exception.

    Examples
    --------
    >>> status_of(MemoryError())
    ('oom', 'out of memory')
    >>> status_of(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"))[0]
    'oom'
    >>> status_of(RuntimeError("sizes differ"))
    ('error', 'RuntimeError: sizes differ')
    """
    if isinstance(error, Stopped):
        return error.status, error.message
    text = str(error).strip().split("\n", 1)[0][:500]
    # Only the GPU's allocator has an exception of its own; the CPU's, Triton and CUDA's libraries say it in words.
    words = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in text for word in words):
        return "oom", text or "out of memory"
    return "error", f"{type(error).__name__}: {text}"


def best(errors: Sequence[float | None]) -> float | None:
    """Lowest of the errors that are known; None if none is."""
    known = [value for value in errors if value is not None]
    return min(known) if known else None


def clean(value: float, digits: int) -> float | None:
    """A finite number rounded for the record; None otherwise."""
    return round(value, digits) if math.isfinite(value) else None


def provenance(device: torch.device, **more: Any) -> dict[str, Any]:
    """Versions, host and device; what else is given is added."""
    try:
        ours = version("edfstat")
    except PackageNotFoundError:  # run from a copied folder
        ours = "unknown"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    # torch's version is a class of its own, which not every writer of JSON takes for text.
    return {
        "edfstat": ours, "torch": str(torch.__version__), "python": platform.python_version(),
        "host": socket.gethostname(), "device": f"{device} ({name})",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"), **more,
    }  # fmt: skip
