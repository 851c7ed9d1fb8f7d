"""What a machine lacks is no trial's fault; what a backend gives that is no record is."""

from pathlib import Path
from typing import Any

import pytest

from edfstat import Trial
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
    assert said.err.splitlines()[-1] == f"error: no trial can run where the workers were: {reason}"
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
        (None, "but NoneType"),
        ({"min_test_top1": 5.0}, "with a status of ok, diverged, oom, timeout, error, lost, but None"),
        ({"status": "fine"}, "but 'fine'"),
        ({"status": "ok", "trial_id": "another"}, "of this trial, but of 'another'"),
        ({"status": "ok", "min_test_top1": {1.0}}, "that can be written: Object of type set"),
    ],
)
def test_what_is_no_record_is_an_error_of_the_trial(tmp_path: Path, answer: Any, said: str) -> None:
    outcome = run_trial(Giving(answer), TRIAL, str(tmp_path), "cpu", lambda: False)
    record = outcome["record"]
    assert (record["status"], record["trial_id"]) == ("error", TRIAL.id)
    assert record["message"].startswith("the backend gave no record ")
    assert said in record["message"]
    assert record["message"].endswith("edfstat.records.make_record(trial, ...) makes one")


def test_what_the_trial_says_a_record_may_leave_out(tmp_path: Path) -> None:
    answer = {"status": "ok", "min_test_top1": 5.0, "more": [1]}
    outcome = run_trial(Giving(answer), TRIAL, str(tmp_path), "cpu", lambda: False)
    assert outcome["record"] == {**make_record(TRIAL, min_test_top1=5.0), "more": [1]}


class Careless:
    """A backend of a user's, who has not read how records are made."""

    def run(self, trial: Trial, **_: Any) -> dict[str, Any]:
        return {"min_test_top1": 5.0}


def test_a_sweep_of_a_careless_backend_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fake(2, backend=f"{__name__}:Careless", workers=1))
    assert main(["run", str(path), "--cluster", "local"]) == 1
    assert "every trial failed: the backend gave no record with a status" in capsys.readouterr().err
    found = gather(open_sweep(tmp_path / "sweep")).records
    assert [record["status"] for record in found] == ["error", "error"]
