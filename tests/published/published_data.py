"""Synthetic files in the form of the published ones, for tests: every number here is made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

NAS = ("NASNet", "Amoeba", "PNAS", "ENAS", "DARTS")


def write_file(folder: Path, name: str, count: int, seed: int = 0) -> Path:
    """A list of `count` jobs with many tied errors; complexity fills the paper's ranges and goes beyond."""
    rng = np.random.default_rng([seed, *name.encode()])
    imagenet = name.endswith("_in")
    params = np.exp(rng.uniform(np.log(2e4), np.log(8e6 if imagenet else 1.2e6), count)).astype(int)
    params[: count // 2] = rng.uniform(1e4, 7e6 if imagenet else 0.9e6, count // 2).astype(int)
    flops = (params * rng.uniform(80, 200, count)).astype(int)
    errors = np.round(5 + rng.gamma(2, 1.5, count) + 3 * np.exp(-params / 3e5), 2)
    jobs = [
        {
            "job_id": i, "rng_seed": 1, "params": int(params[i]), "flops": int(flops[i]), "net": {"ds": [1, i % 400]},
            "optim": {"base_lr": float(10 ** rng.uniform(-3, 0)), "wd": float(10 ** rng.uniform(-5, -2)), "max_ep": 1},
            "iter_time": 0.1, "min_test_top1": float(errors[i]), "test_ep_top1": [float(errors[i])],
        }
        for i in range(count)
    ]  # fmt: skip
    return write_jobs(folder, name, jobs)


def write_jobs(folder: Path, name: str, jobs: Any) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(jobs), encoding="utf-8")
    return path


def write_reruns(folder: Path, name: str) -> Path:
    rng = np.random.default_rng(5)
    lists = {
        group: [
            {"job_id": i, "params": 10, "flops": 20, "net": {"ds": [1, level]}, "min_test_top1": error}
            for i, error in enumerate(np.round(rng.normal(level, 0.2, 60), 2).tolist())
        ]
        for group, level in (("top", 5), ("mid", 7))
    }
    return write_jobs(folder, name, lists)
