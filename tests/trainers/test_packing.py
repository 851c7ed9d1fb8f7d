"""Trials side by side: the records of `train`, processes that die, and how many fit."""

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from edfstat import InputError, Trial
from tests.trainers.trials import outcome
from trainers import packing, train, train_many
from trainers.memory import available_bytes, training_bytes
from trainers.packing import automatic_workers
from trainers.task import prepare

NET = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [8, 8, 8, 8], "ss": [1, 1, 2, 2]}


def trial(seed: int, epochs: int = 2, **more: Any) -> Trial:
    return Trial("ResNet", NET, "digits", optim={"max_ep": epochs}, seed=seed, options={"train_images": 256}, **more)


def processes() -> list[Any]:
    return [child for child in multiprocessing.active_children() if child.name == "edfstat-trial"]


def first_started() -> Any:
    """The process of the trial with the most work, as they are started in that order; numbers may begin anew."""
    return min(processes(), key=lambda child: child._identity)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 200
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def test_records_are_those_of_training_one_by_one(tmp_path: Path) -> None:
    trials = [trial(seed) for seed in (1, 2, 3)]
    together = {r["rng_seed"]: outcome(r) for r in train_many(trials, device="cpu", workers=2, directory=tmp_path)}
    assert together == {one.seed: outcome(train(one, device="cpu")) for one in trials}
    assert sorted(folder.name for folder in tmp_path.iterdir()) == sorted(one.id for one in trials)
    assert not processes()


def test_a_killed_process_costs_its_trial_alone(tmp_path: Path, hold: Callable[..., None]) -> None:
    """The long trial's process crashes after its first epoch."""
    long, *short = [trial(1, 4), trial(2), trial(3), trial(4)]
    hold(long)
    stream = train_many([long, *short], device="cpu", workers=2, directory=tmp_path)
    records = [next(stream)]
    wait_for(tmp_path / long.id / "checkpoint.pt")
    os.kill(first_started().pid, signal.SIGSEGV)
    records += stream
    by_seed = {record["rng_seed"]: record for record in records}
    assert {seed: record["status"] for seed, record in by_seed.items()} == {1: "error", 2: "ok", 3: "ok", 4: "ok"}
    assert "SIGSEGV" in by_seed[1]["message"]
    assert not processes()


