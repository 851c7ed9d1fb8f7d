"""Starting workers through submitit: arrays on SLURM, processes here, or this process for debugging."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from re import fullmatch
from typing import Any, Literal
from uuid import uuid4

import msgspec
import submitit
from submitit.core.utils import FailedJobError

from edfstat.errors import InputError
from submit import scheduler
from submit.directory import Sweep, write_atomically
from submit.job import Worker
from submit.presence import is_alive, machine, process_start
from submit.surroundings import LAUNCHER_GPUS

__all__ = [
    "Cluster",
    "Launch",
    "active_launches",
    "check_place",
    "launch",
    "launches",
    "living_workers",
    "start_here",
    "starting",
    "stop",
]

Cluster = Literal["slurm", "local", "debug"]
#: Seconds after which a local worker without any sign of life is given up: one whose process is seen to live, as many
#: at a time take minutes to import what they need; and one whose process cannot be seen from here.
SHOWN, UNSEEN = 900, 20
#: Requeues that submitit may count as time-outs: a worker comes back as long as there is work.
REQUEUES = 100_000


class Launch(msgspec.Struct):
    """One launch of workers, as kept in launches/ID.json."""

    id: str
    cluster: str
    workers: int
    by: str
    machine: str
    pid: int
    started: int
    created: float
    jobs: list[str] = []
    state: str = "submitting"
    #: Number of the folder of launches in its file system, and its path: where both are others, this is a copy of the
    #: sweep, and the launch is not its own.
    folder: int = 0
    path: str = ""

    @property
    def job_name(self) -> str:
        return f"edfstat-{self.id}"


def launches(sweep: Sweep) -> list[Launch]:
    """Every launch so far, oldest first."""
    found = []
    files = (sweep.path / "launches").glob("[0-9]*.json")
    for path in sorted(files, key=lambda path: (len(path.name), path.name)):  # the thousandth has a digit more
        with suppress(OSError, msgspec.MsgspecError):
            found.append(msgspec.json.decode(path.read_bytes(), type=Launch))
    return found


def _own(sweep: Sweep) -> list[Launch]:
    """The launches, but for those of the sweep that this one is a copy of."""
    number, path = _number(sweep), _path(sweep)
    return [each for each in launches(sweep) if each.folder in (0, number) or each.path == path]


def _path(sweep: Sweep) -> str:
    return str((sweep.path / "launches").resolve())


def _number(sweep: Sweep) -> int:
    try:
        return (sweep.path / "launches").stat().st_ino
    except OSError:
        return 0


def living_workers(sweep: Sweep) -> list[str]:
    """Workers that neither ended nor died."""
    probe = sweep.path / "launches" / f".now-{uuid4().hex[:8]}"
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
    except OSError:
        now = time.time()
    here, lease = machine(), sweep.config.lease
    return [p.stem for p in (sweep.path / "workers").glob("[!.]*.json") if is_alive(p, lease, now, here)]


def active_launches(sweep: Sweep, *, fresh: bool = False) -> list[Launch]:
    """Launches whose workers still run or wait in a queue; while the scheduler does not answer, all that may."""
    known = _own(sweep)
    living = {_launch_of(name) for name in living_workers(sweep)}
    queued: set[str] | None = set()
    names = [each.job_name for each in known if each.cluster == "slurm"]
    if names and scheduler.slurm_is_here():
        jobs = scheduler.queue(sweep.path / "launches", names, fresh=fresh)
        # Jobs whose node does not answer can stay for long in their last state, in which they do nothing.
        queued = None if jobs is None else {job.name for job in jobs if job.state != "COMPLETING"}
    return [
        each for each in known
        if each.id in living
        or (each.job_name in names if queued is None else each.job_name in queued)
        or (each.cluster == "local" and _starting(sweep, each))
    ]  # fmt: skip


def check_place(path: Path, cluster: Cluster) -> None:
    """Refuse a sweep directory whose path some program on the way to the workers would misread.

    Raises
    ------
    InputError
        Naming the character.
    """
    # PYTHONPATH is cut at colons; the rest are for shells and for SLURM, which takes % for a job's number.
    letters = {"slurm": ':"\\`$%\n', "local": ":", "debug": ""}[cluster]
    odd = [letter for letter in letters if letter in str(path.absolute())]
    if odd:
        raise InputError(
            f"the sweep directory {str(path)!r} has {odd[0]!r} in its path, which workers could not be started from; "
            "give another by --directory"
        )


def _starting(sweep: Sweep, launch: Launch) -> bool:
    """Workers take a while until they show; until all have, their launch counts as active, whoever made it."""
    return launch.machine == machine() and starting(sweep, launch) > 0


def starting(sweep: Sweep, launch: Launch) -> int:
    """How many local workers were started not long ago, give no sign of life yet, and have not ended either."""
    age = time.time() - launch.created
    if launch.cluster != "local" or launch.state != "submitted" or age > SHOWN:
        return 0
    shown = {path.stem.split("-")[1] for path in (sweep.path / "workers").glob(f"{launch.id}-*.json")}
    missing = [job for number, job in enumerate(launch.jobs) if f"{number:04d}" not in shown]
    if not machine() or launch.machine != machine():
        return len(missing) if age <= UNSEEN else 0
    return sum(process_start(int(job)) > 0 for job in missing)


def _launch_of(worker: str) -> str:
    return worker.rsplit("-", 2)[0]


def launch(sweep: Sweep, cluster: Cluster, workers: int) -> tuple[Launch, list[Any]]:
    """Submit workers; the launch is on disk before anything is submitted.

    Returns
    -------
    Launch
    list of submitit.Job
    """
    known = launches(sweep)
    identity = f"{len(known):03d}{uuid4().hex[:5]}"
    made = Launch(
        identity, cluster, workers, _user(), machine(), os.getpid(), process_start(os.getpid()), time.time(),
        folder=_number(sweep), path=_path(sweep),
    )  # fmt: skip
    path = sweep.path / "launches" / f"{identity}.json"
    with _interrupts_later():
        write_atomically(path, msgspec.json.encode(made))
        try:
            jobs = _submit(sweep, cluster, made)
        except InputError:
            path.unlink()  # nothing was launched
            raise
        made.jobs, made.workers = [job.job_id for job in jobs], len(jobs)
        made.state = "submitted"
        scheduler.forget(sweep.path / "launches")
        write_atomically(path, msgspec.json.encode(made))
    return made, jobs


def _submit(sweep: Sweep, cluster: Cluster, made: Launch) -> list[Any]:
    tasks = [Worker(str(sweep.path.absolute()), made.id, i, cluster != "debug") for i in range(made.workers)]
    with _workers_environment(sweep):
        executor = _executor(sweep, cluster, made)
        if cluster == "local":
            with _own_output():
                return [executor.submit(task) for task in tasks]
        if cluster == "debug":
            return [executor.submit(task) for task in tasks]
        return _submit_arrays(executor, tasks, max(1, scheduler.read_limits().array), sweep.path / "logs")


@contextmanager
def _own_output() -> Iterator[None]:
    """Let processes that are started here not inherit this one's output: its reader would wait for them to end."""
    kept: dict[int, int] = {}
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        with suppress(OSError, ValueError, AttributeError):  # closed by whoever started this
            stream.flush()
            kept[number] = os.dup(number)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            for number in kept:
                os.dup2(nowhere.fileno(), number)
        yield
    finally:
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


