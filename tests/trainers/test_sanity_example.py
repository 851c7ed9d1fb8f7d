"""The example that repeats the paper's sanity check: its networks have the printed sizes, and it runs."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from trainers.spaces import SPACES, Architecture, complexity

SCRIPT = Path(__file__).parents[2] / "examples" / "sanity_check.py"


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sanity_check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "millions", "billions"), [("ResNet-110", 1.7, 0.26), ("ResNeXt*", 2.5, 0.38), ("DARTS*", 3.4, 0.54)]
)
def test_sizes_are_those_of_the_paper(name: str, millions: float, billions: float) -> None:
    space, net = example().NETWORKS[name]
    architecture = Architecture.from_net(net)
    size = complexity(architecture, num_classes=10)
    # Printed with two digits; the ResNeXt is ours, of about the printed totals.
    slack = 0.04 if name == "ResNeXt*" else 0.02
    assert float(size["params"][0]) / 1e6 == pytest.approx(millions, rel=slack)
    assert float(size["flops"][0]) / 1e9 == pytest.approx(billions, rel=slack + 0.01)
    assert np.isscalar(space)
    if name == "ResNeXt*":
        assert SPACES[space].contains(architecture)


def test_what_makes_no_sense_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--dataset", "nope", "--directory", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: trials[0]: trial: no data set is named 'nope'")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_trains_all_six_and_prints_the_table(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--dataset", "digits", "--epochs", "1", "--train-images", "128"]
    command += ["--device", "cpu", "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": ok") == 6
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()[-3:]}
    assert rows["ResNet-110"][1:5] == ["1.73", "M", "0.26", "B"]
    # Ours, the paper's, ours, the paper's; after one epoch all of them err.
    assert [float(rows["DARTS*"][at]) for at in (6, 8)] == [5.21, 2.63]
    assert all(0 < float(row[at]) < 100 for row in rows.values() for at in (5, 7))
    assert len(list(tmp_path.glob("*/record.json"))) == 6
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout.splitlines()[-4:] == done.stdout.splitlines()[-4:]
