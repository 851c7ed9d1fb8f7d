"""The paper's sanity check of a training set-up: three known networks under two recipes.

    python examples/sanity_check.py --dataset cifar10 --directory sanity

ResNet-110, a ResNeXt and the cell network DARTS_V2 (width 36, depth 20) are trained by the recipes ``default`` (100
epochs) and ``enhanced`` (600 epochs: Cutout, scheduled DropPath, auxiliary head), and their errors are set beside
those of the paper. What is done is kept in the directory: the same command goes on after an interruption. On one GPU
this takes hours; ``--epochs 1 --dataset synthetic --train-images 256`` shows in minutes that everything runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from edfstat import InputError, Trial
from trainers import train_many
from trainers.spaces import Architecture, complexity

# Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019: the second-order cell.
POOLED = ["max_pool_3x3", 0], ["max_pool_3x3", 1]
DARTS_V2 = {
    "normal": [
        ["sep_conv_3x3", 0], ["sep_conv_3x3", 1], ["sep_conv_3x3", 0], ["sep_conv_3x3", 1],
        ["sep_conv_3x3", 1], ["skip_connect", 0], ["skip_connect", 0], ["dil_conv_3x3", 2],
    ],
    "normal_concat": [2, 3, 4, 5],
    "reduce": [
        *POOLED, ["skip_connect", 2], ["max_pool_3x3", 1], ["max_pool_3x3", 0], ["skip_connect", 2],
        ["skip_connect", 2], ["max_pool_3x3", 1],
    ],
    "reduce_concat": [2, 3, 4, 5],
}  # fmt: skip

#: Space and network. The paper gives of its ResNeXt the totals only (2.5 M parameters, 0.38 B operations); here a
#: network of the ResNeXt-B space of about those stands for it.
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "ResNet-110": (
        "ResNet",
        {"block_type": "res_basic_block", "ds": [1, 18, 18, 18], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]},
    ),
    "ResNeXt*": (
        "ResNeXt-B",
        {
            "block_type": "res_bottleneck_block", "ds": [1, 4, 16, 8], "ws": [16, 64, 128, 256], "ss": [1, 1, 2, 2],
            "bot_muls": [0.0, 1.0, 1.0, 1.0], "num_gs": [1, 8, 8, 8],
        },
    ),
    "DARTS*": ("DARTS", {"genotype": DARTS_V2, "width": 36, "depth": 20, "aux": False, "drop_prob": 0.0}),
}  # fmt: skip

#: Errors on CIFAR-10 as printed in the paper, in percent.
PRINTED = {
    ("ResNet-110", "default"): 5.91, ("ResNet-110", "enhanced"): 3.65, ("ResNeXt*", "default"): 4.90,
    ("ResNeXt*", "enhanced"): 2.75, ("DARTS*", "default"): 5.21, ("DARTS*", "enhanced"): 2.63,
}  # fmt: skip
RECIPES = ("default", "enhanced")


def trials(args: argparse.Namespace) -> dict[tuple[str, str], Trial]:
    """The six trainings."""
    optim = {} if args.epochs is None else {"max_ep": args.epochs}
    options = {} if args.train_images is None else {"train_images": args.train_images}
    return {
        (name, recipe): Trial(space, net, args.dataset, recipe, optim, args.seed, options)
        for name, (space, net) in NETWORKS.items()
        for recipe in RECIPES
    }


def table(errors: dict[tuple[str, str], str]) -> str:
    """The networks, their sizes on 32x32 images, and their errors beside the printed ones."""
    lines = [f"{'network':<12}{'params':>9}{'flops':>9}  " + "".join(f"{name:>12}{'paper':>8}" for name in RECIPES)]
    for name, (_, net) in NETWORKS.items():
        size = complexity(Architecture.from_net(net), num_classes=10)
        cells = "".join(f"{errors.get((name, recipe), '-'):>12}{PRINTED[name, recipe]:>8.2f}" for recipe in RECIPES)
        lines.append(f"{name:<12}{size['params'][0] / 1e6:>7.2f} M{size['flops'][0] / 1e9:>7.2f} B  {cells}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Train what is not done yet and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--directory", default="sanity", help="checkpoints and records (default: %(default)s)")
    parser.add_argument("--dataset", default="cifar10", help="default: %(default)s, which the paper's errors are of")
    parser.add_argument("--root", help="folder of the data set (default: those of EDFSTAT_DATA, then the user's cache)")
    parser.add_argument("--epochs", type=int, help="instead of the recipes' 100 and 600")
    parser.add_argument("--train-images", type=int, help="use only so many (default: all)")
    parser.add_argument(
        "--seed", type=int, default=1, help="of first weights, order and augmentation (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:N, or auto: a GPU if there is one (default: %(default)s)"
    )
    parser.add_argument("--workers", type=int, help="trainings at a time (default: as memory and cores allow)")
    args = parser.parse_args(argv)
    wanted = trials(args)
    names = {trial.id: key for key, trial in wanted.items()}
    errors: dict[tuple[str, str], str] = {}
    try:
        print(f"{len(wanted)} trainings; each epoch goes to {args.directory}{os.sep}*{os.sep}progress.jsonl")
        for record in train_many(
            list(wanted.values()), device=args.device, workers=args.workers, directory=args.directory, root=args.root
        ):
            name, recipe = key = names[record["trial_id"]]
            errors[key] = f"{record['min_test_top1']:.2f}" if record["status"] == "ok" else record["status"]
            print(f"{name}, {recipe}: {record['status']} {record['message']}", flush=True)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    print(f"\nTest error in percent, best epoch, on {args.dataset}; the paper's are of CIFAR-10.\n{table(errors)}")
    return 0 if len(errors) == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
