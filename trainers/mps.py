"""NVIDIA's Multi-Process Service: kernels of several processes on one GPU at the same time, not in turns."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["shared_gpu"]

CONTROL = "nvidia-cuda-mps-control"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"


@contextlib.contextmanager
def shared_gpu(wanted: bool = True) -> Iterator[str]:
    """Let the processes started inside share their GPU through MPS, where the site allows it.

    A service that runs already is used and left alone; one started here, in a folder of its own, is ended
    afterwards. Without the service processes still share the GPU, taking turns.

    Parameters
    ----------
    wanted : bool, default True
        False: do nothing, which is what a CPU or a single process needs.

    Yields
    ------
    str
        ``running`` (there was one), ``started``, ``not wanted``, or why there is none.

    Examples
    --------
    >>> with shared_gpu(False) as state:
    ...     state
    'not wanted'
    """
    if not wanted:
        yield "not wanted"
        return
    if PIPES in os.environ or Path("/tmp/nvidia-mps/control").exists():
        yield "running"
        return
    control = shutil.which(CONTROL)
    if control is None:
        yield f"{CONTROL} is not on the PATH"
        return
    # Sockets have short names only, so the folder lies in the system's own place for such.
    with tempfile.TemporaryDirectory(prefix="mps-", ignore_cleanup_errors=True) as folder:
        place = {PIPES: folder, LOGS: folder}
        os.environ.update(place)
        problem = _asked([control, "-d"])
        try:
            if problem:
                # What is not there must not be looked for by the processes started now.
                _forget(place)
            yield problem or "started"
        finally:
            if not problem:
                _asked([control], "quit\n")
            _forget(place)


def _asked(command: list[str], text: str = "") -> str:
    """Run a command of the service; what went wrong, or nothing."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{CONTROL} failed ({error})"
    said = (done.stderr or done.stdout).strip()
    return f"{CONTROL} failed ({said or done.returncode})" if done.returncode else ""


def _forget(names: dict[str, str]) -> None:
    for name in names:
        os.environ.pop(name, None)
