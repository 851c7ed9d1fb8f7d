"""Reading a published file of 25,000 jobs, against `json.load` of the same file.

CPU time, in one process, best of three; what was read is used (sums of all columns, all nets). Prints ratios.
"""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edfstat

JOBS, EPOCHS = 25_000, 100


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic: 25,000 jobs with five lists of 100 values, one in 200 diverged."""
    folder = tmp_path_factory.mktemp("load")
    os.environ["EDFSTAT_CACHE"] = str(folder / "cache")
    rng = np.random.default_rng(0)
    path = folder / "ResNet.json"
    with path.open("w") as out:
        for i in range(JOBS):
            curve = np.round(60 * 0.97 ** np.arange(EPOCHS) + rng.random((5, EPOCHS)), 3)
            loss = curve[0] / 40
            if i % 200 == 7:
                loss[1:] = np.nan
            stages = rng.integers(1, 25, (2, 3)).tolist()
            job = {
                "job_id": i, "rng_seed": 1, "params": 1000 + i, "flops": 10**8 + i,
                "net": {"block_type": "res_basic_block", "ds": [1, *stages[0]], "ws": [16, *stages[1]]},
                "optim": {"base_lr": 0.1, "wd": 5e-4, "max_ep": EPOCHS}, "iter_time": 0.04,
                "min_test_top1": float(curve[2].min()), "train_ep_loss": np.round(loss, 3).tolist(),
                "train_ep_top1": curve[1].tolist(), "test_ep_top1": curve[2].tolist(),
                "train_it_loss": curve[3].tolist(), "train_it_top1": curve[4].tolist(),
            }  # fmt: skip
            out.write(("[" if i == 0 else ", ") + json.dumps(job))
        out.write("]")
    return path


def seconds(run: Callable[[], Any], repeats: int = 3) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def use(**options: Any) -> None:
    population = edfstat.load(**options)
    for variable in population.variables.values():
        if variable.dtype.kind in "fi":
            np.nansum(variable.values)
    sum(map(len, population["net"].values.tolist()))


def plain(path: Path) -> None:
    with path.open() as opened:
        json.load(opened)


def peak(run: Callable[[], Any]) -> int:
    tracemalloc.start()
    run()
    high = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return high


def test_load(file: Path) -> None:
    base = seconds(lambda: plain(file))
    print(f"\n{file.stat().st_size / 1e6:.0f} MB, json.load {base:.2f} s")
    for curves in (False, True):
        cold = seconds(lambda: use(path_or_paths=file, curves=curves, cache=False))  # noqa: B023
        use(path_or_paths=file, curves=curves)
        cached = seconds(lambda: use(path_or_paths=file, curves=curves))  # noqa: B023
        print(f"curves={curves}: {base / cold:.1f} times as fast, from the cache {base / cached:.0f} times")
    share = peak(lambda: use(path_or_paths=file, cache=False)) / peak(lambda: plain(file))
    print(f"peak memory without curves: {share:.0%} of json.load's")
