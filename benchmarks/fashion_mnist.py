"""``python -m benchmarks.fashion_mnist``: all of Fashion-MNIST, a small ResNet and a DARTS network, on the CPU.

Trains both side by side on 60,000 images, in about half an hour on two cores with bf16, and writes
results/fashion_mnist.md. What is done is kept in the folder ``--directory``: the same command goes on after an
interruption.
"""

import argparse
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edfstat import Trial
from tests.trainers.test_learning import NETWORKS

RESULTS = Path(__file__).parent / "results" / "fashion_mnist.md"
KEPT = Path("tmp") / "fashion_mnist"
EPOCHS = {"ResNet": 15, "DARTS": 6}


def page(records, machine):
    """The results as Markdown."""
    from trainers.spaces import Architecture, complexity

    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "edfstat"))
    lines = [
        "# Fashion-MNIST on a CPU",
        "",
        "60,000 training and 10,000 test images, the recipe `default` (batch 128, rate 0.1, half a cosine) with the",
        "data set's augmentation, one thread each, both at once; seed 1.",
        f"{machine}, {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {versions}.",
        "Command: `python -m benchmarks.fashion_mnist`, which keeps checkpoints in tmp/fashion_mnist (`--directory`);",
        "the machine's description is given by `--machine`.",
        "",
        "| network | params | flops | epochs | precision | test error by epoch, % | best, % | minutes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for record in sorted(records, key=lambda r: r["space"]):
        net = Architecture.from_net(record["net"])
        size = {
            k: int(np.ravel(v)[0]) for k, v in complexity(net, image_size=28, in_channels=1, num_classes=10).items()
        }
        curve = ", ".join(f"{error:.2f}" for error in record["test_ep_top1"])
        about = record["provenance"]
        lines.append(
            f"| small {record['space']} | {size['params']:,} | {size['flops']:,} | {len(record['test_ep_top1'])} | "
            f"{about['precision']} | {curve} | {record['min_test_top1']:.2f} | {about['seconds'] / 60:.1f} |"
        )
    return "\n".join(lines) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--directory", type=Path, default=KEPT, help=f"checkpoints and records (default {KEPT})")
    machine = f"{platform.machine()} machine"
    parser.add_argument("--machine", default=machine, help=f"in words, for the page (default '{machine}')")
    args = parser.parse_args(argv)
    from trainers import train_many

    trials = [
        Trial(space, net, "fashion-mnist", optim={"max_ep": EPOCHS[space]}, seed=1) for space, net in NETWORKS.items()
    ]
    records = []
    for record in train_many(trials, device="cpu", directory=args.directory):
        sys.stderr.write(f"{record['space']} {record['status']} {record['min_test_top1']} {record['message']}\n")
        records.append(record)
    if any(record["status"] != "ok" for record in records):
        return 1
    RESULTS.write_text(page(records, args.machine), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
