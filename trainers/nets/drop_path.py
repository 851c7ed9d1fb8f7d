"""DropPath: a whole path of a network is left out of a training step, image by image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DropPath"]


class DropPath(nn.Module):
    """Zero a path's output for a random part of the batch and scale the rest up; the identity when not training.

    One module serves all paths of a network, so that one call changes the probability everywhere. The
    probability is a tensor on the device: a captured graph sees it change. What is dropped is drawn from torch's
    generator of the device, or, once there is a `seed`, from one of its own, which trials in other threads leave alone.

    Examples
    --------
    >>> drop = DropPath()
    >>> drop.set(0.5)
    >>> kept = drop(torch.ones(64, 1, 2, 2)).unique().tolist()
    >>> kept
    [0.0, 2.0]
    """

    probability: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("probability", torch.zeros(()), persistent=False)
        self.active = False
        self.generator: torch.Generator | None = None
        self._global: tuple[int, slice] | None = None

    def seed(self, seed: int) -> None:
        """Draw what is dropped from here on as this seed says."""
        if self.generator is None or self.generator.device != self.probability.device:
            self.generator = torch.Generator(self.probability.device)
        self.generator.manual_seed(seed)

    def set(self, probability: float) -> None:
        """Drop each path with this probability, from 0 to below 1, from the next step on."""
        if not 0 <= probability < 1:
            raise ValueError(f"the drop probability is {probability!r}; give a value from 0 to below 1")
        self.active = probability > 0
        self.probability.fill_(probability)

    def split(self, batch: int, rank: int, world: int) -> None:
        """Hold images rank, rank + world, ... of a global batch of that size, and draw as one process would."""
        self._global = batch, slice(rank, None, world)

    @property
    def dropping(self) -> bool:
        """Whether a call leaves anything out."""
        return self.active and self.training

    def forward(self, path: Tensor) -> Tensor:
        """Path of shape (n, c, h, w) with some of its n images zeroed."""
        if not self.dropping:
            return path
        size, mine = self._global or (len(path), slice(None))
        drawn = torch.rand((size, 1, 1, 1), generator=self.generator, device=path.device)[mine]
        kept = (drawn >= self.probability) / (1 - self.probability)
        return path * kept.to(path.dtype)
