"""What a user meets: failures in one line, sweeps that may only be read, retries, provenance."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import edfstat
from submit import launching, opening, operations
from submit.collecting import gather
from submit.config import read_config
from submit.directory import Round, open_sweep
from submit.doctor import examine
from submit.launching import active_launches, launches, living_workers
from submit.planning import make_plan
from submit.scheduler import QueuedJob
from submit.status import Status
from submit.surroundings import job_id, log_name, on_slurm
from submit.sweep import main
from tests.absent import absent
from tests.submit.sweeps import fake, holding, let_go, records, wait_until, write


def test_what_nobody_expected_is_one_line_and_a_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake\nof ours")

    monkeypatch.setattr("submit.sweep.status", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["status", "x.yaml"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: unexpected ZeroDivisionError: a mistake of ours; ")
    assert said.count("\n") == 1
    (log,) = tmp_path.glob("*.log")
    assert str(log) in said
    assert "in broken" in log.read_text()
    for line in (["--debug", "status", "x.yaml"], ["status", "x.yaml", "--debug"]):
        assert main(line) == 1
        assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A sweep with four of six trials finished, in a file system that may only be read."""
    operations.run(write(tmp_path, fake(6, epochs=1)), cluster="debug")
    (shard,) = (tmp_path / "sweep" / "records").glob("*.jsonl")
    shard.write_bytes(b"".join(shard.read_bytes().splitlines(keepends=True)[:4]))
    folder = tmp_path / "read-only"
    folder.mkdir()
    mount = ["mount", "--bind", "-o", "ro", str(tmp_path), str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        absent("SLURM", "a read-only file system cannot be mounted here (it takes root)")
    try:
        yield folder / "sweep"
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_sweep_that_may_only_be_read(read_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def lines(*command: str, code: int) -> list[str]:
        assert main([command[0], str(read_only), *command[1:]]) == code
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return (shown.err if code else shown.out).splitlines()

    assert "4 finished" in lines("status", code=0)[1]
    assert lines("collect", "-o", str(tmp_path / "here.nc"), code=0)
    assert edfstat.load(tmp_path / "here.nc").sizes["model"] == 4
    assert lines("report", "-o", str(tmp_path / "here.md"), code=0)
    assert (tmp_path / "here.md").stat().st_size > 100
    for command in ("collect", "report", "run", "resume"):
        (said,) = lines(command, *(["--cluster", "local"] if command in ("run", "resume") else []), code=2)
        assert str(read_only) in said
        assert "Read-only" in said
    findings = examine(read_only, "local")
    assert not findings[0].good
    assert "choose another folder" in findings[0].line()
    (said,) = lines("run", "--cluster", "local", code=2)


def test_trials_that_ran_out_of_memory_come_back_with_fewer_beside_them(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.mkdir()
    options = {"device": str(device), "room": 1, **holding(tmp_path)}
    config = fake(6, epochs=3, epoch_seconds=0.1, options=options, workers=1, trials_per_worker=4)
    path = write(tmp_path, config)

    def show(status: Status) -> None:
        if status.by_status.get("oom", 0) >= 2:  # beside the one that stays, however far apart they began
            let_go(tmp_path)

    found = operations.run(path, cluster="local", show=show)
    assert found.complete
    assert found.by_status["oom"] >= 2
    slots = []
    while found.by_status.get("oom"):
        assert operations.retry(path, ["oom"]) == found.by_status["oom"]
        slots.append(open_sweep(tmp_path / "sweep").rounds()[-1].slots)
        found = operations.resume(path, cluster="local")
        assert found.complete
    assert slots in ([2, 1], [2])
    assert found.by_status == {"ok": 6}
    assert operations.collect(path).sizes["model"] == 6


def test_what_was_made_with_what_is_in_the_population_and_the_report(tmp_path: Path) -> None:
    path = write(tmp_path, fake(3, epochs=1, seed=7))
    operations.run(path, cluster="debug")
    population = operations.collect(path)
    again = edfstat.load(tmp_path / "sweep" / "population.nc").attrs
    for attrs in (population.attrs, again):
        assert json.loads(attrs["versions"])["numpy"]
        assert json.loads(attrs["sweep_config"])["seed"] == 7
        assert attrs["sweep_hosts"]
        assert attrs["python"].count(".") == 2
        for name in ("git_revision", "git_diff", "gpu", "sweep_jobs", "created", "platform"):
            assert name in attrs
    assert set(population["seed"].values) == {7}
    report = operations.report(path, tmp_path / "report.html").read_text()
    for text in (again["sweep_hosts"], again["created"], json.loads(again["versions"])["numpy"]):
        assert text in report


@pytest.mark.parametrize(
    "name",
    ["my sweep.yaml", "(é) 1.yml", "-.yaml", "lr0.1", ".hidden.json", "08.yaml", "1e3.yml", "0o17.yaml", "1_0.yaml"],
)
def test_a_sweep_file_of_any_name_makes_a_sweep_that_opens(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, fake(2, epochs=1), name)
    assert operations.run(path, cluster="debug").complete
    directory, _ = opening.locate(path)
    assert operations.status(directory).complete
    assert directory.parent == tmp_path
    assert operations.run(directory / "sweep.yaml", cluster="debug").complete  # that sweep, not another inside it
    assert not (directory / "sweep").exists()


def test_names_that_differ_after_a_point_are_two_sweeps(tmp_path: Path) -> None:
    places = {opening.locate(write(tmp_path, fake(2), name))[0].name for name in ("lr0.1", "lr0.2", "a.yaml")}
    assert places == {"lr0.1.sweep", "lr0.2.sweep", "a"}


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    write(home, fake(2, epochs=1, storage={"directory": "~/kept"}), "s.yaml")
    assert operations.run("~/s.yaml", cluster="debug").complete
    assert operations.run("~/s.yaml", cluster="debug", directory="~/given").complete
    assert operations.status("~/given").complete
    assert main(["collect", "~/kept", "-o", "~/out.csv"]) == 0
    assert sorted(p.name for p in home.iterdir()) == ["given", "kept", "out.csv", "s.yaml"]
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(("cluster", "letters"), [("local", ":"), ("slurm", ':"\\`$%\n')])
def test_folders_that_workers_could_not_start_from_are_refused(
    tmp_path: Path, cluster: str, letters: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, fake(2, epochs=1))
    for letter in letters:
        assert main(["run", str(path), "--cluster", cluster, "--directory", str(tmp_path / f"a{letter}b")]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "workers could not be started from" in said
    (tmp_path / "a:b").mkdir()
    finding = examine(write(tmp_path / "a:b", fake(2, epochs=1)), "local")[0]
    assert not finding.good
    assert "workers could not be started from" in finding.line()
    assert not examine(path, "local")[0].what.startswith("the sweep directory")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a:b", "sweep.yaml"]


def test_retrying_leaves_as_many_beside_a_trial_as_before_but_for_want_of_memory(tmp_path: Path) -> None:
    options = {"fates": {"Vanilla": "raise", "ResNet": "oom"}}
    spaces = [{"name": "Vanilla", "count": 2}, {"name": "ResNet", "count": 2}]
    path = write(tmp_path, fake(epochs=1, options=options, spaces=spaces, trials_per_worker=8))
    operations.run(path, cluster="debug")
    slots = []
    for reasons in (["error"], ["error", "timeout", "oom"], ["error"], ["oom"], ["error"]):
        operations.retry(path, reasons)
        operations.resume(path, cluster="debug")
        slots.append(open_sweep(tmp_path / "sweep").rounds()[-1].slots)
    assert slots == [8, 4, 4, 2, 4]


def test_any_number_of_retries_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path, fake(2, epochs=1))
    operations.run(path, cluster="debug")
    sweep = open_sweep(tmp_path / "sweep")
    for attempt in range(2, 131):
        sweep.add_round(Round(attempt, 1, [(0, 1)], [0]))
    assert operations.status(path).finished == 1
    assert operations.resume(path, cluster="debug").complete


def test_means_that_changed_in_the_file_hold_for_the_next_workers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = fake(4, epochs=1)
    path = write(tmp_path, config)
    opening.prepare(path)
    write(tmp_path, {**config, "lease": 9, "storage": {"keep_checkpoints": True}, "workers": 3})
    assert operations.run(path, cluster="debug").complete
    assert "workers, lease, storage.keep_checkpoints changed" in capsys.readouterr().err
    kept = open_sweep(tmp_path / "sweep").config
    assert (kept.lease, kept.workers, kept.storage.keep_checkpoints, kept.name) == (9, 3, True, "sweep")
    assert len(list((tmp_path / "sweep" / "checkpoints").iterdir())) == 4


def test_how_many_share_a_device_stays_as_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fake(4, epochs=1))
    opening.prepare(path)
    write(tmp_path, fake(4, epochs=1, trials_per_worker=4))
    assert operations.run(path, cluster="debug").complete
    assert "trials_per_worker changed in the sweep file, but stays 1" in capsys.readouterr().err
    assert open_sweep(tmp_path / "sweep").config.trials_per_worker == 1


def test_a_sweep_that_an_earlier_version_wrote_is_read_by_its_rules(tmp_path: Path) -> None:
    """Text without quotes that is a number now; limits that were none."""
    operations.run(write(tmp_path, fake(2, epochs=1)), cluster="debug")
    file = tmp_path / "sweep" / "sweep.yaml"
    kept = yaml.safe_load(file.read_text())
    kept["name"], kept["seed"], kept["resources"]["partition"] = "08", 2**63 - 1, "0o17"
    kept["resources"]["sbatch"] = {"time": 30, "output": "x", "gres": "08"}
    file.write_text(yaml.safe_dump(kept, sort_keys=False))
    assert "name: 08\n" in file.read_text()
    config = open_sweep(tmp_path / "sweep").config
    assert (config.name, config.seed, config.resources.partition) == ("08", 2**63 - 1, "0o17")
    assert config.resources.sbatch == {"time": 30, "output": "x", "gres": "08"}
    assert operations.status(tmp_path / "sweep").complete


def test_files_of_any_ending_go_on_with_the_sweep_that_they_began(tmp_path: Path) -> None:
    operations.run(write(tmp_path, fake(2, epochs=1), "exp.yaml"), cluster="debug")
    (tmp_path / "exp.yaml").rename(tmp_path / "exp.conf")
    assert operations.status(tmp_path / "exp.conf").complete
    other = write(tmp_path, fake(3, epochs=1), "exp.1")
    assert opening.locate(other)[0].name == "exp.1.sweep"


def test_a_full_disk_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, fake(2, epochs=1))
    opening.prepare(path)
    monkeypatch.setattr("submit.status.LITTLE_ROOM", 2**62)
    assert main(["status", str(path)]) == 0
    assert "MB free: workers wait until there is room" in capsys.readouterr().out

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "population.nc")

    monkeypatch.setattr("submit.sweep.collect", full)
    assert main(["collect", str(path)]) == 1
    assert capsys.readouterr().err == (
        "error: the disk is full (population.nc); make room, then run the same command again\n"
    )


