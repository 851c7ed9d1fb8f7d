"""Two processes on a small folder of photographs give what one process gives with the same global batch."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from edfstat import InputError, Trial, TrialInterrupted
from tests.ports import held_port
from tests.trainers import two_processes
from trainers import parallel, train
from trainers.streams import random_box

NET = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1, 1], "ws": [16, 16, 16, 16, 16], "ss": [4, 1, 2, 2, 2]}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, n in (("train", 16), ("val", 6)):
        for label in range(2):
            folder = tmp_path / "images" / split / f"n0000{label}"
            folder.mkdir(parents=True)
            for i in range(n):
                shape = (*rng.integers(60, 100, size=2), 3)
                pixels = np.clip(rng.normal(80 + 90 * label, 30, size=shape), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.JPEG")
    return tmp_path / "images"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with held_port() as held:
        yield held.getsockname()[1]


def started(command: list[str], tmp_path: Path, port: int, launcher: str = "torchrun") -> list[subprocess.Popen]:
    """The same command as two processes of one trial."""
    processes = []
    for rank in range(2):
        env = {**os.environ, "MASTER_PORT": str(port), "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
        if launcher == "torchrun":
            env |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
        else:
            env |= {"SLURM_PROCID": str(rank), "SLURM_NTASKS": "2", "SLURM_STEP_NODELIST": "localhost"}
        env["PYTHONPATH"] = os.pathsep.join(sys.path)
        processes.append(
            subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    return processes


@pytest.mark.parametrize("case", two_processes.CASES)
def test_in_float64_two_processes_agree_with_one_to_rounding(
    photographs: Path, tmp_path: Path, port: int, case: str
) -> None:
    """Gradients, batch-norm statistics and weights, also where the processes hold unequal shares of a batch."""
    alone = two_processes.run(case, str(photographs))
    script = str(Path(two_processes.__file__))
    # torchvision's decoders announce that they will go; the last of the options counts first.
    warnings = ["-W", "error", "-W", "ignore:The image decoding:DeprecationWarning"]
    ended = started([sys.executable, *warnings, script, case, "out.pt", str(photographs)], tmp_path, port)
    errors = [process.communicate(timeout=200)[1] for process in ended]
    assert [process.returncode for process in ended] == [0, 0], errors
    together = torch.load(tmp_path / "out.pt")
    assert [name for name, value in alone["gradients"].items() if value is None] == [
        name for name, value in together["gradients"].items() if value is None
    ]
    for part in ("gradients", "state"):
        for name, value in alone[part].items():
            if value is not None:
                difference = (value.double() - together[part][name].double()).norm()
                assert difference <= 1e-10 * value.double().norm(), f"{part} of {name} differ by {difference}"
    assert together["loss"] == pytest.approx(alone["loss"], rel=1e-10)
    assert together["errors"] == alone["errors"]


def trial() -> Trial:
    # A small rate: what float32 rounds differently grows from step to step, the faster the larger the rate.
    recipe = {"batch_size": 16, "image_size": 64, "precise_bn": 16, "base_lr": 0.005}
    return Trial("ResNet", NET, "imagenet", recipe, {"max_ep": 2})


@pytest.mark.parametrize(
    ("launcher", "precision", "tolerance"),
    [("torchrun", "fp32", 2e-4), ("slurm", "fp32", 2e-4), ("torchrun", "bf16", 5e-4)],
)
def test_two_processes_give_what_one_gives(
    photographs: Path, tmp_path: Path, port: int, launcher: str, precision: str, tolerance: float
) -> None:
    alone = train(trial(), device="cpu", root=photographs, precision=precision)
    assert alone["status"] == "ok", alone["message"]
    (tmp_path / "trial.json").write_text(json.dumps(trial().to_dict()))
    command = [sys.executable, "-m", "trainers", "trial.json", "--root", str(photographs), "--device", "cpu"]
    command += ["--precision", precision]
    running = started(command, tmp_path, port, launcher)
    ended = [process.communicate(timeout=200) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    together = json.loads(ended[0][0])
    assert ended[1][0] == ""
    if precision == "bf16" and not torch.cpu._is_avx512_supported():
        tolerance *= 2  # the library's own gradients are rounded after every image, of which each has its share
    assert together["train_ep_loss"] == pytest.approx(alone["train_ep_loss"], abs=tolerance)
    # Whose batch norm is not in C, but whose convolutions are.
    assert together["provenance"].get("kernels") == alone["provenance"].get("kernels")
    # In bf16 one of the twelve test images may fall on the other side.
    one = 0 if precision == "fp32" else 100 / 12 + 1e-3
    assert together["test_ep_top1"] == pytest.approx(alone["test_ep_top1"], abs=one)


def test_processes_that_found_different_checkpoints_refuse_to_train(
    photographs: Path, tmp_path: Path, port: int
) -> None:
    """As where each sees a folder of its own."""
    (tmp_path / "trial.json").write_text(json.dumps(trial().to_dict()))
    with pytest.raises(TrialInterrupted):
        train(trial(), device="cpu", root=photographs, directory=tmp_path / "0", should_stop=lambda: True)
    command = [sys.executable, "-m", "trainers", "trial.json", "--root", str(photographs), "--device", "cpu"]
    code = "import os, sys; os.execv(sys.executable, [*sys.argv[1:], '--directory', os.environ['RANK']])"
    running = started([sys.executable, "-c", code, *command], tmp_path, port)
    said = [process.communicate(timeout=200)[1] for process in running]
    assert [process.returncode for process in running] == [2, 2], said
    assert all("found different checkpoints" in text for text in said)
    assert (tmp_path / "0" / "checkpoint.pt").exists()


def test_the_record_is_of_the_process_that_failed(photographs: Path, tmp_path: Path, port: int) -> None:
    """The first one writes it, which sees no more of the others' failures than that they have gone."""
    (tmp_path / "trial.json").write_text(json.dumps(trial().to_dict()))
    code = """
import os, sys
from trainers.__main__ import main
from trainers.session import Session
if os.environ["RANK"] == "1":
    def damaged(*_, **options):
        raise MemoryError("out of memory for photograph.jpg")
    Session.epoch = damaged
sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", code, "trial.json", "--root", str(photographs), "--device", "cpu"]
    running = started(command, tmp_path, port)
    (said, _), _ = [process.communicate(timeout=140) for process in running]
    record = json.loads(said)
    assert (record["status"], record["message"]) == ("oom", "out of memory for photograph.jpg")
    assert [process.returncode for process in running] == [1, 1]


def test_a_finished_trial_is_finished_for_all(photographs: Path, tmp_path: Path, port: int) -> None:
    """Also for those that see a folder of their own, in which no record was left."""
    (tmp_path / "trial.json").write_text(json.dumps(trial().to_dict()))
    record = train(trial(), device="cpu", root=photographs, directory=tmp_path / "0")
    command = [sys.executable, "-m", "trainers", "trial.json", "--root", str(photographs), "--device", "cpu"]
    code = "import os, sys; os.execv(sys.executable, [*sys.argv[1:], '--directory', os.environ['RANK']])"
    running = started([sys.executable, "-c", code, *command], tmp_path, port)
    said = [process.communicate(timeout=140) for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert json.loads(said[0][0]) == record
    (tmp_path / "0" / "record.json").write_text(json.dumps({**record, "trial_id": "another"}))
    running = started([sys.executable, "-c", code, *command], tmp_path, port)
    said = [process.communicate(timeout=140) for process in running]
    assert [process.returncode for process in running] == [2, 2], said
    assert all("holds the record of another trial" in text for _, text in said)


def test_no_thread_of_the_group_outlives_it(tmp_path: Path, port: int) -> None:
    """One that frees a tensor while the interpreter ends would abort the process."""
    code = """
