"""Networks learn real images to the errors that are stated for them, in minutes on a CPU."""

from typing import Any

import numpy as np
import pytest

from edfstat import Trial
from trainers import train_many

RESNET = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
# The normal cell of DARTS_V2 and a reduction cell of its pools, small.
EDGES = ["sep_conv_3x3", 0], ["sep_conv_3x3", 1]
POOLS = ["max_pool_3x3", 0], ["max_pool_3x3", 1]
CELLS = {
    "genotype": {
        "normal": [*EDGES, *EDGES, ["sep_conv_3x3", 1], ["skip_connect", 0], ["skip_connect", 0], ["dil_conv_3x3", 2]],
        "normal_concat": [2, 3, 4, 5],
        "reduce": [*POOLS, ["skip_connect", 2], POOLS[1], POOLS[0], *[["skip_connect", 2]] * 2, POOLS[1]],
        "reduce_concat": [2, 3, 4, 5],
    },
    "width": 8, "depth": 4, "aux": False, "drop_prob": 0.0,
}  # fmt: skip
NETWORKS = {"ResNet": RESNET, "DARTS": CELLS}


def final_errors(trials: list[Trial]) -> dict[str, list[float]]:
    """Test errors after the last epoch by space, trained side by side."""
    errors: dict[str, list[float]] = {}
    for record in train_many(trials, device="cpu"):
        assert record["status"] == "ok", record["message"]
        errors.setdefault(record["space"], []).append(record["final_test_top1"])
    return errors


def trial(space: str, dataset: str, epochs: int, seed: int, **options: Any) -> Trial:
    return Trial(space, NETWORKS[space], dataset, optim={"max_ep": epochs}, seed=seed, options=options)


@pytest.mark.slow
def test_digits_reach_two_and_a_half_percent() -> None:
    errors = final_errors([trial(space, "digits", 20, seed) for space in NETWORKS for seed in (1, 2, 3)])
    assert {space: len(found) for space, found in errors.items()} == {"ResNet": 3, "DARTS": 3}
    assert all(np.median(found) <= 2.5 for found in errors.values()), errors


@pytest.mark.slow
@pytest.mark.usefixtures("fashion_mnist")
def test_a_twelfth_of_fashion_mnist_reaches_the_stated_errors() -> None:
    """5,000 images, 6 epochs. Some 22 and 18 % are usual; all images are trained by benchmarks/fashion_mnist.py."""
    images = {"train_images": 5000, "test_images": 2000}
    errors = final_errors([trial(space, "fashion-mnist", 6, 1, **images) for space in NETWORKS])
    assert errors["ResNet"][0] <= 25, errors
    assert errors["DARTS"][0] <= 21, errors
