"""Answers of the `lookup` backend over 25,000 models, against looking the net up in a DataFrame."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

import edfstat

JOBS, ASKED = 25_000, 2_000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    jobs = [
        {
            "job_id": i, "params": 1000 + i, "flops": 10**8 + i,
            "min_test_top1": float(np.round(rng.uniform(5, 20), 2)),
            "net": {"block_type": "res_basic_block", "ds": rng.integers(1, 25, 4).tolist(), "ws": [16, 32, 64, i + 1]},
        }
        for i in range(JOBS)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("lookup") / "ResNet.json"
    path.write_text(json.dumps(jobs))
    return path


def test_lookup(file: Path) -> None:
    backend = edfstat.backends()["lookup"]
    population = edfstat.load(file)
    order = np.random.default_rng(1).integers(0, JOBS, ASKED)
    nets = [json.loads(population["net"].values[i]) for i in order]
    trials = [edfstat.Trial(space="ResNet", net=net, options={"results": str(file)}) for net in nets]
    start = time.perf_counter()
    backend.run(trials[0])
    first = time.perf_counter() - start
    start = time.perf_counter()
    errors = [backend.run(trial)["min_test_top1"] for trial in trials]
    each = (time.perf_counter() - start) / ASKED
    assert errors == population["error"].values[order].tolist()
    frame = population[["net", "error"]].to_dataframe()
    texts = [json.dumps(net, sort_keys=True) for net in nets[:50]]
    start = time.perf_counter()
    for text in texts:
        frame.loc[frame["net"] == text, "error"].iloc[0]
    plain = (time.perf_counter() - start) / len(texts)
    print(f"\nfirst answer (reads and indexes {JOBS:,} models): {first:.2f} s")
    print(f"each further one: {each * 1e6:.0f} us; a DataFrame searched by the net's text: {plain * 1e6:.0f} us")
    print(f"ratio: {plain / each:.0f}")
