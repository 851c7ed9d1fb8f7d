"""The command line: ``python -m submit.sweep plan|doctor|run|status|resume|retry|cancel|collect|report SWEEP``."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from edfstat.errors import InputError
from edfstat.population import ACCIDENTS
from submit.collecting import commonest_message
from submit.directory import open_sweep
from submit.growth import further_trials
from submit.launching import Cluster, active_launches
from submit.opening import locate, plan, prepare
from submit.operations import (
    cancel,
    collect,
    default_cluster,
    report,
    resume,
    retry,
    run,
    status,
)
from submit.status import Status, status_lines

__all__ = ["cancel", "collect", "locate", "main", "plan", "prepare", "report", "resume", "retry", "run", "status"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Sweeps of trials on SLURM, on this machine or in this process.",
    epilog="First steps: plan sweep.yaml, then run sweep.yaml --cluster local, then report sweep.yaml. "
    "Examples of sweep files are in examples/ of the checkout; docs/sweeps.md explains every key.",
)


def _command(name: str, example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return app.command(name, epilog=f"Example: python -m submit.sweep {name} {example}".rstrip())


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    pass


class ClusterName(StrEnum):
    """Where workers run."""

    slurm = "slurm"
    local = "local"
    debug = "debug"


CLUSTER_HELP = "slurm: jobs; local: processes here; debug: this process. Default: slurm where sbatch is, else local."
Source = Annotated[Path, typer.Argument(metavar="SWEEP", help="A sweep file or a sweep directory.")]
Where = Annotated[ClusterName | None, typer.Option("--cluster", help=CLUSTER_HELP)]
#: Of commands that do the same wherever workers run, so that one set of options fits all of a sweep's commands.
Anywhere = Annotated[ClusterName | None, typer.Option("--cluster", help="As for run; it changes nothing here.")]
Folder = Annotated[Path | None, typer.Option("--directory", help="The sweep directory; default: beside the file.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Workers at a time, whatever the file says.")]
Watch = Annotated[bool | None, typer.Option("--watch/--no-watch", help="Stay until the end. Default: not on SLURM.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@_command("plan", "sweep.yaml")
def _plan(source: Source, cluster: Anywhere = None, directory: Folder = None, as_json: Json = False) -> None:
    """Print what a sweep would train, and submit nothing."""
    from submit.summary import plan_lines, plan_values

    made = plan(source, directory)
    lines = plan_lines(made)
    if more := _to_come(source, directory):
        lines.append(f"begun:   {len(made.trials) - more:,} of them are planned before; run adds {more:,} others")
    _print(json.dumps(plan_values(made), indent=2) if as_json else "\n".join(lines))


def _to_come(source: Path, directory: Path | None) -> int:
    """Trials that a sweep file asks for beyond those of its sweep."""
    path, config = locate(source, directory)
    try:
        return further_trials(open_sweep(path, config), config)
    except InputError:  # not begun yet, or another sweep, which run would refuse
        return 0


@_command("doctor", "sweep.yaml --cluster slurm")
def _doctor(source: Source, cluster: Where = None, directory: Folder = None) -> None:
    """Check the cluster for a sweep, and say what to change."""
    from submit.doctor import examine

    findings = examine(source, _chosen(cluster) or default_cluster(), directory)
    _print("\n".join(finding.line() for finding in findings))
    if any(not finding.good for finding in findings):
        raise typer.Exit(1)


@_command("run", "sweep.yaml --cluster local --workers 2")
def _run(
    source: Source, cluster: Where = None, directory: Folder = None, workers: Workers = None, watch: Watch = None
) -> None:
    """Launch a sweep, or go on with it."""
    _end(_uninterrupted(run, source, cluster, directory, workers, watch), source, directory)


@_command("resume", "sweep.yaml")
def _resume(
    source: Source, cluster: Where = None, directory: Folder = None, workers: Workers = None, watch: Watch = None
) -> None:
    """Go on with a sweep that was begun."""
    _end(_uninterrupted(resume, source, cluster, directory, workers, watch), source, directory)


@_command("status", "sweep.yaml --json")
def _status(
    source: Source,
    cluster: Anywhere = None,
    directory: Folder = None,
    as_json: Json = False,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Also write status.html in the sweep.")] = True,
) -> None:
    """Print how far a sweep is; also written to status.html in its directory."""
    found = status(source, directory)
    if html:
        from submit.summary import write_status_page

        write_status_page(locate(source, directory)[0], found)
    lines = status_lines(found)
    if more := _to_come(source, directory):
        lines.append(f"{'more':<10} {more:,} trials that the sweep file asks for, and run adds")
    _print(json.dumps(found.to_dict(), indent=2) if as_json else "\n".join(lines))


@_command("retry", "sweep.yaml --failed oom --slots 1")
def _retry(
    source: Source,
    cluster: Anywhere = None,
    directory: Folder = None,
    failed: Annotated[
        list[str] | None,
        typer.Option("--failed", help="Reasons, by commas: oom, timeout, error, lost (by default these), diverged."),
    ] = None,
    slots: Annotated[
        int | None,
        typer.Option("--slots", min=1, help="Trials that share a device. Default: as before; half after oom."),
    ] = None,
) -> None:
    """Queue failed trials again; `resume` runs them."""
    reasons = [reason for text in failed or ACCIDENTS for reason in text.split(",")]
    count = retry(source, reasons, slots=slots, directory=directory)
    _print(
        f"{count} trials queued again" + ("; resume runs them" if count else f": none failed by {', '.join(reasons)}")
    )


@_command("cancel", "sweep.yaml")
def _cancel(source: Source, cluster: Anywhere = None, directory: Folder = None) -> None:
    """Stop a sweep's workers; they save what they are at, and `resume` goes on."""
    count = cancel(source, directory=directory)
    _print(f"{count} launches stopped" if count else "nothing was running")


