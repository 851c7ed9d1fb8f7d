"""A population trained on all cores against the usual loop: images per second in one run, taking turns.

The usual loop (`plain_loop`) trains one network on all threads with its DataLoader's workers beside it, whichever
number of workers is the faster; ours trains as many trials as there are cores, one thread each. Run alone with
``python -m benchmarks.bench_train_step``, which writes results/training.json; an idle machine is needed, as threads
of one process wait for one another.
"""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import pytest

from benchmarks.throughput import SPACES, Team, in_turns, nets, ours, plain

CORES = len(os.sched_getaffinity(0))
RESULTS = Path(__file__).parent / "results" / "training.json"


def measured(net, seconds=4.0, rounds=3, workers=(0, CORES)):
    """Images per second of the loop and of ours, the median of the rounds, and the ratio round by round."""
    teams = {}
    try:
        for n in workers:
            teams[f"plain, {n} workers"] = Team(1, plain, net, threads=CORES, workers=n)
        teams["ours"] = Team(CORES, ours, net, threads=1)
        rates = in_turns(teams, seconds, rounds)
    finally:
        for team in teams.values():
            team.close()
    fast = rates.pop("ours")
    best = max(rates, key=lambda name: median(rates[name]))
    ratios = sorted(a / b for a, b in zip(fast, rates[best]))
    return {
        "plain": median(rates[best]), "loop": best, "ours": median(fast), "ratio": median(ratios),
        "lowest": ratios[0], "highest": ratios[-1], "load": os.getloadavg()[0],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["ResNet-56", *SPACES])
def test_population_on_all_cores(benchmark, name):
    """About 40 s each: the whole takes minutes."""
    result = benchmark.pedantic(measured, args=(nets()[name],), rounds=1)
    benchmark.extra_info.update(result)
    print(f"\n{name}: {result['ours']:.1f} images/s against {result['plain']:.1f}, {result['ratio']:.2f} times as many")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--names", nargs="+", default=["ResNet-56", *SPACES])
    parser.add_argument("--seconds", type=float, default=4.0, help="of a turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    chosen = nets()
    rows = json.loads(args.output.read_text())["nets"] if args.output.exists() else {}
    for name in args.names:
        rows[name] = measured(chosen[name], args.seconds, args.rounds)
        print(name, json.dumps(rows[name]), flush=True)
        about = {
            "cores": CORES, "machine": platform.machine(), "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "torch": version("torch"), "torchvision": version("torchvision"), "unit": "images/s",
        }  # fmt: skip
        args.output.write_text(json.dumps({"about": about, "nets": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
