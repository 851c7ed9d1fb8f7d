"""Reading a published file of 25,000 jobs, against `json.load` of the same file; tables of 1,000,000, against pandas;
netCDF of as many jobs, against h5py.

Time on the clock and CPU time, in one process, best of five in turns; what was read is used (sums of all columns, all
nets). Prints ratios.
"""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

import edfstat

JOBS, EPOCHS, ROWS = 25_000, 100, 1_000_000


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


def seconds(**runs: Callable[[], Any]) -> dict[str, tuple[float, float]]:
    """Best time of each on the clock and of the processor, taken in turns so that a slow spell meets all."""
    best = dict.fromkeys(runs, (float("inf"), float("inf")))
    for _ in range(5):
        for name, run in runs.items():
            clock, cpu = time.perf_counter(), time.process_time()
            run()
            spent = time.perf_counter() - clock, time.process_time() - cpu
            best[name] = min(best[name][0], spent[0]), min(best[name][1], spent[1])
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
    use(path_or_paths=file, curves=True)  # fills the cache
    use(path_or_paths=file, curves=False)
    best = seconds(
        json_load=lambda: plain(file),
        without_curves=lambda: use(path_or_paths=file, cache=False),
        with_curves=lambda: use(path_or_paths=file, curves=True, cache=False),
        cached=lambda: use(path_or_paths=file),
        cached_with_curves=lambda: use(path_or_paths=file, curves=True),
    )
    base = best.pop("json_load")
    print(f"\n{file.stat().st_size / 1e6:.0f} MB, json.load {base[0]:.2f} s")
    for name, (clock, cpu) in best.items():
        print(f"{name}: {clock:.3f} s, {base[0] / clock:.1f} times as fast; CPU {cpu:.3f} s, {base[1] / cpu:.1f} times")
    share = peak(lambda: use(path_or_paths=file, cache=False)) / peak(lambda: plain(file))
    print(f"peak memory without curves: {share:.0%} of json.load's")


def test_tables(tmp_path: Path) -> None:
    """Synthetic: two spaces, errors, two counts, a learning rate and a column of the reader's own."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "space": rng.choice(["A", "B"], ROWS), "error": rng.uniform(3, 40, ROWS), "lr": rng.uniform(0, 1, ROWS),
        "params": rng.integers(10**3, 10**7, ROWS), "flops": rng.integers(10**6, 10**9, ROWS),
        "own": rng.uniform(0, 1, ROWS),
    })  # fmt: skip
    csv, parquet = tmp_path / "runs.csv", tmp_path / "runs.parquet"
    frame.to_csv(csv, index=False)
    frame.to_parquet(parquet)
    best = seconds(
        pandas_csv=lambda: pd.read_csv(csv),
        load_csv=lambda: edfstat.load(csv),
        pandas_parquet=lambda: pd.read_parquet(parquet),
        load_parquet=lambda: edfstat.load(parquet),
    )
    for kind in ("csv", "parquet"):
        (_, base), (clock, cpu) = best[f"pandas_{kind}"], best[f"load_{kind}"]
        print(f"\n{kind}: {clock:.2f} s, CPU {cpu:.2f} s, {cpu / base:.1f} times pandas' {base:.2f} s")


def read_with_h5py(path: Path) -> None:
    with h5py.File(path) as file:
        for variable in file.values():
            (variable.asstr() if h5py.check_string_dtype(variable.dtype) else variable)[()]


def test_netcdf(file: Path, tmp_path: Path) -> None:
    """The file's own jobs, and then one of them with a message of 20,000 characters."""
    population = edfstat.load(file)
    message = np.full(population.sizes["model"], "", dtype=object)
    message[7] = "x" * 20_000
    for name, ds in (("short texts", population), ("a long text", population.assign(message=("model", message)))):
        path = edfstat.save(ds, tmp_path / "runs.nc")
        best = seconds(h5py=lambda path=path: read_with_h5py(path), load=lambda path=path: edfstat.load(path))
        (clock, _), (base, _) = best["load"], best["h5py"]
        share = peak(lambda path=path: edfstat.load(path)) / peak(lambda path=path: read_with_h5py(path))
        print(
            f"\nnetCDF, {name}: {clock:.2f} s, {clock / base:.1f} times h5py's {base:.2f} s; "
            f"peak memory {share:.1f} times"
        )
