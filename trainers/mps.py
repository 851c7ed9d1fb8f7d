"""NVIDIA's Multi-Process Service: kernels of several processes on one GPU at the same time, not in turns.

Needs no torch in the process that starts it, such as the worker of a sweep.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trainers.signals import signals_held

__all__ = ["SHARING", "shared_gpu"]

CONTROL = "nvidia-cuda-mps-control"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
VISIBLE = "CUDA_VISIBLE_DEVICES"
#: Set to 0 by who wants to do without, as a crash on the GPU ends all processes that share it.
CHOICE = "EDFSTAT_MPS"
#: What `shared_gpu` says where processes share their GPU.
SHARING = ("running", "started")
#: The GPUs that torch counts, in its order, which other tools need not have.
COUNT = "import torch; print(*(torch.cuda.get_device_properties(n).uuid for n in range(torch.cuda.device_count())))"


@contextlib.contextmanager
def shared_gpu(wanted: bool = True) -> Iterator[str]:
    """Let the processes started inside share their GPU through MPS, where the site allows it.

    A service that runs already is used and left alone; one started here, in a folder of its own, is ended
    afterwards. Without the service processes still share the GPU, taking turns. The environment variable EDFSTAT_MPS
    does without it where it is 0.

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
    if os.environ.get(CHOICE) == "0":
        yield f"{CHOICE} is 0"
        return
    if PIPES in os.environ or Path("/tmp/nvidia-mps/control").exists():
        yield "running"
        return
    control = shutil.which(CONTROL)
    if control is None:
        yield f"{CONTROL} is not on the PATH"
        return
    # Sockets have short names only, and TMPDIR may be a long one.
    with tempfile.TemporaryDirectory(prefix="mps-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        with _environment({PIPES: folder, LOGS: folder, **_by_identity()}):
            # It would end by the warning that a scheduler gives a job, when trials need it to save their work.
            with signals_held():
                problem = _asked([control, "-d"])
            if not problem and not _gpus():
                problem = f"{CONTROL} started, but shows no GPU"
            try:
                if not problem:
                    yield "started"
            finally:
                # Also where it seems not to have started, as it may only have been slow to say so.
                _asked([control], "quit\n")
        if problem:
            # What is not there is not looked for by the processes started now.
            yield problem


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _by_identity() -> dict[str, str]:
    """The visible GPUs by their UUIDs, where the site counts them.

    The service shows its processes only these, so that to them a number would mean another one, or none.
    """
    places = os.environ.get(VISIBLE, "").split(",")
    if not all(place.strip().isdecimal() for place in places):
        return {}
    found = _gpus()
    return {VISIBLE: ",".join(f"GPU-{uuid}" for uuid in found)} if found else {}


def _gpus() -> list[str]:
    """UUIDs of the GPUs that a process started now would see."""
    try:
        done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:  # as where the service takes no clients
        return []
    return done.stdout.split()


def _asked(command: list[str], text: str = "") -> str:
    """Run a command of the service; what went wrong, or nothing."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{CONTROL} failed ({error})"
    said = (done.stderr or done.stdout).strip()
    return f"{CONTROL} failed ({said or done.returncode})" if done.returncode else ""
