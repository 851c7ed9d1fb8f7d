"""A plan and a status in words and as a page."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from submit.directory import write_atomically
from submit.planning import Plan
from submit.status import Status, duration, status_rows

__all__ = ["plan_lines", "plan_values", "write_status_page"]

#: Operations a second that one worker is guessed to do before anything ran: a modest GPU, one CPU core.
GUESS = {"gpu": 4e12, "cpu": 8e9}
BARS = " ▁▂▃▄▅▆▇█"


def predicted_hours(made: Plan) -> float:
    """Hours of all workers together, guessed; the running sweep measures its own speed."""
    if made.config.backend == "lookup":
        return 0.0
    speed = GUESS["gpu" if made.config.resources.gpus else "cpu"]
    return sum(trial.cost for trial in made.trials) / speed / 3600


def plan_values(made: Plan) -> dict[str, Any]:
    """A plan as plain values."""
    return {
        "trials": len(made.trials),
        "batches": len(made.first.batches),
        "workers": made.config.workers,
        "predicted_hours": predicted_hours(made),
        "device": "gpu" if made.config.resources.gpus else "cpu",
        "spaces": [
            {"name": s.name, "count": s.count, "size": s.size, "accepted": s.accepted,
             "params": [int(s.params.min()), int(s.params.max())], "flops": [int(s.flops.min()), int(s.flops.max())]}
            for s in made.spaces
        ],
    }  # fmt: skip


def plan_lines(made: Plan) -> list[str]:
    """A plan in words."""
    lines: list[str] = []
    for sample in made.spaces:
        size = f"{sample.size:,} architectures" if sample.size else "unknown size"
        accepted = f", the caps keep {100 * sample.accepted:.3g} %" if sample.accepted else ""
        lines.append(f"{sample.name}: {sample.count:,} of {size}{accepted}")
        lines += [_histogram("parameters", sample.params), _histogram("flops", sample.flops)]
    hours = predicted_hours(made)
    unit = "GPU" if made.config.resources.gpus else "CPU"
    lines.append(f"trials:  {len(made.trials):,} in {len(made.first.batches):,} batches, longest first")
    each = made.config.trials_per_worker
    lines.append(
        f"workers: {made.config.workers:,} at a time, each with {each} trial{'s' * (each != 1)} at a time; "
        f"{duration(made.config.resources.time * 60)} a task on SLURM"
    )
    shown = f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"
    cost = f"about {shown} {unit} hours, a guess until trials have run" if hours else "none, results are looked up"
    lines.append(f"cost:    {cost}")
    return lines


def _histogram(name: str, values: NDArray[np.int64]) -> str:
    low, high = int(values.min()), int(values.max())
    counts, _ = np.histogram(values, bins=30)
    top = max(1, int(counts.max()))
    bars = "".join(BARS[int(np.ceil(count / top * (len(BARS) - 1)))] for count in counts)
    return f"  {name:<11}{_engineering(low):>8} {bars} {_engineering(high)}"


def _engineering(value: float) -> str:
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g}{letter}"
    return f"{value:.3g}"


def write_status_page(directory: Path, found: Status) -> None:
    """Write status.html into the sweep directory, where it can be written."""
    from jinja2 import Environment

    page = Environment(autoescape=True).from_string(_PAGE)
    share = f"{100 * found.finished / found.total:.1f}"
    with suppress(OSError):
        text = page.render(name=found.name, rows=list(status_rows(found)), share=share)
        write_atomically(directory / "status.html", text)


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="60"><title>{{ name }}: {{ share }} %</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}
th{text-align:left;padding-right:2rem;font-weight:600;vertical-align:top}
.bar{background:#e4e4e4;border-radius:4px;height:1.2rem}
.bar div{background:#2a6fb0;height:100%;border-radius:4px}</style>
<h1>{{ name }}</h1><p>{{ share }} % of the trials are finished.</p>
<div class="bar"><div style="width:{{ share }}%"></div></div>
<table>{% for key, value in rows %}<tr><th>{{ key }}</th><td>{{ value }}</td></tr>{% endfor %}</table></html>
"""
