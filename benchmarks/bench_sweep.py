"""A sweep of 100,000 trials by 1,000 workers: planning it, looking at it, collecting it.

Each step runs in a process of its own, which reports its time (CPU, children included) and its largest resident
memory; beside it, what reading the same records by `json.loads`, line by line, takes. The records are synthetic, with
three curves of 100 epochs each, in one shard per worker.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TRIALS, WORKERS, EPOCHS = 100_000, 1000, 100
CONFIG: dict[str, Any] = {
    "spaces": [{"name": "ResNet", "count": TRIALS // 2}, {"name": "ResNeXt-B", "count": TRIALS // 2}],
    "caps": {"max_params": 856_000, "max_flops": 129_000_000},
    "optim": {"base_lr": {"log_uniform": [0.01, 1.0]}, "max_ep": EPOCHS},
    "workers": WORKERS,
}


def plan(folder: Path) -> None:
    from submit.config import read_config
    from submit.opening import plan as planned
    from submit.summary import plan_lines

    plan_lines(planned(read_config(CONFIG)))


def prepare(folder: Path) -> None:
    import yaml

    from submit.opening import prepare as prepared

    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    prepared(path)


def fill(folder: Path) -> None:
    """Records as workers write them, in the order in which they run."""
    import numpy as np

    from submit.directory import open_sweep

    sweep = open_sweep(folder / "sweep")
    rng = np.random.default_rng(0)
    curves = [json.dumps(np.round(60 * 0.97 ** np.arange(EPOCHS) + rng.random(EPOCHS), 4).tolist()) for _ in range(300)]
    lines: list[list[str]] = [[] for _ in range(WORKERS)]
    for planned in sweep.trials():
        trial = planned.trial
        head = {
            "trial_id": planned.id, "job_id": planned.id, "space": trial["space"], "dataset": trial["dataset"],
            "net": trial["net"], "recipe": trial["recipe"], "optim": trial["optim"], "rng_seed": trial["seed"],
            "status": "ok", "message": "", "params": planned.params, "flops": planned.flops, "acts": planned.acts,
            "iter_time": 0.04, "min_test_top1": 6.25, "final_test_top1": 6.5,
            "provenance": {
                "versions": {"torch": "2.11", "numpy": "2.0"}, "host": f"node{planned.index % 250:03d}",
                "device": "cuda:0", "attempt": 1, "worker": "w", "job": f"17_{planned.index % WORKERS}", "log": "l",
                "seconds": 900.0, "gpus": 0.25, "ended": 1.7e9 + planned.index,
            },
        }  # fmt: skip
        chosen = (curves[i] for i in rng.integers(0, len(curves), 3))
        keys = ("train_ep_loss", "train_ep_top1", "test_ep_top1")
        tail = ", ".join(f'"{key}": {curve}' for key, curve in zip(keys, chosen, strict=True))
        lines[planned.index % WORKERS].append(f"{json.dumps(head)[:-1]}, {tail}}}\n")
    for worker, own in enumerate(lines):
        (sweep.path / "records" / f"000abcde-{worker:04d}-0.jsonl").write_text("".join(own))


def status(folder: Path) -> None:
    from submit.operations import status as looked

    found = looked(folder / "sweep")
    assert found.finished == TRIALS


def collect(folder: Path) -> None:
    from submit.operations import collect as collected

    population = collected(folder / "sweep")
    assert population.sizes == {"model": TRIALS, "epoch": EPOCHS}


def plain(folder: Path) -> None:
    """What one would write oneself: every line through the standard library, the curves thrown away."""
    rows = []
    for path in sorted((folder / "sweep" / "records").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            rows.append((record["trial_id"], record["status"], record["min_test_top1"]))
    assert len(rows) == TRIALS


STEPS: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (plan, prepare, fill, status, collect, plain)
}


def measured(step: str, folder: Path) -> tuple[float, float, float]:
    """CPU seconds, seconds, and gigabytes at most, of a step in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, step, str(folder)], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    cpu, wall, memory = map(float, done.stdout.split()[-3:])
    print(f"{step:<10} {cpu:6.1f} s CPU, {wall:6.1f} s, {memory:5.2f} GB at most")
    return cpu, wall, memory


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweep")


def test_a_hundred_thousand_trials(folder: Path) -> None:
    print()
    for step in ("plan", "prepare", "fill"):
        measured(step, folder)
    size = sum(path.stat().st_size for path in (folder / "sweep" / "records").iterdir())
    print(f"records: {size / 1e6:.0f} MB in {WORKERS} files")
    base = measured("plain", folder)[0]
    for step in ("status", "status", "collect"):
        print(f"{'':<10} {measured(step, folder)[0] / base:.2f} times json.loads of the records")


def test_a_thousand_workers_by_the_clock(tmp_path: Path) -> None:
    """The sweep played with a clock, 5 % of the workers killed and 5 % preempted: see tests/submit/simulation.py."""
    from tests.submit.test_simulation import play_with_faults

    begun = time.process_time()
    ratio, files = play_with_faults(tmp_path, TRIALS, WORKERS)
    print(f"\nmakespan {100 * (ratio - 1):.1f} % above the lower bound, {time.process_time() - begun:.0f} s CPU")
    print(f"most files on disk beside submitit's: {files} of {10 * WORKERS + TRIALS // 20} in all")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="One step of the benchmark in a process of its own: prints its CPU seconds, its seconds and its "
        "largest resident memory in GB. All steps: python -m pytest -o addopts= -s benchmarks/bench_sweep.py",
    )
    parser.add_argument("step", choices=list(STEPS), help="all but plan and prepare need those before: prepare, fill")
    parser.add_argument("folder", type=Path, help="folder that is there, to hold sweep.yaml and sweep/")
    return parser.parse_args()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    asked = _asked()
    start = time.perf_counter()
    STEPS[asked.step](asked.folder)
    wall = time.perf_counter() - start
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(each.ru_utime + each.ru_stime for each in spent)
    print(cpu, wall, max(each.ru_maxrss for each in spent) / 1024**2)
