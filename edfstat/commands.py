"""The ``edfstat`` command: each subcommand parses and calls one function.

Exit codes: 0 success; 1 the work failed; 2 the input or the command line is wrong (one line on stderr).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edfstat.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["app", "main"]

app = typer.Typer(
    name="edfstat",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Compare populations of trained networks: weighted EDFs, complexity normalization, KS tests, random search.",
    epilog="Try: `edfstat report example -o report.html`. FILE is a results file, folder, zip, or `example`.",
)


def _print_version(asked: bool) -> None:
    if asked:
        from edfstat.version import package_version

        typer.echo(f"edfstat {package_version()}")
        raise typer.Exit


@app.callback()
def _common(
    asked: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Results files, folders, a zip, or 'example'.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Skip = Annotated[
    bool, typer.Option("--skip-corrupt", help="Leave out corrupt jobs, and unreadable files among others.")
]
Space = Annotated[
    str | None, typer.Option(help="Design space of all the models, whatever the files say; default: as they say.")
]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="OURS=YOURS", help="What a table calls a column, such as error=val_err."),
]
By = Annotated[str, typer.Option(help="What tells the groups apart: space, dataset, source, group, ...")]
Complexity = Annotated[str, typer.Option(help="auto (params, flops, acts if there), none, or measures with commas.")]
Bins = Annotated[
    str, typer.Option(help="Number of complexity bins, or auto: at most 40, each with 10 models of every group.")
]
Spacing = Annotated[str, typer.Option(help="uniform, log or quantile bins.")]
Range = Annotated[
    list[str] | None,
    typer.Option(
        "--range",
        metavar="MEASURE=LOW:HIGH",
        help="Range to compare in, such as params=23000:856000; default: what all groups share.",
    ),
]
Eps = Annotated[
    float | None,
    typer.Option(
        help="Error (%) up to which the area under the EDF is taken; default: from the data, the error that 95 % of "
        "the models stay below, so state it where areas of several runs are compared."
    ),
]
Level = Annotated[float, typer.Option(help="Confidence level of bands and intervals, a share below 1.")]
Resamples = Annotated[int, typer.Option(help="Permutations per test within complexity bins.")]
Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Seed of the permutations; default: none, so their p-values differ from run to run."),
]


def _read(
    files: list[str], *, space: str | None, skip: bool, column: list[str] | None, curves: bool = False,
    notes: bool = True,
) -> xr.Dataset:  # fmt: skip
    """Population of the files named on the command line; notes about it go to stderr."""
    columns = dict(_named_columns(column or []))
    from edfstat.example import example_population
    from edfstat.formats import load
    from edfstat.joining import concat_populations
    from edfstat.notes import notes_of
    from edfstat.printing import visible

    named = [name for name in files if name != "example"]
    if not named and (space or columns):
        raise InputError("--space and --column are for files, not for the example; leave them out, or name a file")
    parts = [example_population()] if "example" in files else []
    if parts and not curves:
        parts = [parts[0].drop_dims("epoch", errors="ignore")]
    if named:
        errors: Literal["skip", "raise"] = "skip" if skip else "raise"
        with _working("reading") as say:
            parts.append(
                load(named, space=space, curves=curves, errors=errors, columns=columns, progress=_reading(say))
            )
    population = concat_populations(parts)
    if population.attrs.get("skipped"):
        typer.echo(f"note: {population.attrs['skipped']} jobs left out; `edfstat info --json` names them", err=True)
    for text in notes_of(population) if notes else ():
        typer.echo(f"note: {visible(text)}", err=True)
    return population


def _named_columns(texts: list[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        ours, equals, yours = text.partition("=")
        if not (ours and equals and yours):
            raise InputError(f"--column is {text!r}; give our name and the table's, such as error=val_err")
        yield ours, yours


@contextlib.contextmanager
def _working(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner on a terminal, nothing in a pipe; what is yielded changes its words."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(f"{what} ...")) as status:
        yield lambda words: status.update(Text(f"{words} ..."))


def _reading(say: Callable[[str], None]) -> Callable[[str, int, int], None]:
    """Progress of `edfstat.load` in words: one file has no number."""
    return lambda name, place, count: say(f"reading {name}" + f" ({place} of {count})" * (count > 1))


def _arriving(say: Callable[[str], None]) -> Callable[[str, int, int | None], None]:
    """Progress of `edfstat.fetch` in words."""
    return lambda name, there, total: say(
        f"fetching {name}: {there / 1e6:,.0f}" + (f" of {total / 1e6:,.0f} MB" if total else " MB")
    )


@app.command(epilog="Example: `edfstat info ResNet.json --json | jq .models`")
def info(
    files: Files, as_json: Json = False, skip_corrupt: Skip = False, space: Space = None, column: Column = None
) -> None:
    """What the files hold: spaces, models, how runs ended, ranges of error and complexity."""
    from edfstat.printing import info_json, print_info, strict_json

    population = _read(files, space=space, skip=skip_corrupt, column=column)
    if as_json:
        typer.echo(strict_json(info_json(population)))
    else:
        print_info(population)


@app.command(epilog="Example: `edfstat compare ResNeXt-A.json ResNeXt-B.json --complexity params`")
def compare(
    files: Files,
    as_json: Json = False,
    by: By = "space",
    complexity: Complexity = "auto",
    bins: Bins = "auto",
    spacing: Spacing = "uniform",
    ranges: Range = None,
    eps: Eps = None,
    level: Level = 0.95,
    resamples: Resamples = 999,
    seed: Seed = None,
    skip_corrupt: Skip = False,
    space: Space = None,
    column: Column = None,
) -> None:
    """Compare the groups: EDFs, KS tests, areas, random search, with complexity taken out."""
    import edfstat
    from edfstat.printing import comparison_json, print_comparison, strict_json

    options = _options(by, complexity, bins, spacing, ranges, eps, level, resamples, seed)
    # The tables end with all warnings, these among them.
    population = _read(files, space=space, skip=skip_corrupt, column=column, notes=as_json)
    with _working("comparing"):
        comparison = edfstat.compare(population, **options)
        verdict = edfstat.verdict(comparison)
    if as_json:
        typer.echo(strict_json(comparison_json(comparison, verdict)))
    else:
        print_comparison(comparison, verdict)


@app.command(epilog="Example: `edfstat report example -o report.html`")
def report(
    files: Files,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .html, .pdf or .md.")] = Path(
        "report.html"
    ),
    by: By = "space",
    complexity: Complexity = "auto",
    bins: Bins = "auto",
    spacing: Spacing = "uniform",
    ranges: Range = None,
    eps: Eps = None,
    level: Level = 0.95,
    resamples: Resamples = 999,
    seed: Seed = None,
    skip_corrupt: Skip = False,
    space: Space = None,
    column: Column = None,
) -> None:
    """Write a report that a stranger to the method can read: verdict, evidence, method."""
    import edfstat
    from edfstat.formats.places import shown
    from edfstat.reporting import check_report

    check_report(output)
    options = _options(by, complexity, bins, spacing, ranges, eps, level, resamples, seed)
    population = _read(files, space=space, skip=skip_corrupt, column=column)
    with _working("comparing and writing"):
        written = edfstat.report(population, output, **options)
    typer.echo(shown(written))


@app.command(epilog="Example: `edfstat convert ResNet.json ResNet.nc --curves`")
def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="Results file, folder, zip, or 'example'.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; its suffix names the format.")],
    curves: Annotated[bool, typer.Option(help="Keep the curves over epochs.")] = True,
    skip_corrupt: Skip = False,
    space: Space = None,
    column: Column = None,
) -> None:
    """Convert results: .nc, .zarr, .parquet, .csv, .json (published form), .jsonl, .jsonl.gz."""
    from edfstat.formats.places import shown
    from edfstat.formats.saving import check_suffix, check_writable, save

    check_suffix(target)
    check_writable(target)
    population = _read([source], space=space, skip=skip_corrupt, column=column, curves=curves)
    with _working("writing"):
        written = save(population, target)
    count = population.sizes["model"]
    typer.echo(f"{shown(written)}: {count:,} model{'s' * (count != 1)}")


@app.command(
    epilog="Example: `edfstat fetch` (the whole release), or `edfstat fetch --url https://mirror.example/nds/`"
)
def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Published files, such as ResNet; default: all.")] = None,
    directory: Annotated[Path | None, typer.Option(help="Where to keep them; default: the user's cache.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Mirror of the archive; default: EDFSTAT_MIRROR or the release.")
    ] = None,
) -> None:
    """Download the published results; what is there already is checked, not downloaded again."""
    from edfstat.downloads import fetch as download

    with _working("fetching") as say:
        found = download(names or None, directory=directory, url=url, progress=_arriving(say))
    for path in found:
        typer.echo(path)


@app.command(epilog="Example: `edfstat paper --data nds -o figures --figure 9`")
def paper(
    data: Annotated[Path, typer.Option(help="Folder or zip of the published files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    figure: Annotated[
        list[int] | None, typer.Option(help="Only this figure (1 to 16); may be repeated; default: all.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what the paper simulates; 1 is the paper's.")] = 1,
) -> None:
    """The paper's figures and tables from the published files: PNG, SVG, JSON and an index page."""
    from edfstat.paper import draw_paper

    for drawn in draw_paper(data, output, figures=figure or None, rng=seed):
        typer.echo(drawn, err=isinstance(drawn, str))


