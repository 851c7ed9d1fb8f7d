"""How fast complexity and samples come, beside counting by building each module: CPU time on one core.

OMP_NUM_THREADS=1 python -m pytest benchmarks/bench_complexity.py -p benchmark --benchmark-only
python benchmarks/bench_complexity.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import pytest

from trainers.spaces import CIFAR_CAPS, SPACES, complexity


def built_and_counted(archs: Any) -> list[int]:
    """What a user without the arithmetic does: build each module (without storage) and count its parameters."""
    import torch

    import trainers

    counts = []
    for arch in archs:
        with torch.device("meta"):
            network = trainers.build(arch, num_classes=10)
        counts.append(sum(parameter.numel() for parameter in network.parameters()))
    return counts


@pytest.mark.parametrize("name", ["ResNet", "ResNeXt-B"])
def test_a_million_stage_networks(benchmark: Any, name: str) -> None:
    table = SPACES[name].sample(1_000_000, rng=0)
    benchmark.pedantic(complexity, (table,), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("name", ["NASNet", "DARTS"])
def test_ten_thousand_cell_networks(benchmark: Any, name: str) -> None:
    table = SPACES[name].sample(10_000, rng=0)
    benchmark.pedantic(complexity, (table,), rounds=3, warmup_rounds=1)


def test_25000_capped_architectures(benchmark: Any) -> None:
    benchmark.pedantic(lambda: SPACES["ResNeXt-B"].sample(25_000, rng=0, **CIFAR_CAPS), rounds=3)


@pytest.mark.parametrize("name", ["ResNeXt-B", "DARTS"])
def test_building_each_module(benchmark: Any, name: str) -> None:
    sample = SPACES[name].sample(5, rng=0)
    benchmark.pedantic(built_and_counted, (sample,), rounds=1)


def _cpu(call: Callable[[], Any], repeats: int = 3) -> float:
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


def main(arguments: list[str] | None = None) -> None:
    """Print CPU seconds, and the ratio per network to building it, measured in the same process."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args(arguments)
    for name, count in (("ResNet", 10**6), ("ResNeXt-B", 10**6), ("NASNet", 10**4), ("DARTS", 10**4)):
        space = SPACES[name]
        table, few = space.sample(count, rng=0), space.sample(5, rng=1)
        arithmetic = _cpu(lambda table=table: complexity(table))
        building = _cpu(lambda few=few: built_and_counted(few), repeats=2)
        ratio = building / 5 / (arithmetic / count)
        print(
            f"{name}: {count} counted in {arithmetic:.3f} s; building and counting one takes {ratio:,.0f} times as long"
        )
    capped = _cpu(lambda: SPACES["ResNeXt-B"].sample(25_000, rng=0, **CIFAR_CAPS))
    print(f"ResNeXt-B: 25000 capped architectures sampled in {capped:.3f} s")


if __name__ == "__main__":
    main()
