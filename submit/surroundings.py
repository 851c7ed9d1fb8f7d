"""Where a worker finds itself, for itself and for its records: job, log, host, device, environment of its trials."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from submit.directory import PlannedTrial, Sweep

__all__ = [
    "LAUNCHER_GPUS", "add_sizes", "child_environment", "device", "job_id", "log_name", "on_slurm", "origin",
    "show_gpus",
]  # fmt: skip

#: The launcher's CUDA_VISIBLE_DEVICES, in place of which submitit gives local workers its own.
LAUNCHER_GPUS = "EDFSTAT_LAUNCHER_GPUS"


def child_environment(sweep: Sweep) -> dict[str, str]:
    """Environment of the process in which trials run: the code of the launch, and its share of the cores."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SUBMITIT_")}
    threads = str(max(1, sweep.config.resources.cpus // sweep.config.trials_per_worker))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = threads
    # Of the torch backend; here a machine may have fewer cores than the cluster that the sweep was written for.
    environment.setdefault("EDFSTAT_THREADS", str(min(int(threads), len(os.sched_getaffinity(0)))))
    code = sweep.path / "code"
    if code.is_dir():
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(code), environment.get("PYTHONPATH", "")]))
        environment["PYTHONSAFEPATH"] = "1"
    return environment


def show_gpus() -> None:
    """Undo that submitit's local executor hides every GPU: workers see those that their launcher saw."""
    if os.environ.get("SUBMITIT_EXECUTOR") != "local":
        return
    seen = os.environ.get(LAUNCHER_GPUS)
    if seen is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = seen


def job_id() -> str:
    """Name of this job as its scheduler knows it, empty if there is none."""
    if not on_slurm():
        return os.environ.get("SUBMITIT_LOCAL_JOB_ID", "")
    if os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID", "")


def on_slurm() -> bool:
    """Whether this worker is a job of SLURM's; a local one may run inside of somebody's allocation."""
    return os.environ.get("SUBMITIT_EXECUTOR") == "slurm"


def log_name() -> str:
    """The log of this job, within the sweep directory."""
    return f"logs/{job_id()}_0_log.out" if job_id() else ""


def origin() -> dict[str, Any]:
    """Where and when a record is written, for its provenance."""
    return {"job": job_id(), "host": socket.gethostname(), "log": log_name(), "ended": round(time.time(), 3)}


def add_sizes(record: dict[str, Any], planned: PlannedTrial) -> None:
    """Add the network's size as planned where the backend does not say it."""
    for name in ("params", "flops", "acts"):
        if record.get(name) is None and getattr(planned, name) is not None:
            record[name] = getattr(planned, name)


def device(sweep: Sweep, index: int, slot: int) -> str:
    """Device of a trial: of the launch's worker of that number, in its place of that number.

    SLURM shows each worker GPUs of its own, and here workers take turns; so do the places of a worker of several GPUs.
    """
    gpus = sweep.config.resources.gpus
    if on_slurm():  # where GPUs may also have been asked for by another of sbatch's parameters
        return f"cuda:{slot % gpus}" if gpus > 1 else "auto"
    count = _gpus_here()
    return f"cuda:{(index * gpus + slot % gpus) % count}" if gpus and count > 1 else "auto"


def _gpus_here() -> int:
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is None:
        return len(list(Path("/dev").glob("nvidia[0-9]*")))
    return len([name for name in shown.split(",") if name.strip()])
