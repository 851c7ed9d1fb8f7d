"""One process of `test_parallel`: trains in float64 and writes what came out.

Run: two_processes.py CASE OUT PHOTOGRAPHS, the last the root of a folder of photographs.
"""

import sys
from pathlib import Path
from typing import Any

import torch

from edfstat import Trial
from trainers import nets, parallel, session
from trainers.task import prepare

STAGES = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [8, 8, 16, 16], "ss": [1, 1, 2, 2]}
# Nothing reads the older input, and one edge is `none`: some parameters never get a gradient.
CELL = [["sep_conv_3x3", 1], ["max_pool_3x3", 1], ["skip_connect", 1], ["none", 2]]
CELLS = {
    "genotype": {"normal": CELL, "normal_concat": [2, 3], "reduce": CELL, "reduce_concat": [2, 3]},
    "width": 8, "depth": 3, "aux": False, "drop_prob": 0.0,
}  # fmt: skip
PHOTO_NET = {"block_type": "res_basic_block", "ds": [1] * 5, "ws": [16] * 5, "ss": [4, 1, 2, 2, 2]}

#: Batches that two processes share equally and, being odd, not.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "stages, batch 30": (STAGES, {"batch_size": 30, "precise_bn": 60}),
    "stages, batch 15": (STAGES, {"batch_size": 15, "precise_bn": 45, "label_smoothing": 0.1, "decay_norm": False}),
    "cells, enhanced, batch 15": (CELLS, {"base": "enhanced", "batch_size": 15, "precise_bn": 45, "cutout": 8}),
    "photographs, batch 15": (PHOTO_NET, {"batch_size": 15, "image_size": 64, "precise_bn": 30}),
}
EPOCHS = 2


def trial(case: str) -> Trial:
    net, recipe = CASES[case]
    photographs = case.startswith("photographs")
    dataset, options = ("imagenet", {}) if photographs else ("synthetic", {"train_images": 90, "test_images": 33})
    return Trial("any", net, dataset, recipe, {"max_ep": 3, "base_lr": 0.05}, 5, options)


class Wide:
    """A feed whose images are float64: the same numbers, so that only the arithmetic is finer."""

    def __init__(self, feed: Any) -> None:
        self.feed = feed

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.feed, name)
        if name not in ("train", "norm", "test"):
            return value
        return lambda *args: ((images.double(), labels) for images, labels in value(*args))


def run(case: str, photographs: str, epochs: int = EPOCHS) -> dict[str, Any]:
    """Gradients after one step, then everything after some epochs."""
    build = nets.build
    nets.build = lambda *args, **settings: build(*args, **settings).double()
    try:
        task = prepare(trial(case), photographs)
        made = session.Session(task, torch.device("cpu"), precision="fp32", compile=False)
    finally:
        nets.build = build
    made.feed = Wide(made.feed)
    gradients: dict[str, torch.Tensor | None] = {}
    step = made.step

    def first(*batch: torch.Tensor) -> Any:
        result = step(*batch)
        if not gradients:
            gradients.update(
                {name: None if p.grad is None else p.grad.clone() for name, p in made.net.named_parameters()}
            )
        return result

    made.step = first
    seen = [made.epoch(epoch) for epoch in range(epochs)]
    return {
        "gradients": gradients, "state": made.net.state_dict(), "loss": [s.loss for s in seen],
        "errors": [[s.train_error, s.test_error] for s in seen],
    }  # fmt: skip


def main(case: str, out: str, photographs: str) -> None:
    torch.set_num_threads(1)
    rank, _ = parallel.join(torch.device("cpu"))
    result = run(case, photographs)
    parallel.leave(together=True)
    if rank == 0:
        torch.save(result, Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
