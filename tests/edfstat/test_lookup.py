"""The lookup backend answers what the file says."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import edfstat
from edfstat import Trial, backends
from edfstat.errors import InputError
from edfstat.lookup import LookupBackend

SAMPLES = Path(__file__).parents[1] / "data" / "published"
JOBS = json.loads((SAMPLES / "ResNeXt-A.json").read_text())


def trial(net: object, path: Path = SAMPLES / "ResNeXt-A.json", **changes: object) -> Trial:
    return Trial(space="ResNeXt-A", net=net, options={"results": str(path)}, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [0, 17, 39])
def test_every_job_is_found_whatever_the_key_order(number: int) -> None:
    job = JOBS[number]
    record = backends()["lookup"].run(trial(dict(reversed(job["net"].items()))))
    assert record["min_test_top1"] == job["min_test_top1"]
    assert (record["params"], record["flops"]) == (job["params"], job["flops"])
    assert record["final_test_top1"] == job["test_ep_top1"][-1]
    json.dumps(record, allow_nan=False)


def test_backends_are_a_mapping() -> None:
    found = backends()
    assert found.get("nope") is None
    assert "nope" not in found
    with pytest.raises(KeyError):
        found["nope"]
    with pytest.raises(InputError, match=r"^no backend is named 'nope'; there are \['lookup', 'torch'\]$"):
        found["nope"]


def test_several_trainings_of_one_net_are_told_apart(tmp_path: Path) -> None:
    base = {"params": 1, "flops": 2, "net": {"ds": [1, 2]}}
    jobs = [
        base | {"rng_seed": seed, "optim": {"base_lr": lr, "wd": 0.1, "max_ep": 2}, "min_test_top1": seed + 10 * lr}
        for seed in (1, 2, 3) for lr in (0.1, 0.5)
    ]  # fmt: skip
    path = tmp_path / "ResNet.json"
    path.write_text(json.dumps(jobs))
    record = LookupBackend().run(trial({"ds": [1, 2.0]}, path, seed=2, optim={"base_lr": 0.5}))
    assert record["min_test_top1"] == 7.0
    assert record["optim"] == {"base_lr": 0.5, "wd": 0.1, "max_ep": 2}


def test_curves_are_those_of_the_file() -> None:
    for job in JOBS:
        record = LookupBackend().run(trial(job["net"]))
        assert record["test_ep_top1"] == job["test_ep_top1"]
        assert record["train_ep_top1"] == job["train_ep_top1"]
        known = [None if value is None or value != value else value for value in job["train_ep_loss"]]
        assert record["train_ep_loss"] == known
    without = Trial(
        space="", net=JOBS[0]["net"], options={"results": str(SAMPLES / "ResNeXt-A.json"), "curves": False}
    )  # fmt: skip
    assert "test_ep_top1" not in LookupBackend().run(without)


def test_a_run_lost_to_an_accident_answers_last(tmp_path: Path) -> None:
    jobs = [
        {"net": {"a": 1}, "rng_seed": 1, "status": "lost"},
        {"net": {"a": 1}, "rng_seed": 2, "status": "ok", "min_test_top1": 5.0},
        {"net": {"a": 2}, "rng_seed": 1, "status": "lost"},
    ]
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(job) + "\n" for job in jobs))
    assert LookupBackend().run(trial({"a": 1}, path, seed=1))["min_test_top1"] == 5.0
    assert LookupBackend().run(trial({"a": 2}, path, seed=1))["status"] == "lost"


def test_the_bundled_population_is_a_benchmark_too() -> None:
    population = edfstat.example_population()
    for number in (0, 100):
        one = population.isel(model=number)
        options = {"results": "example"}
        wanted = Trial(space=one["space"].item(), net=json.loads(one["net"].item()), options=options)
        record = LookupBackend().run(wanted)
        assert record["min_test_top1"] == one["error"].item()
        assert min(record["test_ep_top1"]) == record["min_test_top1"]


def test_a_file_inside_the_archive_beside_it_answers(tmp_path: Path) -> None:
    """As `load` finds it there after a download."""
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(SAMPLES / "ResNeXt-A.json", "nds_data/ResNeXt-A.json")
    record = LookupBackend().run(trial(JOBS[3]["net"], tmp_path / "ResNeXt-A.json"))
    assert record["min_test_top1"] == JOBS[3]["min_test_top1"]
    for absent in ("mine.json", "ResNeXt-A.nc", "DARTS.json"):
        with pytest.raises(InputError, match="which is not there"):
            LookupBackend().run(trial(JOBS[3]["net"], tmp_path / absent))


def test_what_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model with the net"):
        LookupBackend().run(trial({"ds": [9, 9]}))
    with pytest.raises(InputError, match="options"):
        LookupBackend().run(Trial(space="A", net={}))
    with pytest.raises(InputError, match="not there"):
        LookupBackend().run(trial({}, tmp_path / "none.json"))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "ResNet.json"
    for error in (5.0, 6.25):
        path.write_text(json.dumps([{"net": {"a": 1}, "min_test_top1": error}] * int(error)))
        assert LookupBackend().run(trial({"a": 1}, path))["min_test_top1"] == error