def test_hours_are_told_also_where_no_gpu_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fake(2, epochs=2, epoch_seconds=0.2))
    operations.run(path, cluster="debug")
    assert main(["status", str(path)]) == 0
    said = capsys.readouterr().out
    assert "hours of trials" in said
    assert "GPU hours" not in said
    spent = sum(record["provenance"]["seconds"] for record in gather(open_sweep(tmp_path / "sweep")).records)
    assert spent >= 0.8
    assert operations.status(path).hours == pytest.approx(spent / 3600)


def test_mistakes_of_meaning_name_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, {"spaces": [{"name": "Nowhere", "count": 1}], "dataset": "nothing"})
    assert main(["plan", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"error: {path}: ") for line in lines)


@pytest.mark.parametrize("backend", [":", "x:", ":x", "tests.submit.broken_module:x"])
def test_a_backend_that_cannot_be_imported(tmp_path: Path, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fake(1, backend=backend) | {"backend": backend})
    assert main(["plan", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"backend '{backend}' cannot be imported" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("recipe", "optim", "dataset", "epochs"),
    [("enhanced", {}, "cifar10", 600), ({"epochs": 10}, {}, "cifar10", 10), ("default", {}, "imagenet", 50),
     ("enhanced", {"max_ep": 3}, "cifar10", 3), ("default", {}, "digits", 100)],
)  # fmt: skip
def test_the_cost_of_a_plan_counts_the_epochs_of_its_recipe(
    recipe: object, optim: dict[str, int], dataset: str, epochs: int
) -> None:
    config = {"spaces": [{"name": "Vanilla", "count": 1}], "recipe": recipe, "optim": optim, "dataset": dataset}
    (trial,) = make_plan(read_config(config)).trials
    assert trial.images == epochs * {"cifar10": 50_000, "imagenet": 1_281_167, "digits": 1_347}[dataset]


def test_a_sweep_in_a_directory_of_its_own_is_found_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, elsewhere = write(tmp_path, fake(4, epochs=1, options={"fates": {"Vanilla": "oom"}})), tmp_path / "elsewhere"
    there = ["--directory", str(elsewhere)]
    assert main(["status", str(path), *there]) == 2
    assert f"no sweep in {elsewhere}); start it with run, or give the directory" in capsys.readouterr().err
    assert main(["doctor", str(path), *there, "--cluster", "local"]) == 0
    assert f"{tmp_path} can be written" in capsys.readouterr().out
    assert main(["run", str(path), *there, "--cluster", "debug"]) == 1
    assert main(["status", str(path), *there]) == 0
    assert (elsewhere / "status.html").is_file()
    capsys.readouterr()
    assert main(["retry", str(path), *there]) == 0
    assert capsys.readouterr().out == "4 trials queued again; resume runs them\n"
    assert main(["cancel", str(path), *there]) == 0
    assert main(["collect", str(path), *there]) == 0
    capsys.readouterr()
    assert main(["plan", str(write(tmp_path, fake(6, epochs=1, options={"fates": {"Vanilla": "oom"}}))), *there]) == 0
    assert "begun:   4 of them are planned before" in capsys.readouterr().out
    assert (elsewhere / "population.nc").is_file()
    assert not (tmp_path / "sweep").exists()


def test_every_command_takes_the_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path, fake(1, epochs=1))
    for command in ("plan", "doctor", "run", "status", "resume", "retry", "cancel", "collect", "report"):
        assert main([command, str(source), "--cluster", "debug"]) == 0, capsys.readouterr().err
        assert main([command, str(source), "--cluster", "cloud"]) == 2
    assert edfstat.load(tmp_path / "sweep" / "population.nc").sizes["model"] == 1