@_command("collect", "sweep.yaml -o results.csv")
def _collect(
    source: Source,
    cluster: Anywhere = None,
    directory: Folder = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: population.nc in the sweep.")] = None,
    curves: Annotated[bool, typer.Option("--curves/--no-curves", help="Keep the curves over epochs.")] = True,
) -> None:
    """Write the population of what is finished so far."""
    population = collect(source, output=output, curves=curves, directory=directory)
    path = output or locate(source, directory)[0] / "population.nc"
    _print(f"{path}: {population.sizes['model']} of {population.attrs['sweep_trials']} trials")


@_command("report", "sweep.yaml -o report.html")
def _report(
    source: Source,
    cluster: Anywhere = None,
    directory: Folder = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=".html, .pdf or .md; default: report.html in the sweep.")
    ] = None,
) -> None:
    """Collect a sweep and write the report that compares its design spaces."""
    _print(str(report(source, output, directory=directory)))


@_command("schema", "> sweep.schema.json")
def _schema() -> None:
    """Print the JSON Schema of sweep files, for editors."""
    from submit.config import json_schema

    _print(json.dumps(json_schema(), indent=2))


def _uninterrupted(
    act: Callable[..., Status], source: Path, cluster: ClusterName | None, directory: Path | None,
    workers: int | None, watch: bool | None,
) -> Status:  # fmt: skip
    try:
        return act(source, cluster=_chosen(cluster), directory=directory, workers=workers, watch=watch)
    except KeyboardInterrupt:
        # typer would end with a code of its own and no word of what to do next.
        raise WorkFailure("interrupted; run the same command again to go on") from None


def _chosen(cluster: ClusterName | None) -> Cluster | None:
    return cluster.value if cluster else None


def _end(found: Status, source: Path, directory: Path | None) -> None:
    _print("\n".join(status_lines(found)))
    if found.complete and found.by_status.get("ok", 0) + found.by_status.get("diverged", 0) == 0:
        why = commonest_message(open_sweep(locate(source, directory)[0]))
        raise WorkFailure(f"every trial failed: {why or 'their records say why'}")
    nobody = not found.complete and not found.workers and found.queued_workers == 0
    # Workers that were started a moment ago show only when they are up.
    if nobody and not active_launches(open_sweep(locate(source, directory)[0])):
        if found.problems:
            raise InputError(f"workers ended, as no trial can run where they were: {found.problems[0]}")
        raise WorkFailure("the workers are gone and trials are left; look at logs/ in the sweep, then resume")


class WorkFailure(Exception):
    """The work failed: exit code 1, one line."""


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if sys.stdout is None:  # closed by whoever started this
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    # Wherever it stands on the line: whoever just saw an error appends it to the same command.
    given = ["--debug"] * debug + [each for each in given if each != "--debug"]
    try:
        result: Any = app(given, standalone_mode=False, prog_name="python -m submit.sweep")
        sys.stdout.flush()
    except InputError as error:
        return _fail(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; run the same command again to go on", 1)
    except WorkFailure as error:
        return _fail(str(error), 1)
    except BrokenPipeError:
        return _pipe_closed()
    except SystemExit as error:  # the command line library leaves this way where a pipe broke inside a command
        return _pipe_closed() if isinstance(error.__context__, BrokenPipeError) else int(error.code or 0)
    except OSError as error:
        return _refused_by_the_disk(error)
    except Exception as error:
        # Mistakes on the command line: their class has moved between versions of typer, their method has not.
        if not hasattr(error, "format_message"):
            return _unexpected(error, debug)
        if type(error).__name__ == "NoArgsIsHelpError":
            return _fail("no command is given; see python -m submit.sweep --help", 2)
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "python -m submit.sweep"
        message = error.format_message().replace("Value error, ", "").rstrip(".")
        return _fail(f"{message}; see {path} --help", 2)
    return result if isinstance(result, int) else 0


def _refused_by_the_disk(error: OSError) -> int:
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        name = f" ({error.filename})" if error.filename else ""
        return _fail(f"the disk is full{name}; make room, then run the same command again", 1)
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        name = f"{error.filename} cannot be used" if error.filename else "a file cannot be used"
        remedy = "give a directory or an --output that you can write, or copy the sweep to one"
        return _fail(f"{name} ({error.strerror}); {remedy}", 2)
    return _fail(str(error), 2 if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError) else 1)


def _unexpected(error: Exception, debug: bool) -> int:
    """Tell of an error that nobody expected in one line, and keep its traceback in a log."""
    text = "".join(traceback.format_exception(error))
    if debug:
        sys.stderr.write(text)
        return 1
    said = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        handle, path = tempfile.mkstemp(prefix="edfstat-sweep-", suffix=".log", text=True)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return _fail(f"unexpected {said}; --debug shows the traceback", 1)
    return _fail(f"unexpected {said}; the traceback is in {path}, --debug shows it", 1)


def _pipe_closed() -> int:
    """The reader of the pipe has seen enough: nothing went wrong, and nothing more is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())  # type: ignore[union-attr]
    return 0


def _fail(message: str, code: int) -> int:
    for line in message.splitlines() or ["it failed without a message"]:
        sys.stderr.write(f"error: {line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
