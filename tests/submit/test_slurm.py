"""Sweeps on a real SLURM of two nodes, undisturbed."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import edfstat
from edfstat.errors import InputError
from submit import operations, scheduler
from submit.directory import open_sweep
from submit.doctor import examine
from submit.launching import launches
from submit.opening import opened
from submit.sweep import main
from tests.submit.cluster import Cluster
from tests.submit.sweeps import DIGITS, fake, finished_once, holding, let_go, outcomes, wait_until, write

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]


def test_digits_on_two_nodes(slurm: Cluster, tmp_path: Path) -> None:
    spaces = [{"name": "Vanilla", "count": 3}, {"name": "ResNet", "count": 3}]
    path = write(tmp_path, {**DIGITS, "spaces": spaces, "optim": {"max_ep": 1}})
    found = operations.run(path, cluster="slurm", watch=True)
    assert found.complete
    finished_once(tmp_path / "sweep")
    population = operations.collect(path)
    assert set(population["space"].values) == {"Vanilla", "ResNet"}
    assert "git_revision" in population.attrs
    assert json.loads(population.attrs["versions"])["torch"]
    assert outcomes(edfstat.load(tmp_path / "sweep" / "population.nc", curves=True)) == outcomes(population)
    # Finished: the same command returns at once and submits nothing.
    assert operations.run(path, cluster="slurm", watch=True).complete
    assert len(launches(opened(path))) == 1


def test_more_workers_than_an_array_takes(slurm: Cluster, tmp_path: Path) -> None:
    assert scheduler.read_limits().array == 5
    path = write(tmp_path, fake(30, epochs=1, workers=7))
    found = operations.run(path, cluster="slurm", watch=True)
    assert found.complete
    finished_once(tmp_path / "sweep")
    made = launches(opened(path))[0]
    assert len({job.split("_")[0] for job in made.jobs}) == 2
    assert len(made.jobs) == 7


@pytest.fixture
def few_jobs(slurm: Cluster) -> Iterator[Callable[[int], None]]:
    """Sets how many jobs the user may have in the queue."""
    wait_until(lambda: not slurm.call("squeue", "-h").stdout.strip(), what="the end of earlier jobs")

    def limit(jobs: int) -> None:
        words = ("modify", "user", "root", "set", f"MaxSubmitJobs={jobs}")
        assert slurm.call("sacctmgr", "-iQ", *words).returncode == 0
        wait_until(lambda: limits() == ([str(jobs)] * 2 if jobs >= 0 else []), what="the controller's hearing of it")

    def limits() -> list[str]:
        """Of the user in each account, as the controller knows them."""
        said = slurm.call("scontrol", "show", "assoc_mgr", "users=root", "flags=assoc").stdout
        return re.findall(r"MaxSubmitJobs=(\d+)", said)

    yield limit
    limit(-1)


def test_a_limit_on_submitted_jobs_costs_workers_not_the_sweep(
    slurm: Cluster, tmp_path: Path, few_jobs: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    few_jobs(3)
    path = write(tmp_path, fake(20, epochs=2, epoch_seconds=0.1, workers=7, options=holding(tmp_path)))
    found = operations.run(path, cluster="slurm", watch=True, show=lambda _: let_go(tmp_path))
    assert "SLURM took 3 of 7 workers" in capsys.readouterr().err
    assert found.complete
    finished_once(tmp_path / "sweep")
    made = launches(opened(path))[0]
    assert (made.workers, len(made.jobs)) == (3, 3)
    # Nothing is left of the arrays that were refused: four files of each of three tasks, one of each submission.
    assert len(list((tmp_path / "sweep" / "logs").iterdir())) <= 3 * 4 + 2


def test_where_no_job_may_be_submitted_nothing_is_left_behind(
    slurm: Cluster, tmp_path: Path, few_jobs: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    few_jobs(0)
    path = write(tmp_path, fake(20, workers=2))
    assert main(["run", str(path), "--cluster", "slurm"]) == 2
    assert "limit" in capsys.readouterr().err.splitlines()[-1].lower()
    assert not list(tmp_path.glob("sweep/launches/*.json"))


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"partition": "nope"}, "partition=nope"),
        ({"account": "nobody"}, "account=nobody"),
        ({"gpus": 7}, "gpus-per-node=7"),
        ({"sbatch": {"no-such-flag": 1}}, "no-such-flag"),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_written(
    slurm: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], resources: dict, said: str
) -> None:
    path = write(tmp_path, fake(3, resources={"time": "20 min", **resources}))
    assert main(["run", str(path), "--cluster", "slurm"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


def test_doctor_looks_at_the_cluster_and_a_node(slurm: Cluster, tmp_path: Path) -> None:
    path = write(tmp_path, fake(3))
    findings = examine(path, "slurm")
    text = "\n".join(finding.line() for finding in findings)
    assert all(finding.good for finding in findings), text
    assert "arrays up to 5 tasks" in text
    assert "imports edfstat, trainers, datasets, submit" in text
    assert not list(tmp_path.glob(".doctor*"))


def test_cancel_stops_cleanly_and_resume_goes_on(slurm: Cluster, tmp_path: Path) -> None:
    path = write(tmp_path, fake(12, epochs=3, epoch_seconds=0.2, options=holding(tmp_path, but=2)))
    operations.run(path, cluster="slurm", watch=False)
    with pytest.raises(InputError, match="different sweep"):
        operations.run(write(tmp_path, fake(11), "other.yaml"), cluster="slurm", directory=tmp_path / "sweep")
    assert operations.cancel(path) == 1
    let_go(tmp_path)
    assert operations.resume(path, cluster="slurm", watch=True).complete
    finished_once(tmp_path / "sweep")


def test_workers_take_what_a_sweep_grows_by(slurm: Cluster, tmp_path: Path) -> None:
    options = holding(tmp_path)
    path = write(tmp_path, fake(4, epochs=1, options=options))
    operations.run(path, cluster="slurm", watch=False)
    write(tmp_path, fake(9, epochs=1, options=options))
    assert operations.run(path, cluster="slurm", watch=False).total == 9
    let_go(tmp_path)
    assert operations.run(path, cluster="slurm", watch=True).complete
    finished_once(tmp_path / "sweep")
    assert len(launches(open_sweep(tmp_path / "sweep"))) == 1


def test_run_returns_at_once_and_says_that_workers_come(
    slurm: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default on SLURM, which scripts go on after."""
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done"
    resources = {**DIGITS["resources"], "setup": [wait]}
    path = write(tmp_path, fake(6, epochs=2, epoch_seconds=0.3, workers=2, resources=resources))
    assert main(["run", str(path), "--cluster", "slurm"]) == 0
    (tmp_path / "go").touch()
    shown = capsys.readouterr()
    assert not shown.err
    assert "2 waiting or starting" in shown.out
    wait_until(lambda: operations.status(path).complete, what="the end of the sweep")
    assert operations.status(path).queued_workers == 0
    finished_once(tmp_path / "sweep")


