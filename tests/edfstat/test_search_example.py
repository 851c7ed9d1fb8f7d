"""The zero-cost benchmark is honest: its random search follows the exact law, its evolution stays within the file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import edfstat

SCRIPT = Path(__file__).parents[2] / "examples" / "search_on_lookup.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("search_on_lookup", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_simulated_random_search_has_the_exact_mean(example: ModuleType) -> None:
    benchmark = example.read_benchmark("example", "Vanilla")
    population = edfstat.example_population()
    recorded = population["error"].values[population["space"].values == "Vanilla"]
    np.testing.assert_array_equal(np.sort(benchmark.error), np.sort(recorded))
    found = example.best_so_far(example.random_search, benchmark, 32, 2000, 1)
    sizes = [1, 2, 4, 8, 16, 32]
    law = edfstat.random_search(recorded, sizes)
    noise = law["std"].values / np.sqrt(len(found))
    assert (np.abs(found[:, np.array(sizes) - 1].mean(axis=0) - law["mean"].values) < 4.5 * noise).all()


def test_mutations_go_to_the_nearest_recorded_models(example: ModuleType) -> None:
    nets = [{"ds": [1, depth], "op": op} for depth in range(1, 21) for op in ("conv", "pool")]
    benchmark = example.Benchmark("A", np.arange(40.0), example.coordinates(nets))
    near = set(benchmark.neighbours(20).tolist())
    assert len(near) == 8
    assert 20 not in near
    assert {18, 22} <= near
    tried = example.evolution(benchmark, 200, np.random.default_rng(0))
    for place in range(16, 200):
        alive = tried[place - 16 : place]
        assert any(tried[place] in benchmark.neighbours(parent) for parent in alive)


def test_it_runs_and_draws(example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "search.svg"
    example.main(["--budget", "20", "--repeats", "5", "-o", str(picture)])
    assert picture.read_text().rstrip().endswith("</svg>")
    assert str(picture) in capsys.readouterr().out
    with pytest.raises(SystemExit) as done:
        example.main(["nowhere.json"])
    assert done.value.code == 2


def test_a_wrong_file_or_picture_is_refused_in_a_sentence(
    example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("error,space\n5,a\n6,a\n")
    for arguments, said in (
        ([str(table)], "table.csv holds no architectures"),
        (["-o", str(tmp_path / "nowhere" / "x.svg")], "in a folder that is there"),
        (["-o", str(tmp_path / "x.txt")], "ends in .svg or .png"),
    ):
        with pytest.raises(SystemExit) as done:
            example.main(arguments)
        assert done.value.code == 2
        assert said in capsys.readouterr().err
