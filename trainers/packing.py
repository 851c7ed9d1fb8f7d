"""Several trials at once on one device: each in a process of its own, so that one crash costs one trial."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from edfstat.errors import InputError
from edfstat.records import make_record
from edfstat.trials import Trial
from trainers import devices
from trainers.loop import train
from trainers.mps import shared_gpu

__all__ = ["automatic_workers", "train_many"]

#: Memory of a GPU that one small trial takes with its CUDA context, in bytes (estimated, not measured).
GPU_BYTES = 3 * 2**30


def automatic_workers(device: str = "auto") -> int:
    """How many trials to run side by side: one per core, on a GPU as many as its free memory holds, at most 8."""
    cores = len(os.sched_getaffinity(0))
    where = devices.pick(device)
    if where.type == "cpu":
        return cores
    free, _ = torch.cuda.mem_get_info(where)
    return max(1, min(8, cores, free // GPU_BYTES))


def train_many(
    trials: Sequence[Trial],
    *,
    device: str = "auto",
    workers: int | None = None,
    directory: str | PathLike[str] | None = None,
    **options: Any,
) -> Iterator[dict[str, Any]]:
    """Train trials side by side and yield their records as they end.

    Parameters
    ----------
    trials : sequence of Trial
    device : str, default "auto"
        All trials share it: on a GPU through NVIDIA's MPS where the site allows it, else by taking turns.
    workers : int, optional
        Trials at a time. Default: `automatic_workers`.
    directory : path, optional
        Each trial gets the folder of its id below it.
    **options
        For `train`, such as `precision` and `time_limit`.

    Yields
    ------
    dict
        Records, in the order in which the trials end. A process that dies gives a record of status ``error``.

    Raises
    ------
    InputError
        If `workers` is not a whole number from 1, or a trial makes no sense.
    """
    number = automatic_workers(device) if workers is None else workers
    if not isinstance(number, int) or number < 1:
        raise InputError(f"workers is {workers!r}; give a whole number from 1")
    context = multiprocessing.get_context("spawn")
    shares = number > 1 and devices.pick(device).type == "cuda"
    with shared_gpu(shares), ProcessPoolExecutor(max_workers=number, mp_context=context) as pool:
        running = {}
        for trial in trials:
            folder = None if directory is None else str(Path(directory) / trial.id)
            running[pool.submit(train, _plain(trial), device=device, directory=folder, **options)] = trial
        for future in as_completed(running):
            try:
                yield future.result()
            except BrokenProcessPool as error:
                yield make_record(running[future], status="error", message=f"its process died ({error})")


def _plain(trial: Trial) -> Trial:
    return Trial.from_dict(trial.to_dict())
