"""A population trained on all cores against the usual loop: images per second in one run, taking turns.

The usual loop (`plain_loop`) trains one network on all threads with its DataLoader's workers beside it, whichever
number of workers is the faster; ours trains as many trials as there are cores, one thread each.

``python -m benchmarks.bench_train_step`` measures all networks in less than ten minutes and writes
results/training.json and training.md. It needs an idle machine, as threads of one process wait for one another.
"""

import argparse
import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

import pytest

from benchmarks.overhead import outside_the_net
from benchmarks.throughput import SPACES, Team, in_turns, nets, ours, plain

CORES = len(os.sched_getaffinity(0))
RESULTS = Path(__file__).resolve().parent / "results" / "training.json"
NAMES = ["ResNet-56", *SPACES]
#: With which this processor does as an older one would, in both: all three, to ("AVX2", "avx2", "cc -mno-avx512f").
LIMITS = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "CC")
#: Of these the share of an epoch that is not the net is measured, too: the smallest is the hardest.
OVERHEAD = ["ResNet-56", "Vanilla", "DARTS"]


def measured(net, seconds=3.0, rounds=3, workers=(0, CORES), precision="auto"):
    """Images per second of the loop and of ours, the median of the rounds, and the ratio round by round."""
    starts = {f"{n} workers": partial(Team, 1, plain, net, threads=CORES, workers=n) for n in workers}
    rates = in_turns(
        {**starts, "ours": partial(Team, CORES, ours, net, threads=1, precision=precision)}, seconds, rounds
    )
    fast = rates.pop("ours")
    best = max(rates, key=lambda name: median(rates[name]))
    ratios = sorted(a / b for a, b in zip(fast, rates[best]))
    return {
        "plain": median(rates[best]), "loop": best, "ours": median(fast), "ratio": median(ratios),
        "lowest": ratios[0], "highest": ratios[-1], "load": os.getloadavg()[0],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["ResNet-56", "ResNeXt-A", "DARTS"])
def test_population_on_all_cores(benchmark, name):
    """About 20 s each; the command measures every space, and more often."""
    result = benchmark.pedantic(measured, args=(nets()[name],), kwargs={"seconds": 2, "rounds": 2}, rounds=1)
    benchmark.extra_info.update(result)
    print(f"\n{name}: {result['ours']:.1f} images/s against {result['plain']:.1f}, {result['ratio']:.2f} times as many")


def test_share_outside_the_net(benchmark):
    share = benchmark.pedantic(outside_the_net, args=(nets()["ResNet-56"],), kwargs={"images": 640}, rounds=1)
    benchmark.extra_info.update(share)
    print(f"\nResNet-56: {share['percent']:.2f} % of an epoch is not the net")


def about(precision="auto"):
    """Where and with what this was measured."""
    import torch

    from trainers.nets import cpu

    fast = torch.cpu._is_avx512_bf16_supported() and precision != "fp32"
    return {
        "cores": CORES, "machine": platform.machine(), "processor": _processor(), "bf16 instructions": fast,
        "AMX": torch.cpu._is_amx_tile_supported(), "layers": "in C" if cpu.available() else "torch's",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "limits": {name: os.environ[name] for name in LIMITS if name in os.environ},
        "bar": 2.5 if fast else 1.6, "date": f"{datetime.now(UTC):%Y-%m-%d}", "python": platform.python_version(),
        "torch": version("torch"), "torchvision": version("torchvision"), "unit": "images/s", "precision": precision,
    }  # fmt: skip


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def command(found, output):
    """What measures these networks in this precision, and writes to this file."""
    limits = [f"{name}={shlex.quote(value)}" for name, value in found["about"].get("limits", {}).items()]
    words = ["python", "-m", "benchmarks.bench_train_step"]
    if (precision := found["about"]["precision"]) != "auto":
        words += ["--precision", precision]
    if set(found["nets"]) != set(NAMES):
        words += ["--names", *found["nets"]]
    place, root = output.resolve(), RESULTS.parents[2]
    if place != RESULTS:
        words += ["--output", str(place.relative_to(root) if place.is_relative_to(root) else output)]
    return " ".join([*limits, shlex.join(words)])


def page(found, output=RESULTS):
    """The figures as Markdown."""
    about, bar = found["about"], found["about"]["bar"]
    lines = [
        "# Training on a CPU",
        "",
        f"{about['cores']} cores ({about['processor']}), {about['date']}, Python {about['python']}, "
        f"torch {about['torch']}, torchvision {about['torchvision']}. bf16 "
        f"instructions {'are' if about['bf16 instructions'] else 'are not'} used "
        f"({'with' if about['AMX'] else 'no'} AMX), so the bar is {bar} times the loop."
        + (f" torch is limited to {about['instructions']}." if about.get("limits") else ""),
        f"Command: `{command(found, output)}`, which writes this page and its figures as JSON.",
        "",
        "Images per second of training, batch 128, 32x32 images. The loop: torchvision transforms v2, DataLoader (the",
        "better of none and as many workers as cores), fp32, torch's own layers, eager, one trial on all threads.",
        f"Ours: one trial per core, precision `{about['precision']}`, batch norm and 3x3 convolutions {about['layers']}.",  # noqa: E501
        "Of each space: the network of median operations among 101 sampled under the paper's caps. Ratios: median of the",  # noqa: E501
        "rounds (lowest to highest). Load: of the machine over the last minute, of which the benchmark makes",
        "about as much as there are cores; more means that others computed, too.",
        "",
        "| network | loop | its workers | ours | ratio | range | load | bar met |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in found["nets"].items():
        lines.append(
            f"| {name} | {row['plain']:.1f} | {row['loop'].split()[0]} | {row['ours']:.1f} | {row['ratio']:.2f} | "
            f"{row['lowest']:.2f} to {row['highest']:.2f} | {row['load']:.1f} | {'yes' if row['ratio'] >= bar else 'no'} |"  # noqa: E501
        )
    lines += [
        "",
        "Share of a trial's CPU time that is not the net (its forward, backward and optimizer steps): batches,",
        "bookkeeping, checkpoints, the progress file. `trainers.train` over two epochs, evaluation included.",
        "",
        "| network | percent |",
        "| --- | --- |",
        *(f"| {name} | {row['percent']:.2f} |" for name, row in found.get("outside", {}).items()),
    ]
    return "\n".join(lines) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--names", nargs="+", default=NAMES, choices=NAMES, help="networks to measure (default all)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a turn (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default 3)")
    parser.add_argument(
        "--precision", default="auto", choices=["auto", "fp32"],
        help="of ours: auto takes bf16 where the CPU computes in it, fp32 is as without (default auto)",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=RESULTS,
        help="JSON file; the page is written beside it (default benchmarks/results/training.json)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    chosen = nets()
    found = json.loads(args.output.read_text(encoding="utf-8")) if args.output.exists() else {}
    found = {"about": about(args.precision), "nets": found.get("nets", {}), "outside": found.get("outside", {})}
    for name in args.names:
        found["nets"][name] = measured(chosen[name], args.seconds, args.rounds, precision=args.precision)
        if name in OVERHEAD:
            found["outside"][name] = outside_the_net(chosen[name], precision=args.precision)
        sys.stderr.write(f"{name} {json.dumps(found['nets'][name])}\n")
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        args.output.with_suffix(".md").write_text(page(found, args.output), encoding="utf-8")
    print(page(found, args.output))


if __name__ == "__main__":
    main()
