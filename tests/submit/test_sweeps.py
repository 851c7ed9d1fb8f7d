"""Sweeps without a scheduler: in this process and in local workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import edfstat
from edfstat.example import example_population
from submit import opening, operations
from submit.claims import Claims
from submit.collecting import gather
from submit.config import read_config
from submit.directory import Round, open_sweep
from submit.planning import batches_of, make_plan
from submit.presence import Presence, WorkerInfo, machine, process_start
from submit.shards import Shard, read_lines
from submit.status import Tally
from submit.sweep import main
from tests.submit.sweeps import DIGITS, fake, finished_once, holding, let_go, records, wait_until, write
from trainers.spaces import SPACES, Architecture, complexity, from_dict

ROOT = Path(__file__).resolve().parents[2]


def test_digits_in_this_process(tmp_path: Path) -> None:
    spaces = [{"name": "Vanilla", "count": 1}, {"name": "ResNet", "count": 1}]
    path = write(tmp_path, {**DIGITS, "spaces": spaces, "optim": {"max_ep": 1}})
    assert operations.run(path, cluster="debug").complete
    finished_once(tmp_path / "sweep")
    population = operations.collect(path)
    edfstat.validate(population)
    assert (population["params"].values > 0).all()


def test_photographs_are_counted_at_the_size_of_the_recipe() -> None:
    spaces = [{"name": "ResNet", "count": 3}]
    shape = {"stem": "imagenet", "num_classes": 1000}
    for recipe, side in ({"image_size": 64}, 64), ("default", 224):
        plan = make_plan(read_config({"spaces": spaces, "dataset": "imagenet", "recipe": recipe}))
        for planned in plan.trials:
            counted = complexity(Architecture.from_net(planned.trial["net"]), image_size=side, **shape)
            assert planned.flops == counted["flops"][0]


RULE = """
from trainers.spaces import StageArchitecture

def pyramid(width, growth):
    return StageArchitecture("basic", (1, 1), (width, width * growth))
"""


def test_spaces_of_ones_own_are_drawn_from_within_their_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rules.py").write_text(RULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    grid = {"name": "narrow", "block": "bottleneck", "depth": [1, 2], "width": [16, 24], "groups": [1, 4]}
    rule = {"name": "pyramids", "rule": "my_rules:pyramid", "parameters": {"width": [8, 16], "growth": [1, 2]}}
    spaces = [
        {"definition": grid, "count": 5},
        {"definition": {"base": "ResNet", "name": "ResNet-1M"}, "count": 6,
         "caps": {"min_flops": 990_000, "max_flops": 1_010_000}},
        {"definition": rule, "count": 4},
    ]  # fmt: skip
    sweep = opening.prepare(write(tmp_path, {**fake(), "spaces": spaces}))
    by_space = defaultdict(list)
    for planned in sweep.trials():
        by_space[planned.trial["space"]].append(planned)
    assert {name: len(drawn) for name, drawn in by_space.items()} == {"narrow": 5, "ResNet-1M": 6, "pyramids": 4}
    own = {"narrow": from_dict(grid), "ResNet-1M": SPACES["ResNet"], "pyramids": from_dict(rule)}
    assert all(own[name].contains(one.trial["net"]) for name, drawn in by_space.items() for one in drawn)
    assert all(990_000 <= one.flops <= 1_010_000 for one in by_space["ResNet-1M"])
    for planned in by_space["ResNet-1M"]:
        counted = complexity(planned.trial["net"], image_size=8, in_channels=1)
        assert planned.flops == counted["flops"][0]
    assert (sweep.path / "code" / "my_rules.py").read_text() == RULE
    assert open_sweep(sweep.path).config == sweep.config


def test_images_of_ones_own_are_trained_on_from_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {**DIGITS, "spaces": [{"name": "ResNet", "count": 2}], "optim": {"max_ep": 1}, "dataset": "mine.npz"}
    path = write(tmp_path, config)
    assert main(["plan", str(path)]) == 2
    assert "dataset: mine.npz is not here" in capsys.readouterr().err
    random = np.random.default_rng(0)
    images = random.integers(0, 256, size=(200, 12, 12, 3), dtype=np.uint8)
    labels = random.integers(0, 4, size=200)
    labels[0] = 3
    np.savez("mine.npz", train_images=images, train_labels=labels, test_images=images[:9], test_labels=labels[:9])
    sweep = opening.prepare(path)
    for planned in sweep.trials():
        counted = complexity(planned.trial["net"], image_size=12, in_channels=3, num_classes=4)
        assert (planned.params, planned.flops) == (counted["params"][0], counted["flops"][0])
        assert planned.images == 200
        assert planned.trial["dataset"] == str(tmp_path / "mine.npz")
    fewer = make_plan(read_config({**config, "backend_options": {"train_images": 150, "stem": "simple"}}))
    for planned in fewer.trials:
        counted = complexity(planned.trial["net"], image_size=12, in_channels=3, num_classes=4, stem="simple")
        assert (planned.images, planned.flops) == (150, counted["flops"][0])
    monkeypatch.chdir("/")
    assert operations.run(sweep.path, cluster="debug").complete
    finished_once(sweep.path)


@pytest.mark.parametrize(("cpus", "at_once"), [(2, 1), (2, 2), (1, 1)])
def test_trials_share_the_cores_of_their_worker(tmp_path: Path, cpus: int, at_once: int) -> None:
    resources = {**DIGITS["resources"], "cpus": cpus}
    config = {**DIGITS, "spaces": [{"name": "ResNet", "count": 2}], "optim": {"max_ep": 1}, "workers": 1}
    path = write(tmp_path, {**config, "resources": resources, "trials_per_worker": at_once})
    assert operations.run(path, cluster="local").complete
    found = gather(open_sweep(tmp_path / "sweep"))
    threads = {record["provenance"]["threads"] for record in found.records}
    assert threads == {min(cpus // at_once, len(os.sched_getaffinity(0)))}


def test_same_seed_same_trials_another_seed_others() -> None:
    def ids(seed: int) -> list[str]:
        from submit.config import read_config

        return [t.id for t in opening.plan(read_config(fake(30, seed=seed))).trials]

    assert ids(1) == ids(1)
    assert not set(ids(1)) & set(ids(2))


def _hear_interrupts() -> None:
    """As in a terminal: what a shell starts in the background, these tests perhaps, would not hear them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_local_workers_stop_on_ctrl_c_and_go_on(tmp_path: Path) -> None:
    path = write(tmp_path, fake(16, epochs=3, epoch_seconds=0.1, options=holding(tmp_path, but=3)))
    command = [sys.executable, "-m", "submit.sweep", "run", str(path), "--cluster", "local"]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_interrupts)
    wait_until(lambda: records(tmp_path / "sweep") >= 3, what="the first records")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=200)
    assert running.returncode == 1
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert not operations.status(path).workers
    before = records(tmp_path / "sweep")
    let_go(tmp_path)
    assert operations.run(path, cluster="local").complete
    finished_once(tmp_path / "sweep")
    assert 3 <= before < 16