def _submit_arrays(executor: Any, tasks: list[Worker], size: int, logs: Path) -> list[Any]:
    """Submit arrays of at most that size, smaller ones where a limit on submitted jobs asks for it.

    Raises
    ------
    InputError
        With SLURM's reason, if it takes none at all.
    """
    jobs: list[Any] = []
    while len(jobs) < len(tasks):
        part = tasks[len(jobs) : len(jobs) + size]
        try:
            with executor.batch():
                made = [executor.submit(task) for task in part]
        except FailedJobError as error:
            _remove_unsubmitted(logs)
            said = " ".join(str(error).split())
            if len(part) > 1 and "limit" in said.lower():
                size = len(part) // 2
                continue
            if not jobs:
                raise InputError(f"SLURM took no worker of this sweep: {said}") from None
            break  # with those that it took the sweep goes on, only slower
        jobs += made
    return jobs


def _remove_unsubmitted(logs: Path) -> None:
    """Remove what submitit wrote for jobs that were then refused."""
    for path in [*logs.glob("*.pkl"), *logs.glob(".submission_file_*.sh")]:
        if fullmatch("[.a-z_]*[0-9a-f]{32}", path.stem):
            path.unlink(missing_ok=True)


def _executor(sweep: Sweep, cluster: Cluster, made: Launch) -> Any:
    config = sweep.config
    folder = sweep.path.absolute() / "logs"
    if cluster != "slurm":
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        # Workers end by themselves; the limit of submitit's local controller only has to be out of the way.
        executor.update_parameters(timeout_min=60 * 24 * 30, name=made.job_name)
        return executor
    executor = submitit.AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=REQUEUES)
    extra = scheduler.sbatch_options(config)
    cpus = int(extra.pop("cpus-per-task"))
    code = sweep.path.absolute() / "code"
    executor.update_parameters(
        name=made.job_name,
        timeout_min=round(config.resources.time),
        cpus_per_task=cpus,
        slurm_signal_delay_s=round(config.resources.warning),
        slurm_array_parallelism=made.workers,
        slurm_setup=[
            f'export PYTHONPATH="{code}${{PYTHONPATH:+:$PYTHONPATH}}" PYTHONSAFEPATH=1',
            f"export SRUN_CPUS_PER_TASK={cpus}",
            *config.resources.setup,
        ],
        # --requeue lets preempted and interrupted workers come back; submitit asks for it by scontrol.
        slurm_additional_parameters={"requeue": True, **extra},
    )
    return executor


@contextmanager
def _workers_environment(sweep: Sweep) -> Iterator[None]:
    """The code of the launch comes first for whatever is started here, and local workers see the GPUs seen here."""
    code = str(sweep.path.absolute() / "code")
    changes = {
        "PYTHONPATH": os.pathsep.join(filter(None, [code, os.environ.get("PYTHONPATH")])),
        "PYTHONSAFEPATH": "1",
        LAUNCHER_GPUS: os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
    before = {name: os.environ.get(name) for name in changes}
    _set_environment(changes)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hold Ctrl-C back until the launch is written down: nobody could stop the workers of half a launch.

    Ctrl-C reaches every process of the terminal, but workers that are started meanwhile inherit that it is held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        signal.signal(signal.SIGINT, before)
        if came:  # in another thread, or just now
            signal.raise_signal(signal.SIGINT)


def start_here(jobs: list[Any]) -> None:
    """Run the workers of a debug launch, in this process."""
    for job in jobs:
        job.submission().result()


def stop(sweep: Sweep, active: list[Launch]) -> None:
    """Ask the workers of these launches to save their work and end."""
    for each in active:
        sweep.stop_file(each.id).touch()


def _user() -> str:
    return f"{os.environ.get('USER') or os.getuid()}@{socket.gethostname()}"