import os, time, torch
from trainers import parallel
def threads():
    return sum("gloo" in name for name in map(name_of, os.listdir("/proc/self/task")))
def name_of(thread):
    try:
        return open(f"/proc/self/task/{thread}/comm").read()
    except OSError:  # it has just ended
        return ""
_, world = parallel.join(torch.device("cpu"))
torch.optim.SGD(torch.nn.Linear(2, 2).parameters())
parallel.total(torch.ones(1), world)
before = threads()
parallel.leave(together=True)
# The system shows a thread for a moment longer than it waits for one.
end = time.monotonic() + 10
while threads() and time.monotonic() < end:
    time.sleep(0.01)
print(before > 0, threads())
"""
    running = started([sys.executable, "-c", code], tmp_path, port)
    assert [process.communicate(timeout=200)[0] for process in running] == ["True 0\n"] * 2


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE is 'abc'"),
        ({"WORLD_SIZE": "2"}, "start them by torchrun"),
        ({"SLURM_NTASKS": "abc"}, "SLURM_NTASKS is 'abc'"),
        ({"SLURM_NTASKS": "2"}, "start them by srun"),
        # As in the script of a job, which runs once.
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_JOB_NODELIST": "n[1-2]"}, "start them by srun"),
    ],
)
def test_an_environment_that_tells_half_is_refused(
    environment: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("SLURM_") or name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=said):
        parallel.join(torch.device("cpu"))


def test_random_boxes_lie_inside_and_have_the_stated_sizes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        top, left, height, width = random_box(300, 500, rng)
        assert 0 <= top <= 300 - height
        assert 0 <= left <= 500 - width
        assert 0.07 <= height * width / 150_000 <= 1
        assert 0.72 <= width / height <= 1.36
    assert random_box(10, 1000, rng)[2] <= 10
