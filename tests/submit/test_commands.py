"""What a user meets: failures in one line, sweeps that may only be read, retries, provenance."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import edfstat
from submit import operations
from submit.directory import open_sweep
from submit.doctor import examine
from submit.sweep import main
from tests.submit.sweeps import fake, write


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
        reason = "a read-only file system cannot be mounted here (it takes root)"
        if os.environ.get("EDFSTAT_REQUIRE_SLURM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
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
    options = {"device": str(device), "room": 1}
    config = fake(6, epochs=12, epoch_seconds=0.1, options=options, workers=1, trials_per_worker=4)
    path = write(tmp_path, config)
    found = operations.run(path, cluster="local")
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