def test_the_log_of_a_trial_without_an_error_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    operations.run(write(tmp_path, fake(1, epochs=1, options={"fates": {"Vanilla": "oom"}})), cluster="debug")
    assert " oom: no error, " in capsys.readouterr().out


def test_results_that_a_file_does_not_hold_are_not_made_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five reruns of each model looked up would be one result counted five times."""
    options = {"results": "example", "foo": 1}
    config = {"spaces": [{"name": "ResNet", "count": 3}], "backend": "lookup", "backend_options": options, "reruns": 5}
    assert main(["plan", str(write(tmp_path, config))]) == 2
    said = capsys.readouterr().err
    assert "reruns: 5 would count one result of the file 5 times" in said
    assert "backend_options.foo is not a key; for the lookup backend there are results, curves" in said


def test_a_warning_that_leaves_no_time_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fake(1, resources={"time": "11 min", "warning": 594}))
    assert main(["plan", str(path)]) == 2
    assert "resources.warning is 594 s, more than half of resources.time, 11 min" in capsys.readouterr().err


def test_doctor_refuses_what_plan_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, {"spaces": [{"name": "Foo", "count": 3}], "dataset": "digits"})
    assert main(["doctor", str(path), "--cluster", "local"]) == 2
    assert f"{path}: spaces: there is no design space Foo" in capsys.readouterr().err


@pytest.mark.parametrize("directory", [".", "/"])
def test_places_that_cannot_become_a_sweep(
    directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    assert main(["run", str(write(tmp_path, fake(1))), "--directory", directory, "--cluster", "debug"]) == 2
    assert "cannot become a sweep directory; give one that is not there yet" in capsys.readouterr().err
    assert not list((tmp_path / "new").iterdir())


def test_a_link_to_an_empty_folder_is_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "scratch")
    assert operations.run(write(tmp_path, fake(2, epochs=1)), cluster="debug", directory=tmp_path / "link").complete
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "scratch" / "sweep.yaml").is_file()


def test_a_copy_of_a_sweep_leaves_the_workers_of_the_first_alone(tmp_path: Path) -> None:
    operations.run(write(tmp_path, fake(2, epochs=1)), cluster="debug")
    first = open_sweep(tmp_path / "sweep")
    (launch,) = launches(first)
    # As while its workers wait in a queue that does not answer, so that all of its launches may be active.
    path = first.path / "launches" / f"{launch.id}.json"
    path.write_text(path.read_text().replace('"debug"', '"slurm"'))
    shutil.copytree(first.path, tmp_path / "copy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("submit.scheduler.slurm_is_here", lambda: True)
        patch.setattr("submit.scheduler.queue", lambda *_, **__: None)
        assert [each.id for each in active_launches(first)] == [launch.id]
        assert active_launches(open_sweep(tmp_path / "copy")) == []


def test_a_job_that_does_not_end_is_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operations.run(write(tmp_path, fake(2, epochs=1)), cluster="debug")
    sweep = open_sweep(tmp_path / "sweep")
    (launch,) = launches(sweep)
    path = sweep.path / "launches" / f"{launch.id}.json"
    path.write_text(path.read_text().replace('"debug"', '"slurm"'))
    monkeypatch.setattr("submit.scheduler.slurm_is_here", lambda: True)
    for state, active in (("COMPLETING", []), ("RUNNING", [launch.id]), ("PENDING", [launch.id])):
        job = QueuedJob("1", state, "None", launch.job_name)
        monkeypatch.setattr("submit.scheduler.queue", lambda *_, job=job, **__: [job])
        assert [each.id for each in active_launches(sweep)] == active


def test_workers_within_an_allocation_are_no_jobs_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "123")
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "77")
    assert (on_slurm(), job_id(), log_name()) == (False, "77", "logs/77_0_log.out")
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    assert (on_slurm(), job_id(), log_name()) == (True, "123", "logs/123_0_log.out")


def test_who_reads_the_output_does_not_wait_for_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And they can be stopped at once, though nothing is seen of them yet, and who started them has ended."""
    monkeypatch.setattr(launching, "SHOWN", 1000)
    path = write(tmp_path, fake(2, epochs=30, epoch_seconds=1.0, workers=1))
    command = [sys.executable, "-m", "submit.sweep", "run", str(path), "--cluster", "local", "--no-watch"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not operations.status(path).complete
    assert re.search("(0 at work, 1|1 at work, 0) waiting or starting", done.stdout)
    assert operations.cancel(path) == 1
    sweep = open_sweep(tmp_path / "sweep")
    wait_until(lambda: list((sweep.path / "workers").glob("[!.]*.json")) and not living_workers(sweep))
    assert records(sweep.path) == 0