def test_a_failed_trial_keeps_its_reason_and_is_retried_by_it(tmp_path: Path) -> None:
    spaces = [{"name": "Vanilla", "count": 2}, {"name": "ResNet", "count": 2}]
    fates = {"fates": {"Vanilla": "oom", "ResNet": "raise"}}
    path = write(tmp_path, fake(4, epochs=1, spaces=spaces, backend_options=fates, trials_per_worker=4))
    found = operations.run(path, cluster="local")
    assert found.by_status == {"oom": 2, "error": 2}
    messages = [r["message"] for r in _records(tmp_path / "sweep") if r["status"] == "error"]
    assert all("RuntimeError: as asked" in message and "Traceback" in message for message in messages)
    assert operations.retry(path, ["timeout"]) == 0
    assert operations.retry(path, ["oom"]) == 2
    assert open_sweep(tmp_path / "sweep").rounds()[-1].slots == 2
    assert operations.status(path).finished == 2
    assert operations.resume(path, cluster="local").complete
    assert sorted(r["provenance"]["attempt"] for r in _records(tmp_path / "sweep")) == [1, 1, 1, 1, 2, 2]
    assert operations.collect(path).sizes["model"] == 4


def test_when_every_trial_fails_the_reason_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fake(1, epochs=1, options={"fates": {"Vanilla": "raise"}}))
    assert main(["run", str(path), "--cluster", "debug"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: every trial failed: ")
    assert "as asked" in last


def test_a_trial_whose_process_dies_is_given_up_and_the_others_are_not(tmp_path: Path) -> None:
    spaces = [{"name": "Vanilla", "count": 2}, {"name": "ResNet", "count": 2}]
    path = write(tmp_path, fake(4, epochs=1, spaces=spaces, backend_options={"fates": {"ResNet": "die"}}))
    found = operations.run(path, cluster="local")
    assert found.by_status == {"ok": 2, "error": 2}
    assert "signal SIGSEGV" in next(r["message"] for r in _records(tmp_path / "sweep") if r["status"] == "error")


def test_a_record_that_does_not_say_where_it_is_from_is_collected(tmp_path: Path) -> None:
    path = write(tmp_path, fake(1, epochs=1))
    operations.run(path, cluster="debug")
    (shard,) = (tmp_path / "sweep" / "records").glob("*.jsonl")
    shard.write_text(json.dumps({**json.loads(shard.read_text()), "provenance": None}) + "\n")
    assert operations.collect(path).sizes["model"] == 1


BROKEN = """
import os
from pathlib import Path
from edfstat import ProcessUnusable, make_record

class Broken:
    process_is = "whole"

    def run(self, trial, *, directory=None, device="auto", should_stop=None):
        again = Path(directory, "again")
        if self.process_is == "broken":
            return make_record(trial, status="error", message="tried in a broken process")
        if not again.exists():
            again.touch()
            Broken.process_is = "broken"
            raise ProcessUnusable("the GPU computes nothing more")
        return make_record(trial, min_test_top1=1.0)
"""


def test_where_a_process_can_run_no_more_trials_another_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaking.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    assert operations.run(write(tmp_path, fake(2, workers=1, backend="breaking:Broken")), cluster="local").complete
    assert [(r["status"], r["message"]) for r in _records(tmp_path / "sweep")] == [("ok", "")] * 2
    log = "".join(path.read_text() for path in (tmp_path / "sweep" / "logs").glob("*_log.*"))
    assert "the GPU computes nothing more" in log


def test_torn_lines_foreign_files_and_a_moved_directory(tmp_path: Path) -> None:
    path = write(tmp_path, fake(6, epochs=1))
    operations.run(path, cluster="debug")
    moved = tmp_path / "elsewhere" / "copy"
    shutil.copytree(tmp_path / "sweep", moved)
    shutil.rmtree(tmp_path / "sweep")
    (moved / "records" / "notes.txt").write_text("not a record")
    (moved / "records" / "other.jsonl").write_text('{"trial_id": "feedfeed"}\n[1, 2]\nnonsense\n')
    shard = next(p for p in (moved / "records").glob("*.jsonl") if p.name != "other.jsonl")
    lines = shard.read_bytes().splitlines(keepends=True)
    # The last record is torn, as by a crash; an earlier one is there twice.
    shard.write_bytes(b"".join([*lines[:-1], lines[0], lines[-1][: len(lines[-1]) // 2]]))
    (moved / "status.cache").unlink(missing_ok=True)  # shards only grow; this one was rewritten
    assert operations.status(moved).finished == 5
    population = operations.collect(moved)
    assert population.sizes["model"] == 5
    assert population.attrs["sweep_duplicates"] == 1


@pytest.mark.parametrize("backend", ["mybackend:FakeBackend", "mine"])
def test_code_edited_after_launch_is_not_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    module = tmp_path / "mybackend.py"
    module.write_text((ROOT / "tests" / "submit" / "fake.py").read_text())
    # The same backend as an installed one: an editable install is a folder on the path and what is said of it.
    about = tmp_path / "mybackend-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mybackend\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[edfstat.backends]\nmine = mybackend:FakeBackend\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mybackend", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path = write(tmp_path, fake(4, epochs=1, backend=backend))
    opening.prepare(path)
    module.write_text("raise RuntimeError('edited')\n")
    assert operations.run(tmp_path / "sweep", cluster="local").by_status == {"ok": 4}


def test_directories_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, fake(3, epochs=1))
    blocked = tmp_path / "file"
    blocked.write_text("x")
    assert main(["run", str(path), "--cluster", "debug", "--directory", str(blocked / "sweep")]) == 2
    operations.run(path, cluster="debug")
    other = write(tmp_path, fake(2, epochs=1), "other.yaml")
    assert main(["run", str(other), "--cluster", "debug", "--directory", str(tmp_path / "sweep")]) == 2
    provenance = tmp_path / "sweep" / "provenance.json"
    provenance.write_text(json.dumps({**json.loads(provenance.read_text()), "format": 0}))
    assert main(["status", str(tmp_path / "sweep")]) == 2
    lines = capsys.readouterr().err.splitlines()
    said = [line for line in lines if line.startswith("error")]
    assert len(said) == 3
    assert "cannot be made" in said[0]
    assert "different sweep" in said[1]
    assert "layout 0" in said[2]


def test_lookup_runs_a_sweep_against_published_records(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    jobs = [
        {"job_id": i, "params": int(p), "flops": int(p) * 90, "net": {"ds": [1, i], "ws": [16, 32]},
         "min_test_top1": float(e), "optim": {"base_lr": 0.1, "wd": 5e-4, "max_ep": 100}, "rng_seed": 1}
        for i, (p, e) in enumerate(zip(rng.integers(1e4, 1e6, 50), rng.uniform(5, 20, 50), strict=True))
    ]  # fmt: skip
    results = tmp_path / "ResNet.json"
    results.write_text(json.dumps(jobs))
    options = {"results": str(results)}
    spaces = [{"name": "ResNet", "count": 40}]
    path = write(tmp_path, {"spaces": spaces, "backend": "lookup", "backend_options": options, "workers": 1})
    assert operations.run(path, cluster="debug").by_status == {"ok": 40}
    known = {json.dumps(job["net"], sort_keys=True): job["min_test_top1"] for job in jobs}
    population = operations.collect(path)
    assert [known[net] for net in population["net"].values] == population["error"].values.tolist()


@pytest.mark.parametrize("results", ["~/kept.json", "example"])
def test_lookup_in_results_of_the_home_folder_and_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    edfstat.save(example_population().drop_vars("source"), tmp_path / "kept.json")
    config = {"spaces": [{"name": "ResNet", "count": 5}], "backend": "lookup", "backend_options": {"results": results}}
    path = write(tmp_path, {**config, "workers": 1})
    assert operations.run(path, cluster="debug").by_status == {"ok": 5}
    errors = operations.collect(path)["error"].values
    assert set(errors) <= set(example_population().sel(model=example_population()["space"] == "ResNet")["error"].values)


def test_claims_are_exclusive_and_fenced(tmp_path: Path) -> None:
    now = [0.0]
    (tmp_path / "workers").mkdir()

    def claims(name: str) -> tuple[Claims, Presence]:
        # Of another machine, so that only its silence can tell its death.
        presence = Presence(tmp_path / "workers", WorkerInfo(worker=name), 60, clock=lambda: now[0])
        presence.announce()
        return Claims(tmp_path / "claims", Round(1, 1, [(0, 2), (2, 3)]), presence), presence

    (a, _), (b, pulse) = claims("a"), claims("b")
    first, second = a.claim(), b.claim()
    assert first is not None
    assert second is not None
    assert (first.batch, second.batch) == (0, 1)
    assert b.claim() is None
    now[0] = 59.0
    pulse.beat()
    assert b.claim() is None
    now[0] = 61.0
    taken = b.claim()
    assert taken is not None
    assert (taken.batch, taken.token, taken.earlier) == (0, 2, ("a",))
    assert not a.holds(first)
    assert b.holds(taken)
    a.complete(first)  # too late, and harmless
    b.release(second)
    again, _ = claims("c")
    lease = again.claim()
    assert lease is not None
    assert (lease.batch, lease.earlier) == (1, ("b",))
    again.complete(lease)
    b.complete(taken)
    assert a.outstanding() == 0
    assert a.claim() is None


def test_the_dead_of_this_machine_are_known_at_once(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    info = WorkerInfo(worker="w", machine=machine(), pid=child.pid, started=process_start(child.pid))
    Presence(tmp_path, info, 1e6).announce()
    mine = Presence(tmp_path, WorkerInfo(worker="me"), 1e6)
    mine.announce()
    assert mine.lives("w")
    child.kill()
    child.wait()
    assert not mine.lives("w")


def test_shards_leave_nothing_torn_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = Shard(tmp_path / "a.jsonl")
    shard.append({"trial_id": "1"})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            shard.append({"trial_id": "2"})
    shard.append({"trial_id": "3"})
    shard.close()
    assert read_lines(tmp_path / "a.jsonl")[0] == [b'{"trial_id":"1"}', b'{"trial_id":"3"}']


@pytest.mark.parametrize(("trials", "workers"), [(1, 1), (7, 3), (1000, 8), (5, 100)])
def test_batches_cover_every_trial_once_and_end_with_one(trials: int, workers: int) -> None:
    cost = np.sort(np.random.default_rng(trials).lognormal(size=trials))[::-1]
    batches = batches_of(cost, workers)
    assert [i for start, stop in batches for i in range(start, stop)] == list(range(trials))
    assert batches[-1] == (trials - 1, trials)
    left = [cost[start:].sum() for start, _ in batches]
    for (start, stop), rest in zip(batches, left, strict=True):
        assert stop - start == 1 or cost[start:stop].sum() <= 0.5 * rest / workers * (1 + 1e-9)


def test_status_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, fake(5, epochs=1))
    operations.run(path, cluster="debug")
    sweep = open_sweep(tmp_path / "sweep")
    tally = Tally(sweep)
    assert tally.update() == 5
    tally.keep()
    again = Tally.kept(sweep)
    assert again.update() == 0
    assert again.finished().all()
    assert main(["status", str(path), "--json"]) == 0
    assert "100.0 %" in (tmp_path / "sweep" / "status.html").read_text()


def _records(directory: Path) -> list[dict]:
    return [
        json.loads(line) for path in (directory / "records").glob("*.jsonl") for line in path.read_text().splitlines()
    ]
