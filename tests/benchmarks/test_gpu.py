"""The benchmark for GPUs, every line of it that a CPU can run, so that it does not fail where a GPU is at last."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_it_measures_and_writes_every_figure(tmp_path: Path) -> None:
    output = tmp_path / "gpu.json"
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick", "--output", str(output)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    found = json.loads(output.read_text())
    names = {
        "loop",
        "one",
        "1 at once",
        "2 at once",
        "2 in threads",
        "photographs decoded by threads",
        "photographs decoded by the device",
    }
    assert names < set(found)
    assert all(value > 0 for value in found.values() if isinstance(value, int | float))
    # What a population costs follows from the best total throughput: 100 epochs of 50,000 images.
    best = max(found["1 at once"], found["2 at once"])
    assert found["seconds per model of 100 epochs, bar 60"] == pytest.approx(100 * 50_000 / best)
    assert "| one/loop, bar 4 |" in output.with_suffix(".md").read_text()


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--output", str(tmp_path / "gpu.json")]
    hidden = {"CUDA_VISIBLE_DEVICES": "", "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=hidden, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (2, "error: torch sees no GPU; run this where one is\n")
    assert not any(tmp_path.iterdir())