def test_resources_that_changed_in_the_file_hold_for_the_next_workers(
    slurm: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = fake(4, epochs=2, epoch_seconds=0.2, options=holding(tmp_path))
    path = write(tmp_path, config)
    operations.run(path, cluster="slurm")
    changed = {"workers": 1, "resources": {**config["resources"], "time": "00:23:00", "memory": "100MB"}}
    write(tmp_path, {**config, **changed})
    operations.run(path, cluster="slurm")
    assert "workers, resources changed in the sweep file, but workers are at work" in capsys.readouterr().err
    operations.cancel(path)
    before = (tmp_path / "sweep" / "sweep.yaml").read_bytes()
    write(tmp_path, {**config, "resources": {**config["resources"], "partition": "nowhere"}})
    with pytest.raises(InputError, match="partition"):
        operations.resume(path, cluster="slurm")
    assert (tmp_path / "sweep" / "sweep.yaml").read_bytes() == before
    capsys.readouterr()
    # At once: workers that were told to stop may still be ending.
    write(tmp_path, {**config, **changed})
    operations.resume(path, cluster="slurm")
    assert capsys.readouterr().err == "workers, resources changed in the sweep file; from now on it is as there\n"
    name = launches(opened(path))[-1].job_name
    jobs = slurm.call("squeue", "-h", "--array", f"--name={name}", "--format=%l|%m").stdout.split()
    assert jobs == ["23:00|100M"]
    assert opened(path).config.name == "sweep"
    operations.cancel(path)
