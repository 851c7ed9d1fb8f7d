"""What can be done with a sweep, as typed functions: run, resume, status, cancel, retry, collect, report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.errors import InputError
from edfstat.population import ACCIDENTS, STATUSES
from submit import scheduler
from submit.collecting import population_of
from submit.directory import Round, Sweep
from submit.growth import further_trials, is_whole
from submit.launching import Cluster, active_launches, check_place, stop
from submit.opening import locate, opened, prepare
from submit.planning import batches_of
from submit.status import Status, Tally, read_status
from submit.watching import Show, shown
from submit.workforce import await_end, ensure_workers, follow_to_end, run_here

__all__ = ["cancel", "collect", "default_cluster", "report", "resume", "retry", "run", "status"]


def default_cluster() -> Cluster:
    """``"slurm"`` where sbatch is on the PATH, else ``"local"``."""
    return "slurm" if scheduler.slurm_is_here() else "local"


def run(
    source: str | os.PathLike[str],
    *,
    cluster: Cluster | None = None,
    workers: int | None = None,
    directory: str | os.PathLike[str] | None = None,
    watch: bool | None = None,
    show: Show | None = None,
) -> Status:
    """Launch a sweep, or go on with one; a finished sweep returns at once.

    Parameters
    ----------
    source : path
        Sweep file or sweep directory.
    cluster : {"slurm", "local", "debug"}, optional
        Default: SLURM where sbatch is on the PATH, else this machine.
    workers : int, optional
        Instead of the configured number.
    directory : path, optional
        The sweep directory; default: `locate`.
    watch : bool, optional
        Whether to return only when the sweep ends. Default: not on SLURM.
    show : callable, optional
        Called with each new `Status` instead of showing progress on stderr.

    Returns
    -------
    Status

    Raises
    ------
    InputError
        Before anything is submitted, if the sweep, the cluster or the resources make no sense.
    KeyboardInterrupt
        On Ctrl-C while watching, after the local workers have stopped; SLURM's go on.

    Examples
    --------
    A sweep that trains nothing, as its results are looked up, in this process:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from submit.sweep import collect, run, status
    >>> text = '''
    ... spaces: [{name: ResNet, count: 5}, {name: Vanilla, count: 5}]
    ... backend: lookup
    ... backend_options: {results: example}
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "tiny.yaml")
    ...     _ = file.write_text(text)
    ...     print("log of the worker:")
    ...     done = run(file, cluster="debug", show=lambda now: None)
    ...     again, population = status(file), collect(file)
    log of the worker:
    ...
    >>> done.finished, done.by_status, again.complete, population.sizes["model"]
    (10, {'ok': 10}, True, 10)
    """
    cluster = cluster or default_cluster()
    existing, config = locate(source, directory)
    if config is not None and not (existing / "sweep.yaml").exists():
        check_place(existing, cluster)
        if cluster == "slurm":
            scheduler.check_request(config)
    sweep = prepare(source, directory)
    tally = Tally.kept(sweep)
    now = read_status(sweep, tally, ask_scheduler=False)
    if now.complete and is_whole(sweep) and not further_trials(sweep, config):
        tally.keep()
        return now
    watching = cluster != "slurm" if watch is None else watch
    if cluster == "debug":
        return run_here(sweep, config, show)
    try:
        sweep = ensure_workers(sweep, cluster, workers, config)
        if not watching:
            return read_status(sweep)
        if show is not None:
            return follow_to_end(sweep, cluster, workers, show)
        with shown() as default:
            return follow_to_end(sweep, cluster, workers, default)
    except KeyboardInterrupt:
        if cluster == "local":
            stop(sweep, active_launches(sweep))
            await_end(sweep)
        raise


def resume(source: str | os.PathLike[str], **options: Any) -> Status:
    """Go on with a sweep that was begun; the same as `run`, but refuses to begin one.

    Parameters
    ----------
    source : path
    **options
        As `run`.

    Returns
    -------
    Status

    Raises
    ------
    InputError
        If the sweep has not been begun, and as `run`.

    Examples
    --------
    >>> resume("sweep.yaml", cluster="local", workers=2)  # doctest: +SKIP
    """
    opened(source, options.get("directory"))
    return run(source, **options)


def status(source: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None) -> Status:
    """How far a sweep is.

    Parameters
    ----------
    source : path
    directory : path, optional
        As `locate`.

    Returns
    -------
    Status

    Raises
    ------
    InputError
        If there is no such sweep.

    Examples
    --------
    >>> now = status("sweep.yaml")  # doctest: +SKIP
    >>> now.finished, now.total, now.by_status  # doctest: +SKIP
    """
    return read_status(opened(source, directory))


def cancel(
    source: str | os.PathLike[str], *, patience: float = 60.0, directory: str | os.PathLike[str] | None = None
) -> int:
    """Stop a sweep's workers, cleanly. What is finished stays.

    Parameters
    ----------
    source : path
    patience : float, default 60
        Seconds to wait for workers to save what they are at.
    directory : path, optional
        As `locate`.

    Returns
    -------
    int
        Launches that were stopped.

    Raises
    ------
    InputError
        If there is no such sweep, or the scheduler takes no cancellation.

    Examples
    --------
    >>> cancel("sweep.yaml")  # doctest: +SKIP
    """
    sweep = opened(source, directory)
    try:
        active = active_launches(sweep, fresh=True)
    except InputError:  # the scheduler does not answer; those that run are asked all the same
        active = active_launches(sweep)
    stop(sweep, active)
    pending = {each.job_name for each in active if each.cluster == "slurm"}
    for name in sorted(pending):
        # Those that wait need no time to save anything; those that run look for the request to stop.
        scheduler.ask("scancel", "--state=PENDING", f"--name={name}")
    if pending:
        scheduler.forget(sweep.path / "launches")
    await_end(sweep, patience)
    return len(active)


def retry(
    source: str | os.PathLike[str],
    failed: Sequence[str] = ACCIDENTS,
    *,
    slots: int | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> int:
    """Queue failed trials again. `resume` then runs them.

    Parameters
    ----------
    source : path
    failed : sequence of str
        Statuses to try again, such as ``("oom",)``. Default: every accident.
    slots : int, optional
        Trials that share a worker's device. Default: as before, but half as many if one of the chosen ran out of
        memory.
    directory : path, optional
        As `locate`.

    Returns
    -------
    int
        Trials that were queued.

    Raises
    ------
    InputError
        If a status is none, there is no such sweep, or another process retries in the same moment.

    Examples
    --------
    >>> retry("sweep.yaml", ["oom"], slots=1)  # doctest: +SKIP
    >>> resume("sweep.yaml")  # doctest: +SKIP
    """
    unknown = sorted(set(failed) - set(STATUSES[1:]))
    if unknown:
        raise InputError(f"failed is {', '.join(unknown)}; give some of {', '.join(STATUSES[1:])}")
    sweep = opened(source, directory)
    tally = Tally.kept(sweep)
    tally.update()
    sweep = tally.sweep  # it may have grown in this moment
    codes = [STATUSES.index(name) for name in failed]
    chosen = np.flatnonzero(np.isin(tally.outcome, codes) & tally.finished())
    if not chosen.size:
        return 0
    if slots is None:
        slots = _slots_before(sweep)[chosen].min()
        if (tally.outcome[chosen] == STATUSES.index("oom")).any():
            slots = max(1, slots // 2)
    cost = sweep.table["cost"][chosen]
    batches = batches_of(cost, sweep.config.workers * slots)
    attempt = int(tally.attempt[chosen].max()) + 1
    sweep.add_round(Round(attempt, int(slots), batches, [int(index) for index in chosen]))
    return int(chosen.size)


def _slots_before(sweep: Sweep) -> NDArray[np.int64]:
    """How many shared a device with each trial when it was last tried."""
    first, *later = sweep.rounds()
    slots = np.full(sweep.size, first.slots, dtype=np.int64)
    for round_ in later:
        slots[round_.trials or []] = round_.slots
    return slots


def collect(
    source: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    curves: bool = True,
    directory: str | os.PathLike[str] | None = None,
) -> Any:
    """Population of what is finished so far, also written to disk.

    Parameters
    ----------
    source : path
    output : path, optional
        Default: ``population.nc`` in the sweep directory.
    curves : bool, default True
        Whether to keep the curves over epochs.
    directory : path, optional
        As `locate`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If nothing has finished, or the file cannot be written.

    Examples
    --------
    >>> population = collect("sweep.yaml", output="results.csv")  # doctest: +SKIP
    """
    import edfstat

    sweep = opened(source, directory)
    population = population_of(sweep, curves=curves)
    edfstat.save(population, sweep.path / "population.nc" if output is None else Path(output))
    return population


def report(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
) -> Path:
    """Collect a sweep and write the report that compares its design spaces.

    Parameters
    ----------
    source : path
    output : path, optional
        ``.html``, ``.pdf`` or ``.md``. Default: ``report.html`` in the sweep directory.
    directory : path, optional
        As `locate`.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If nothing has finished, or the report cannot be written.

    Examples
    --------
    >>> report("sweep.yaml", "report.pdf")  # doctest: +SKIP
    """
    import edfstat

    sweep = opened(source, directory)
    population = population_of(sweep)
    target = Path(output) if output is not None else sweep.path / "report.html"
    edfstat.report(population, target)
    with suppress(InputError, OSError):  # a sweep that may only be read
        edfstat.save(population, sweep.path / "population.nc")
    return target
