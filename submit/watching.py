"""What a user sees while a sweep runs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from submit.directory import Sweep
from submit.launching import active_launches
from submit.status import Status, Tally, duration, read_status

__all__ = ["Show", "follow", "say", "shown"]

#: Seconds between plain lines, and between two looks at least.
LINE_EVERY, POLL = 10.0, 0.5

Show = Callable[[Status], None]


def say(text: str) -> None:
    """One line for the user, on stderr."""
    sys.stderr.write(text + "\n")


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Show]:
    """What shows a status: a progress bar if the stream is a terminal, else a line now and then."""
    out = stream or sys.stderr
    if out.isatty():
        with _bar(out) as show:
            yield show
    else:
        yield _lines(out)


@contextmanager
def _bar(out: TextIO) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[more]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(file=out)) as progress:
        task = progress.add_task("training", total=None, more="")
        yield lambda s: progress.update(task, description=s.name, total=s.total, completed=s.finished, more=_more(s))


def _lines(out: TextIO) -> Show:
    last = [-1.0, -1.0]

    def show(status: Status) -> None:
        now = time.monotonic()
        if status.finished == last[1] and now - last[0] < 3 * LINE_EVERY:
            return
        if now - last[0] < LINE_EVERY and not status.complete and last[0] >= 0:
            return
        last[:] = [now, status.finished]
        out.write(f"{status.name}: {status.finished}/{status.total} trials, {_more(status)}\n")
        out.flush()

    return show


def _more(status: Status) -> str:
    parts = [f"{status.running} running"] if status.running else []
    if status.failed:
        parts.append(f"{status.failed} failed")
    if status.disk_full and not status.complete:
        parts.append("the disk is full: workers wait")
    if status.complete:
        parts.append("done")
    elif status.left is not None:
        parts.append(f"about {duration(status.left)} left")
    elif not status.workers:
        parts.append("workers are starting")
    return ", ".join(parts)


def follow(sweep: Sweep, show: Show) -> Status:
    """Show a sweep until every trial is finished or no worker is left.

    Returns
    -------
    Status
        The last one; `Status.complete` tells how it ended.
    """
    tally = Tally.kept(sweep)
    while True:
        begun = time.monotonic()
        status = read_status(sweep, tally)
        took = time.monotonic() - begun
        show(status)
        gone = not status.complete and not status.workers and not active_launches(sweep)
        if gone:  # records written between the two looks count as well
            status = read_status(sweep, tally)
            show(status)
        if gone or status.complete:
            tally.keep()
            return status
        # A look at a thousand workers is not for free to the file server: a tenth of the time at most.
        time.sleep(max(POLL, 10 * took))
