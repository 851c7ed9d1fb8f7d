"""What a machine lacks is no trial's fault; what a backend gives that is no record is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edfstat import Trial, from_records, validate
from edfstat.errors import NotReady
from edfstat.records import make_record
from submit import operations
from submit.collecting import gather
from submit.directory import open_sweep
from submit.doctor import examine
from submit.running import run_trial
from submit.sweep import main
from tests.submit.sweeps import DIGITS, fake, finished_once, records, write


class NeedsFile:
    """Ready once a file is there."""

    def run(self, trial: Trial, **_: Any) -> dict[str, Any]:
        needed = Path(trial.options["needed"])
        if not needed.exists():
            raise NotReady(f"{needed} is not there; make it")
        return make_record(trial, min_test_top1=1.0)


@pytest.mark.parametrize("cluster", ["local", "debug"])
def test_trials_wait_for_what_is_missing(tmp_path: Path, cluster: str, capsys: pytest.CaptureFixture[str]) -> None:
    needed = tmp_path / "needed"
    path = write(tmp_path, fake(4, backend=f"{__name__}:NeedsFile", options={"needed": str(needed)}))
    assert main(["run", str(path), "--cluster", cluster]) == 2
    said = capsys.readouterr()
    reason = f"{needed} is not there; make it"
    assert said.err.splitlines()[-1] == f"error: workers ended, as no trial can run where they were: {reason}"
    assert f"problem    {reason}" in said.out
    assert records(tmp_path / "sweep") == 0
    needed.touch()
    found = operations.resume(path, cluster=cluster)
    assert found.complete
    assert not found.problems
    finished_once(tmp_path / "sweep")


def test_images_that_are_missing_fail_no_trial_and_doctor_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDFSTAT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write(tmp_path, {**DIGITS, "spaces": [{"name": "ResNet", "count": 2}], "dataset": "cifar100"})
    assert main(["doctor", str(path), "--cluster", "local"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FIX")]
    assert "data set cifar100 cannot be read here" in line
    assert line.endswith("fetch it: datasets.get('cifar100', download=True)")
    assert main(["run", str(path), "--cluster", "debug"]) == 2
    assert "cifar100 (cifar-100-python) is not in EDFSTAT_DATA or the cache" in capsys.readouterr().err
    assert records(tmp_path / "sweep") == 0
    assert all(finding.good for finding in examine(write(tmp_path, DIGITS, "digits.yaml"), "local"))


def test_a_results_file_that_is_missing_fails_no_trial(tmp_path: Path) -> None:
    trial = Trial("ResNet", {}, options={"results": str(tmp_path / "none.json")})
    from edfstat import backends

    outcome = run_trial(backends()["lookup"], trial, str(tmp_path), "cpu", lambda: False)
    assert outcome["kind"] == "unready"
    assert "none.json, which is not there" in outcome["message"]


class Giving:
    """Gives what it was made with."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def run(self, trial: Trial, **_: Any) -> Any:
        return self.answer


