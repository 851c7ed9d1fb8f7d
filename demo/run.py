"""The whole path on this machine: draw architectures, train them, compare the design spaces, write a report.

Run by `make demo`. Interrupted, it goes on where it stopped; finished, it shows the same results again.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from edfstat.errors import InputError

HERE = Path(__file__).resolve().parent
SWEEP_FILE = HERE / "sweep.yaml"
SWEEP = HERE / "sweep"
POPULATION = HERE / "population.nc"
REPORT = HERE / "report.html"
PICTURE = HERE / "edf.svg"
BOTH_SPACES_COUNT = "params"

NEXT = """\
Next, with your own results (one row per model: error in percent, params, flops, space):
  {edfstat} info mine.csv
  {edfstat} compare mine.csv
  {edfstat} report mine.csv -o report.html"""


def train() -> None:
    """Train every planned architecture that is not trained yet, two at a time."""
    from submit.sweep import plan, run

    if not (SWEEP / "sweep.yaml").exists():
        spaces = ", ".join(f"{space.count} {space.name}" for space in plan(SWEEP_FILE).config.spaces)
        say(f"1/3  Training {spaces} networks on 8x8 digits (Ctrl-C stops; `make demo` goes on)")
    else:
        say("1/3  Training: going on with what is there")
    status = run(SWEEP_FILE, cluster="local", directory=SWEEP)
    if not status.complete:
        raise SystemExit(f"the training stopped at {status.finished} of {status.total}; look at {SWEEP}/logs")


def analyse() -> None:
    """Collect, compare, draw, report."""
    import edfstat
    from edfstat.plot.terminal import terminal_edf
    from edfstat.printing import print_comparison
    from submit.sweep import collect

    say("2/3  Collecting the records and comparing the spaces")
    population = collect(SWEEP, output=POPULATION)
    comparison = edfstat.compare(population, rng=0)
    say("3/3  Writing the report")
    edfstat.report(comparison, REPORT)
    axes = edfstat.plot.edf(comparison, measure=BOTH_SPACES_COUNT)
    axes.figure.savefig(PICTURE)
    print()
    print_comparison(comparison, edfstat.verdict(comparison))
    columns = min(shutil.get_terminal_size((80, 24)).columns, 90)
    print(f"Share of networks with error at most e, complexity ({BOTH_SPACES_COUNT}) taken out:")
    print(terminal_edf(comparison, measure=BOTH_SPACES_COUNT, width=columns, color=sys.stdout.isatty()))


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    begin = time.monotonic()
    try:
        train()
        analyse()
    except KeyboardInterrupt:
        print("\nstopped; `make demo` goes on from here", file=sys.stderr)
        return 130
    except InputError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    here = Path.cwd()
    shown = {path: path.relative_to(here) if path.is_relative_to(here) else path for path in (REPORT, POPULATION)}
    print(f"\nReport: {shown[REPORT]}   population: {shown[POPULATION]}   ({time.monotonic() - begin:.0f} s)\n")
    command = Path(sys.executable).with_name("edfstat")
    print(NEXT.format(edfstat=command.relative_to(here) if command.is_relative_to(here) else command))
    return 0


if __name__ == "__main__":
    sys.exit(main())
