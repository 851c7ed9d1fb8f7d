"""The workers of a sweep: started where there are none, followed to the end, waited for."""

from __future__ import annotations

import atexit
import os
import threading
import time
from typing import Any

from edfstat.errors import InputError
from submit import scheduler
from submit.config import Config
from submit.directory import Sweep, open_sweep
from submit.growth import check_code, grow
from submit.launching import (
    Cluster,
    Launch,
    active_launches,
    check_place,
    launch,
    launches,
    living_workers,
    start_here,
)
from submit.locking import only_one
from submit.means import say_what_waits, take_over
from submit.status import Status, Tally, read_status
from submit.watching import Show, follow, say, shown

__all__ = ["await_end", "ensure_workers", "follow_to_end", "run_here"]

#: Launches in a row that finish nothing before a watcher gives up.
MOST_VAIN = 2


def ensure_workers(sweep: Sweep, cluster: Cluster, workers: int | None, config: Config | None = None) -> Sweep:
    """Launch workers, with what `config` adds and its means from then on, unless some already work or wait."""
    with only_one(sweep):
        sweep = open_sweep(sweep.path, config)  # as whoever held the right before left it
        before = sweep.size
        if active := _at_work(sweep):
            check_code(sweep, config)
            sweep = grow(sweep, config)  # they see that there is more
            if sweep.size > before:  # which took a while to draw: they may have ended meanwhile
                active = _at_work(sweep)
        if active:
            say_what_waits(sweep, config)
            if workers not in (None, active[-1].workers):
                say(f"workers are at work; another number of them, {workers}, can be had once these have ended")
            return sweep
        check_place(sweep.path, cluster)
        if cluster == "slurm":
            scheduler.check_request(config or sweep.config)
        sweep = take_over(grow(sweep, config), config)
        unfinished = read_status(sweep, ask_scheduler=False)
        wanted = max(1, min(workers or sweep.config.workers, unfinished.total - unfinished.finished))
        cores = len(os.sched_getaffinity(0))
        if cluster == "local" and wanted > cores:
            say(f"{wanted} workers share {cores} cores here, and the memory; --workers {cores} would start fewer")
        _, jobs = launch(sweep, cluster, wanted)
        if len(jobs) < wanted:
            say(f"SLURM took {len(jobs)} of {wanted} workers, by its limits; the sweep goes on with those")
        if cluster == "local":
            # submitit would cancel nothing by itself, but keeps the process of a local job to wait for it.
            _forget_ended()
            _LOCAL_JOBS.extend(jobs)
        return sweep


def _at_work(sweep: Sweep) -> list[Launch]:
    """Launches whose workers work or will, unless all of them were asked to stop."""
    active = active_launches(sweep, fresh=True)
    return [] if all(sweep.stop_file(each.id).exists() for each in active) else active


_LOCAL_JOBS: list[Any] = []


@atexit.register
def _forget_ended() -> None:
    """Let go of local jobs that have ended, and with them of their processes' last traces."""
    _LOCAL_JOBS[:] = [job for job in _LOCAL_JOBS if not job.done()]


def follow_to_end(sweep: Sweep, cluster: Cluster, workers: int | None, show: Show) -> Status:
    """Show a sweep until it is complete, with workers started anew where they are local and end before it."""
    vain, before = 0, -1
    while True:
        status = follow(sweep, show)
        if status.complete and cluster == "local":
            await_end(sweep, 10.0)
        if status.complete or cluster != "local" or _all_stopped(sweep) or status.problems:
            return status
        vain = vain + 1 if status.finished <= before else 0
        before = status.finished
        if vain >= MOST_VAIN:
            return status
        ensure_workers(sweep, cluster, workers)


def _all_stopped(sweep: Sweep) -> bool:
    known = launches(sweep)
    return bool(known) and sweep.stop_file(known[-1].id).exists()


def await_end(sweep: Sweep, patience: float = 60.0) -> None:
    """Wait until no worker is left, at most so many seconds."""
    end = time.monotonic() + patience
    while living_workers(sweep) and time.monotonic() < end:
        time.sleep(0.2)


def run_here(sweep: Sweep, config: Config | None, show: Show | None) -> Status:
    """Work a sweep off in this process."""
    with only_one(sweep):
        sweep = open_sweep(sweep.path, config)
        active = active_launches(sweep)
        if active:
            raise InputError(f"{sweep.path} is at work already (launched by {active[-1].by}); wait, or cancel it")
        sweep = take_over(grow(sweep, config), config)
        _, jobs = launch(sweep, "debug", 1)
    ended = threading.Event()

    def look(display: Show) -> None:
        tally = Tally.kept(sweep)
        while not ended.wait(0.5):
            display(read_status(sweep, tally, ask_scheduler=False))
        display(read_status(sweep, tally, ask_scheduler=False))

    with shown() as default:
        watcher = threading.Thread(target=look, args=(show or default,), daemon=True)
        watcher.start()
        try:
            start_here(jobs)
        finally:
            ended.set()
            watcher.join()
    return read_status(sweep, ask_scheduler=False)