TRIAL = Trial("ResNet", {"ds": [1]}, "digits")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "it gave NoneType"),
        ({"min_test_top1": 5.0}, "its status is None, not one of ok, diverged, oom, timeout, error, lost"),
        ({"status": "fine"}, "its status is 'fine'"),
        ({"status": "ok", "trial_id": "another"}, "it is that of another trial, 'another'"),
        ({"status": "ok", "min_test_top1": {1.0}}, "it holds set, which JSON has no form for"),
        ({"status": "ok"}, "its status is ok, but min_test_top1 is no number"),
        ({"status": "ok", "min_test_top1": float("nan")}, "its status is ok, but min_test_top1 is no number"),
        ({"status": "ok", "min_test_top1": 250}, "min_test_top1: expected `float` <= 100"),
        ({"status": "ok", "min_test_top1": 5, "params": "many"}, "params: expected `int | null`, got `str`"),
        ({"status": "ok", "min_test_top1": 5, "params": -1}, "params: expected `int` >= 0"),
        ({"status": "ok", "min_test_top1": 5, "rng_seed": "a"}, "rng_seed: expected `int`, got `str`"),
        ({"status": "ok", "min_test_top1": 5, "test_ep_top1": "x"}, "test_ep_top1: expected `array | null`, got `str`"),
        ({"status": "ok", "min_test_top1": 5, "params": 1.5}, "params: expected `int | null`, got `float`"),
        ({"status": "ok", "min_test_top1": 5, "provenance": "text"}, "provenance: expected `object`, got `str`"),
    ],
)
def test_what_is_no_record_is_an_error_of_the_trial(tmp_path: Path, answer: Any, said: str) -> None:
    outcome = run_trial(Giving(answer), TRIAL, str(tmp_path), "cpu", lambda: False)
    record = outcome["record"]
    assert (record["status"], record["trial_id"]) == ("error", TRIAL.id)
    assert record["message"].startswith("the backend gave no record: ")
    assert said in record["message"]
    assert record["message"].endswith("; edfstat.make_record(trial, ...) makes one")


def test_what_the_trial_says_a_record_may_leave_out(tmp_path: Path) -> None:
    answer = {"status": "ok", "min_test_top1": 5.0, "more": [1]}
    outcome = run_trial(Giving(answer), TRIAL, str(tmp_path), "cpu", lambda: False)
    assert outcome["record"] == {**make_record(TRIAL, min_test_top1=5.0), "more": [1]}


def test_what_backends_usually_give_is_taken(tmp_path: Path) -> None:
    """Counts as whole floats, nothing for what is not known, names with halves of characters in them."""
    answer = {"status": "ok", "min_test_top1": 5, "params": 1e6, "message": None, "provenance": {"file": "\udc80"}}
    record = run_trial(Giving({**answer, "rng_seed": None}), TRIAL, str(tmp_path), "cpu", lambda: False)["record"]
    assert (record["status"], record["params"], record["message"]) == ("ok", 1_000_000, "")
    assert isinstance(record["params"], int)
    assert record["provenance"] == {"file": "\\udc80"}
    assert record["rng_seed"] == TRIAL.seed


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    curve = np.array([13.0, np.nan, 12.5])
    answer = make_record(TRIAL, min_test_top1=np.float32(12.5), params=np.int64(7), test_ep_top1=curve)
    record = run_trial(Giving(answer), TRIAL, str(tmp_path), "cpu", lambda: False)["record"]
    assert (record["min_test_top1"], record["params"], record["test_ep_top1"]) == (12.5, 7, [13.0, None, 12.5])
    validate(from_records([record], curves=True))


class Failing:
    """Raises what it was made with."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def run(self, trial: Trial, **_: Any) -> dict[str, Any]:
        raise self.error


@pytest.mark.parametrize("error", [SystemExit(3), RuntimeError("half a character: \udc80")])
def test_whatever_a_backend_raises_is_an_error_of_the_trial(tmp_path: Path, error: BaseException) -> None:
    record = run_trial(Failing(error), TRIAL, str(tmp_path), "cpu", lambda: False)["record"]
    assert record["status"] == "error"
    assert type(error).__name__ in record["message"]
    record["message"].encode("utf-8")


class Careless:
    """A backend of a user's, who has not read how records are made."""

    def run(self, trial: Trial, **_: Any) -> dict[str, Any]:
        return {"min_test_top1": 5.0}


def test_a_sweep_of_a_careless_backend_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fake(2, backend=f"{__name__}:Careless", workers=1))
    assert main(["run", str(path), "--cluster", "local"]) == 1
    assert "every trial failed: the backend gave no record: its status is None" in capsys.readouterr().err
    found = gather(open_sweep(tmp_path / "sweep")).records
    assert [record["status"] for record in found] == ["error", "error"]
