"""How much memory training a network takes, counted before it is trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainers.task import Task

__all__ = ["training_bytes"]


def training_bytes(task: Task) -> int:
    """Memory that a task's training takes in fp32, in bytes, counted and so without what the libraries add.

    Counted on a network without numbers (torch's device ``meta``): weights with their gradients and momenta, what
    a step keeps for its backward pass, the gradients of its largest layer, and the images that stay in memory.

    Parameters
    ----------
    task : Task

    Returns
    -------
    int
        Without what the libraries take themselves, such as a GPU's context and workspaces of convolutions: on a
        CPU processes grew by 1.2 to 1.5 times as much where this was 0.4 to 0.8 GB.

    Examples
    --------
    >>> from edfstat import Trial
    >>> from trainers.task import prepare
    >>> net = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
    >>> small, large = (prepare(Trial("ResNet", net, "digits", {"batch_size": n})) for n in (32, 128))
    >>> 1 < training_bytes(large) / training_bytes(small) < 4
    True
    """
    from trainers.nets import build

    recipe, images = task.recipe, task.train
    batch = min(recipe.batch_size, len(images))
    side = recipe.image_size or images.image_size
    # Initialising draws numbers, also where there are none to set.
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        net = build(
            task.architecture, num_classes=images.num_classes, in_channels=images.in_channels, image_size=side,
            stem=task.stem, aux=recipe.aux_weight > 0,
        )  # fmt: skip
        kept = _kept(net, torch.empty(batch, images.in_channels, side, side))
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    resident = 0 if task.streams else task.train.images.nbytes + task.test.images.nbytes
    return 3 * weights + sum(kept) + 2 * max(kept, default=0) + resident


def _kept(net: Any, batch: Tensor) -> list[int]:
    """Bytes of each block of memory that a forward pass keeps for the backward pass, weights left out."""
    weights = {p.untyped_storage()._cdata for p in net.parameters()}
    blocks: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            blocks[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # Held until all is counted, as the number of a block that is freed goes to another.
        output = net(batch)
    del output
    return list(blocks.values())