def _options(
    by: str, complexity: str, bins: str, spacing: str, ranges: list[str] | None, eps: float | None, level: float,
    resamples: int, seed: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Options of `edfstat.compare` from what was typed."""
    if bins != "auto" and not bins.isdecimal():
        raise InputError(f"--bins is {bins!r}; give a whole number or auto")
    measures = [measure.strip() for measure in complexity.split(",")]
    return {
        "by": by, "complexity": measures[0] if len(measures) == 1 else measures,
        "bins": bins if bins == "auto" else int(bins), "spacing": spacing,
        "range": dict(_named_ranges(ranges or [])) or None, "eps": eps, "level": level,
        "n_resamples": resamples, "rng": seed,
    }  # fmt: skip


def _named_ranges(texts: list[str]) -> Iterator[tuple[str, tuple[float, float]]]:
    for text in texts:
        measure, _, ends = text.partition("=")
        low, _, high = ends.partition(":")
        try:
            yield measure, (float(low), float(high))
        except ValueError:
            raise InputError(
                f"--range is {text!r}; give a measure, its lower and its upper end, such as params=23000:856000"
            ) from None


#: What typer raises on a wrong command line: its own name for it differs between versions.
_CommandLineError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def _guarded(run: Callable[[], Any]) -> int:
    """Exit code of a run, with every error as one line."""
    try:
        result = run()
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except typer.Exit as error:
        return int(error.exit_code)
    except _CommandLineError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            return _say("no command is given; see edfstat --help", 2)
        return _say(_complaint(error), 2)
    except (typer.Abort, KeyboardInterrupt):
        return _say("interrupted", 1)
    except BrokenPipeError:
        return _pipe_closed()
    except SystemExit as error:  # the command line library leaves this way where a pipe broke inside a command
        return _pipe_closed() if isinstance(error.__context__, BrokenPipeError) else int(error.code or 0)
    except InputError as error:
        return _say(_as_options(str(error)), 2)
    except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        return _say(_wrong_path(error), 2)
    except MemoryError:
        return _say("not enough memory; load fewer files at a time, or leave the curves out", 1)
    except Exception as error:
        if os.environ.get("EDFSTAT_DEBUG"):
            raise
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return _say(_wrong_path(error), 2)
        from edfstat.downloads import DownloadError

        if isinstance(error, DownloadError):  # its message says all that there is to say
            return _say(_as_options(str(error)), 1)
        return _say(f"failed: {type(error).__name__}: {error} (set EDFSTAT_DEBUG=1 for the traceback)", 1)


def _wrong_path(error: OSError) -> str:
    name = f": {error.filename!s:.200}" if error.filename else ""
    return f"{error.strerror}{name}; check the path and its permissions" if error.strerror else str(error)


def _complaint(error: Any) -> str:
    """What is wrong with the command line, and which help says what is right."""
    path = error.ctx.command_path if getattr(error, "ctx", None) else "edfstat"
    return f"{error.format_message().rstrip('.')}; see {path} --help"


#: What messages call keywords of Python, and what these are on the command line.
_OPTION_NAMES = (
    (r"pass errors='skip'", "pass --skip-corrupt"),
    (r"give \(low, high\)", "give low:high"),
    (r"name a mirror \(url=\.\.\. or", "name a mirror (--url or"),
    (r"n_resamples is", "--resamples is"),
    (r"select some, by ds\.isel\(.*\.values\)", "give files of fewer of them"),
    (r"or give another by, such as", "or another --by, such as"),
    (r"columns=\{'(\w+)': '(\w+)'\}", r"--column \1=\2"),
)


def _as_options(message: str) -> str:
    """A remedy that is a keyword of Python, as the option that it is on the command line."""
    for keyword, option in _OPTION_NAMES:
        message = re.sub(keyword, option, message)
    return message


def _open_outputs() -> None:
    """Output that was closed goes nowhere; letters that the other end has no code for become question marks."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.StringIO())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _pipe_closed() -> int:
    """The reader of the pipe has seen enough: nothing went wrong, and nothing more is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())  # type: ignore[union-attr]
    return 0


def _say(message: str, code: int) -> int:
    typer.echo("edfstat: " + " ".join(message.split()), err=True)
    return code


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    _open_outputs()
    sys.exit(_guarded(lambda: app(arguments, prog_name="edfstat", standalone_mode=False)))
