"""Small sweeps that tests run, and what they compare."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml

from submit.collecting import gather
from submit.directory import open_sweep

DIGITS: dict[str, Any] = {
    "spaces": [{"name": "Vanilla", "count": 20}, {"name": "ResNet", "count": 20}],
    "caps": {"max_params": 25_000, "require": "all"},
    "dataset": "digits",
    "optim": {"max_ep": 2},
    "backend": "torch",
    "workers": 2,
    "lease": 6,
    "resources": {"time": "11 min", "account": "research", "warning": 60},
}


def fake(count: int = 20, *, epochs: int = 3, epoch_seconds: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A sweep whose trials only pretend: what scheduling is tested with."""
    options = {"epoch_seconds": epoch_seconds, **changes.pop("options", {})}
    return {
        **DIGITS, "spaces": [{"name": "Vanilla", "count": count}], "caps": {}, "optim": {"max_ep": epochs},
        "backend": "tests.submit.fake:FakeBackend", "backend_options": options, **changes,
    }  # fmt: skip


def write(folder: Path, config: dict[str, Any], name: str = "sweep.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(config))
    return path


def holding(folder: Path, but: int = 0) -> dict[str, Any]:
    """Options by which all trials but so many stay in their last epoch, until they are told to stop or `let_go`."""
    (folder / "held").mkdir()
    return {"held": str(folder / "held"), "but": but}


def let_go(folder: Path) -> None:
    (folder / "held" / "go").touch()


def finished_once(directory: Path) -> None:
    """Every planned trial has exactly one record, and it says ok."""
    sweep = open_sweep(directory)
    found = gather(sweep)
    assert [r["trial_id"] for r in found.records] == [t.id for t in sweep.trials()]
    assert (found.duplicates, found.foreign) == (0, 0)
    assert {r["status"] for r in found.records} == {"ok"}, [r["message"] for r in found.records]


def outcomes(population: xr.Dataset) -> dict[str, tuple[Any, ...]]:
    """What a population says of each trial, without where and when it ran."""
    names = [
        n for n in ("error", "final_error", "params", "flops", "seed", "net", "space", "status") if n in population
    ]
    curves = [n for n in ("train_loss", "train_error", "test_error") if n in population]
    rows = {}
    for i, job in enumerate(population["job_id"].values):
        single = tuple(
            population[n].values[i].item() if hasattr(population[n].values[i], "item") else population[n].values[i]
            for n in names
        )
        rows[str(job)] = single + tuple(tuple(np.nan_to_num(population[n].values[i], nan=-1.0)) for n in curves)
    return rows


def wait_until(true: Any, seconds: float = 200.0, what: str = "the condition") -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s"
        time.sleep(0.1)


def records(directory: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (directory / "records").glob("*.jsonl"))


def workers(directory: Path) -> list[dict[str, Any]]:
    """What living workers say of themselves."""
    said = [json.loads(path.read_text()) for path in (directory / "workers").glob("[!.]*.json")]
    return [each for each in said if each["state"] == "running"]
