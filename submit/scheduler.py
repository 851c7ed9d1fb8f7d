"""What SLURM says: limits, the queue, accounting. Read only; submitting is submitit's business."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edfstat.errors import InputError
from submit.config import Config
from submit.directory import write_atomically

__all__ = [
    "Limits", "QueuedJob", "ask", "check_request", "flags", "forget", "queue", "read_limits", "sbatch_options",
    "slurm_is_here",
]  # fmt: skip

#: Seconds between two questions to the scheduler about one sweep, whoever asks.
PATIENCE = 60.0
TIMEOUT = 30
#: Seconds after which a busy controller is asked again, and what SLURM's commands print of one.
AGAIN = (1.0, 4.0)
BUSY = (
    "Socket timed out", "Unable to contact slurm controller", "Zero Bytes were transmitted or received",
    "Resource temporarily unavailable",
)  # fmt: skip
#: What they print where SLURM is installed but no cluster is known.
NOWHERE = "Could not establish a configuration source"


@dataclass(frozen=True)
class Limits:
    """Of the cluster, from ``scontrol show config``."""

    array: int
    jobs: int
    requeue: bool
    preempt_mode: str
    preempt_parameters: str
    version: str


@dataclass(frozen=True)
class QueuedJob:
    """One job or array task of the sweep that SLURM knows: ``state`` such as PENDING or RUNNING."""

    id: str
    state: str
    reason: str
    name: str


#: For each folder: when this process asked, what it was told, and whether the answer was written to the file. It counts
#: where the file could not be written, or where the file server's clock is minutes off.
_asked: dict[Path, tuple[float, list[QueuedJob] | None, bool]] = {}


class _NoCluster(InputError):
    """SLURM's programs are installed on a machine that belongs to no cluster."""


def slurm_is_here() -> bool:
    """Whether this machine can submit to SLURM."""
    return shutil.which("sbatch") is not None


def ask(*command: str, timeout: float = TIMEOUT, again: Sequence[float] = AGAIN) -> str:
    """What a SLURM command prints; asked once more after each of the waits `again` while the controller is busy.

    Raises
    ------
    InputError
        If it is not there, does not answer, or fails.
    """
    for wait in (*again, None):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except FileNotFoundError:
            raise InputError(
                f"{command[0]} is not on the PATH; run on a machine of the cluster, or use --cluster local"
            ) from None
        except subprocess.TimeoutExpired:
            raise InputError(f"{command[0]} did not answer in {timeout:g} s; is the SLURM controller up?") from None
        if not done.returncode:
            return done.stdout
        said = " ".join((done.stderr or done.stdout).split())
        if wait is None or not any(word in said for word in BUSY):
            break
        time.sleep(wait)
    if NOWHERE in said:
        raise _NoCluster(
            f"{command[0]} finds no cluster: {said}; run on a machine of the cluster, or use --cluster local"
        )
    raise InputError(f"{command[0]} failed: {said}")


def read_limits() -> Limits:
    """Limits of the cluster."""
    values = {}
    for line in ask("scontrol", "show", "config").splitlines():
        key, sign, value = line.partition("=")
        if sign:
            values[key.strip()] = value.strip()
    return Limits(
        array=int(values.get("MaxArraySize", "1001")),
        jobs=int(values.get("MaxJobCount", "10000")),
        requeue=values.get("JobRequeue", "1") == "1",
        preempt_mode=values.get("PreemptMode", "OFF"),
        preempt_parameters=values.get("PreemptParameters", ""),
        version=values.get("SLURM_VERSION", "unknown"),
    )


def sbatch_options(config: Config) -> dict[str, str | int | float | bool]:
    """The sweep's resources as long options of sbatch, without what submitit sets itself."""
    asked = config.resources
    options: dict[str, str | int | float | bool] = {"cpus-per-task": asked.cpus}
    for name in ("partition", "account", "qos"):
        value = getattr(asked, name)
        if value is not None:
            options[name] = value
    if asked.gpus:
        options["gpus-per-node"] = asked.gpus
    if asked.memory is not None:
        options["mem"] = f"{round(asked.memory * 1024)}M"
    # A flag that is false is one that is not given; sbatch takes no "--exclusive=False".
    more = {key.replace("_", "-"): value for key, value in asked.sbatch.items() if value is not False}
    return {**options, **more}


def flags(options: Mapping[str, str | int | float | bool]) -> list[str]:
    """Long options as words of a command line.

    Examples
    --------
    >>> flags({"mem": "4M", "exclusive": True})
    ['--mem=4M', '--exclusive']
    """
    return [f"--{key}" if value is True else f"--{key}={value}" for key, value in options.items()]


def check_request(config: Config) -> None:
    """Ask SLURM whether it would take a worker, without submitting one.

    Raises
    ------
    InputError
        With SLURM's reason: an unknown partition or account, resources that no node has.
    """
    options = {**sbatch_options(config), "time": round(config.resources.time), "nodes": 1}
    try:
        ask("sbatch", "--test-only", *flags(options), "--wrap", "true")
    except _NoCluster:
        raise
    except InputError as error:
        asked = ", ".join(f"{key}={value}" for key, value in options.items())
        remedy = "change resources"
        if "ubmit" in str(error):
            remedy += ", or wait until earlier jobs have ended"
        elif "node configuration" in str(error):  # which SLURM also says while the nodes that would do are down
            remedy += ", or wait for the nodes if sinfo shows that they are down"
        raise InputError(f"SLURM would not take a worker of this sweep ({asked}): {error}; {remedy}") from None


def queue(folder: Path, names: list[str], *, fresh: bool = False) -> list[QueuedJob] | None:
    """The jobs of a sweep that wait or run, in one question to the scheduler, at most once a minute.

    Parameters
    ----------
    folder : Path
        Where the last answer is kept, for every process that asks.
    names : list of str
        Job names of the sweep's launches.
    fresh : bool
        Ask now, because something is about to be submitted or cancelled.

    Returns
    -------
    list of QueuedJob, or None
        None if the scheduler does not answer at the moment.

    Raises
    ------
    InputError
        If it does not answer though that matters (`fresh`).
    """
    if not names:
        return []
    if not fresh:
        if (kept := _kept(folder / "queue.json")) is not None:
            return kept
        when, told, written = _asked.get(folder, (-PATIENCE, None, False))
        forgotten = written and not (folder / "queue.json").exists()
        if time.monotonic() - when < PATIENCE and not forgotten:
            return told
    try:
        text = ask(
            "squeue", "--noheader", "--array", f"--name={','.join(names)}", "--format=%i|%T|%r|%j",
            again=AGAIN if fresh else (),
        )  # fmt: skip
    except InputError:
        _asked[folder] = (time.monotonic(), None, False)
        if fresh:
            raise
        return None
    jobs = [QueuedJob(*line.strip().split("|", 3)) for line in text.splitlines() if line.count("|") >= 3]
    written = False
    with suppress(OSError):  # a full disk is no reason not to know, nor to ask more often
        write_atomically(folder / "queue.json", json.dumps([[j.id, j.state, j.reason, j.name] for j in jobs]))
        written = True
    _asked[folder] = (time.monotonic(), jobs, written)
    return jobs


def forget(folder: Path) -> None:
    """What the scheduler said before no longer holds: jobs were submitted."""
    _asked.pop(folder, None)
    (folder / "queue.json").unlink(missing_ok=True)


def _kept(path: Path) -> list[QueuedJob] | None:
    """The last answer, whoever asked, if it is not a minute old."""
    try:
        if abs(time.time() - path.stat().st_mtime) < PATIENCE:
            return [QueuedJob(*row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        pass
    return None