def test_a_process_that_the_kernel_kills_beside_others_is_tried_again_alone(
    tmp_path: Path, hold: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Which is what running out of memory looks like on Linux, where allocations hardly ever fail."""
    long, short = trial(1, 4), trial(2)
    hold(long)
    stream = train_many([long, short], device="cpu", workers=2, directory=tmp_path)
    records = [next(stream)]
    wait_for(tmp_path / long.id / "checkpoint.pt")
    os.kill(first_started().pid, signal.SIGKILL)
    records += stream
    assert [(record["rng_seed"], record["status"]) for record in records] == [(2, "ok"), (1, "ok")]
    assert outcome(records[1]) == outcome(train(long, device="cpu"))
    assert f"trial {long.id[:12]}: its process died (signal SIGKILL, perhaps for memory); again alone" in caplog.text


def test_a_process_that_dies_beside_others_on_a_gpu_is_tried_again_alone(
    tmp_path: Path, hold: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of one ends all that share the GPU. Here it is one in name only: trials are told to use the CPU."""
    monkeypatch.setenv("EDFSTAT_MPS", "0")
    monkeypatch.setattr(packing, "_room", lambda *_, **__: 1)
    long, short = trial(1, 4), trial(2)
    hold(long)
    options = {"device": "cpu", "compile": False, "threads": None}
    stream = packing._records(deque([long, short]), 2, torch.device("cuda"), tmp_path, options)
    records = [next(stream)]
    wait_for(tmp_path / long.id / "checkpoint.pt")
    os.kill(first_started().pid, signal.SIGSEGV)
    records += stream
    assert [(record["rng_seed"], record["status"]) for record in records] == [(2, "ok"), (1, "ok")]


def test_the_most_work_comes_first() -> None:
    """Whatever their order: a long trial begun last would run alone."""
    wide = Trial("ResNet", {**NET, "ws": [8, 16, 16, 16]}, "digits", optim={"max_ep": 2}, seed=4)
    wide = Trial.from_dict({**wide.to_dict(), "options": {"train_images": 256}})
    trials = [trial(1, 1), trial(2, 3), wide, trial(3, 2)]
    assert [record["rng_seed"] for record in train_many(trials, device="cpu", workers=1)] == [4, 2, 3, 1]


def spoil_first(monkeypatch: pytest.MonkeyPatch, folder: Path, **changes: Any) -> list[int]:
    """Change the first answer for the trial of seed 1, all else being real.

    The list gets the number of processes that there are at each answer for it.
    """
    answers, seen = packing.answers, list[int]()

    def changed(worker: Any) -> tuple[list[tuple[Trial, dict[str, Any]]], int | None]:
        ((one, record),), code = answers(worker)
        if one.seed == 1:
            seen.append(len(processes()))
            if len(seen) == 1:
                (folder / one.id / "record.json").unlink()
                record = {**record, **changes}
        return [(one, record)], code

    monkeypatch.setattr(packing, "answers", changed)
    return seen


def test_out_of_memory_beside_others_is_tried_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As of a full GPU."""
    seen = spoil_first(monkeypatch, tmp_path, status="oom")
    trials = [trial(seed) for seed in (1, 2, 3)]
    records = list(train_many(trials, device="cpu", workers=2, directory=tmp_path))
    assert seen[1:] == [1]
    assert [record["rng_seed"] for record in records][-1] == 1
    assert {r["rng_seed"]: outcome(r) for r in records} == {
        one.seed: outcome(train(one, device="cpu")) for one in trials
    }
    assert trials[0].id[:12] in caplog.text
    assert not processes()


def test_out_of_memory_also_alone_is_a_record(caplog: pytest.LogCaptureFixture) -> None:
    """Weights that take more than any address space: the allocator itself says no."""
    huge = Trial("ResNet", {**NET, "ws": [8, 3 * 10**6, 8, 8]}, "digits", optim={"max_ep": 1}, seed=1)
    records = list(train_many([huge, trial(2)], device="cpu", workers=2))
    assert [(record["rng_seed"], record["status"]) for record in records] == [(2, "ok"), (1, "oom")]
    assert huge.id[:12] in caplog.text


def test_leaving_the_loop_ends_the_processes_and_a_later_call_goes_on(
    tmp_path: Path, hold: Callable[..., None]
) -> None:
    long = trial(1, 4)
    hold(long)
    whole = outcome(train(long, device="cpu"))
    stream = train_many([trial(2, 1), long], device="cpu", workers=2, directory=tmp_path)
    assert next(stream)["rng_seed"] == 2
    wait_for(tmp_path / long.id / "checkpoint.pt")
    stream.close()
    assert not processes()
    assert not (tmp_path / long.id / "record.json").exists()
    (again,) = train_many([long], device="cpu", workers=1, directory=tmp_path)
    assert outcome(again) == whole


def test_processes_end_after_the_one_that_started_them(tmp_path: Path) -> None:
    """Killed, it can end nobody; the trial goes on from its checkpoint the next time."""
    long = trial(1, 10_000)
    (tmp_path / "start.py").write_text(
        "import json, sys\nfrom edfstat import Trial\nfrom trainers import train_many\n"
        "if __name__ == '__main__':\n"
        "    trial = Trial.from_dict(json.loads(sys.argv[1]))\n"
        "    list(train_many([trial], device='cpu', workers=1, directory=sys.argv[2]))\n"
    )
    command = [sys.executable, str(tmp_path / "start.py"), json.dumps(long.to_dict()), str(tmp_path)]
    # What its processes write to lasts as long as any of them.
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    starter = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, start_new_session=True)
    try:
        wait_for(tmp_path / long.id / "checkpoint.pt")
        starter.kill()
        starter.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(starter.pid, signal.SIGKILL)
    assert not (tmp_path / long.id / "record.json").exists()
    assert (tmp_path / long.id / "checkpoint.pt").exists()


def test_what_makes_no_sense_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"workers is 0"):
        train_many([trial(1)], workers=0)
    with pytest.raises(InputError, match=r"precision is 'fp8'"):
        train_many([trial(1)], device="cpu", precision="fp8")
    with pytest.raises(InputError, match=r"threads .*'0'"):
        train_many([trial(1)], device="cpu", threads=0)
    wrong = Trial("ResNet", NET, "nope")
    with pytest.raises(InputError, match=r"trials\[1\].*no data set"):
        train_many([trial(1), wrong], device="cpu", directory=tmp_path)
    with pytest.raises(InputError, match=r"trials\[0\] is {'space'"):
        train_many([trial(1).to_dict()], device="cpu")  # type: ignore[list-item]
    assert list(tmp_path.iterdir()) == []
    assert list(train_many([], device="cpu")) == []
    assert list(packing._records(deque(), 2, torch.device("cuda"), None, {"compile": False})) == []


def test_a_generator_of_trials_is_trained() -> None:
    assert [r["rng_seed"] for r in train_many((trial(s, 1) for s in (5,)), device="cpu", workers=1)] == [5]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written to"):
        train_many([trial(1, 1)], device="cpu", workers=1, directory=tmp_path / "file")


def test_a_trial_that_is_there_twice_is_refused_where_it_has_a_folder(tmp_path: Path) -> None:
    twice = [trial(1, 1), trial(2, 2), trial(1, 1)]
    with pytest.raises(InputError, match=r"trials\[2\] is trials\[0\] again"):
        train_many(twice, device="cpu", directory=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_script_without_its_guard_is_told_so(tmp_path: Path) -> None:
    """Its processes run the whole script again, and fail; that is no trial's fault."""
    (tmp_path / "script.py").write_text(
        "from trainers import train_many\nfrom edfstat import Trial\n"
        f"net = {NET!r}\n"
        "print(list(train_many([Trial('any', net, 'digits')], device='cpu', workers=1)))\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "could not start" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr


def test_a_process_killed_while_it_starts_costs_its_trial_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    start, seen = packing.start, []

    def killed_at_first(*settings: Any) -> Any:
        worker = start(*settings)
        if not seen:
            os.kill(worker.process.pid, signal.SIGKILL)
        seen.append(worker)
        return worker

    monkeypatch.setattr(packing, "start", killed_at_first)
    records = list(train_many([trial(1, 1), trial(2, 1)], device="cpu", workers=1))
    assert [record["status"] for record in records] == ["error", "ok"]
    assert "SIGKILL" in records[0]["message"]


def test_cores_are_shared_out_with_the_threads_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert [automatic_workers("cpu", threads=n) for n in (1, 4, 5, 99)] == [16, 4, 3, 1]
    monkeypatch.setenv("EDFSTAT_THREADS", "8")
    assert automatic_workers("cpu") == 2
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 24)
    assert automatic_workers("cpu") == 3


def test_as_many_side_by_side_as_the_memory_of_the_gpu_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {**NET, "ws": [64, 64, 128, 256]}
    task = prepare(Trial("ResNet", wide, "synthetic"))
    each = 2**30 + 2 * training_bytes(task)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    for memory, expected in [(each // 2, 1), (3 * each + 1, 3), (100 * each, 8)]:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, memory=memory: (memory, memory))
        assert automatic_workers("cuda:0", task) == expected


def test_as_many_side_by_side_as_the_memory_of_the_machine_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    task = prepare(Trial("ResNet", {**NET, "ws": [64, 64, 128, 256]}, "synthetic"))
    each = 2**29 + int(1.5 * training_bytes(task))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    for memory, expected in [(each // 2, 1), (3 * each + 1, 3), (100 * each, 16), (None, 16)]:
        monkeypatch.setattr(packing, "available_bytes", lambda memory=memory: memory)
        assert automatic_workers("cpu", task) == expected
    monkeypatch.setattr(packing, "available_bytes", lambda: 0)
    assert automatic_workers("cpu") == 16, "without a task nothing is known of its memory"


def test_memory_is_what_the_tightest_limit_leaves(tmp_path: Path) -> None:
    """The machine's, and those of the control groups around this process, in the system's own files."""
    assert available_bytes(tmp_path) is None
    job, step = (tmp_path / "sys/fs/cgroup" / part for part in ("slurm/job_1", "slurm/job_1/step_0"))
    step.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal:  8000 kB\nMemFree:  1000 kB\nMemAvailable:  6000 kB\n")
    assert available_bytes(tmp_path) == 6000 * 1024
    (tmp_path / "proc/self/cgroup").write_text("0::/slurm/job_1/step_0\n")
    assert available_bytes(tmp_path) == 6000 * 1024
    for group, limit in ((job, "5000000"), (step, "max")):
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text("3000000\n")
        (group / "memory.stat").write_text("anon 2000000\ninactive_file 1000000\n")
    assert available_bytes(tmp_path) == 3_000_000
    (job / "memory.current").write_text("9000000\n")
    assert available_bytes(tmp_path) == 0
    (tmp_path / "proc/self/cgroup").write_text("1:name=systemd:/\n")
    assert available_bytes(tmp_path) == 6000 * 1024


def test_this_machine_has_some_memory() -> None:
    assert 2**20 < (available_bytes() or 2**30) < 2**50


@pytest.mark.slow
@pytest.mark.parametrize(
    "net",
    [
        {**NET, "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64]},
        {**NET, "ds": [1, 3, 3, 3], "ws": [16, 64, 128, 256], "block_type": "vanilla_block"},
    ],
)
def test_counted_memory_grows_with_the_batch_as_that_of_the_process(net: dict[str, Any]) -> None:
    """The difference of two peaks, as the kernel tells them, leaves out what libraries take for themselves."""
    small, large = (
        Trial(
            "any",
            net,
            "synthetic",
            {"batch_size": n, "precise_bn": 0},
            {"max_ep": 1},
            1,
            {"train_images": 256, "test_images": 8},
        )
        for n in (64, 256)
    )
    counted = training_bytes(prepare(large)) - training_bytes(prepare(small))
    taken = peak(large) - peak(small)
    assert 0.75 < taken / counted < 1.35, f"{taken / 2**20:.0f} MiB taken, {counted / 2**20:.0f} MiB counted"


def peak(one: Trial) -> int:
    """The least of three processes: how much the allocator wastes differs from one to the next."""
    # VmHWM is of the program alone; the figure of getrusage may be that of the process which started it.
    code = (
        "import json, re, sys; from pathlib import Path; from edfstat import Trial; from trainers import train;"
        "r = train(Trial.from_dict(json.loads(sys.argv[1])), device='cpu', precision='fp32');"
        "print(r['status'], re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    command = [sys.executable, "-c", code, json.dumps(one.to_dict())]
    found = []
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        status, kilobytes = done.stdout.split()
        assert status == "ok"
        found.append(int(kilobytes) * 1024)
    return min(found)
