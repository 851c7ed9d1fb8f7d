"""How much memory training a network takes, counted before it is trained, and how much there is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.task import Task

__all__ = ["available_bytes", "training_bytes"]


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


def available_bytes(root: Path = Path("/")) -> int | None:
    """Memory of this machine that processes could still take, within the limits that are set for this one.

    Parameters
    ----------
    root : Path
        Where the system tells it, in ``proc`` and ``sys``.

    Returns
    -------
    int or None
        None where the system does not say.
    """
    free = [*_free_of_machine(root / "proc" / "meminfo"), *_free_of_groups(root)]
    return max(0, min(free)) if free else None


def _free_of_machine(path: Path) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError):
        lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        if "MemAvailable" in lines:
            yield int(lines["MemAvailable"].split()[0]) * 1024


def _free_of_groups(root: Path) -> Iterator[int]:
    """What each control group (version 2) around this process leaves: SLURM and containers set limits there."""
    top = root / "sys" / "fs" / "cgroup"
    with contextlib.suppress(OSError, StopIteration):
        line = next(line for line in (root / "proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        folder = top / line.removeprefix("0::").strip().lstrip("/")
        for group in (folder, *folder.parents):
            if group == top.parent:
                break
            with contextlib.suppress(OSError, ValueError, KeyError):
                limit = int((group / "memory.max").read_text())  # "max" is no number, and no limit
                counts = dict(each.split() for each in (group / "memory.stat").read_text().splitlines())
                # Files that were read count, too, but would make room.
                yield limit - int((group / "memory.current").read_text()) + int(counts["inactive_file"])
