"""Batches from a data set that lives on the device as bytes: no loader, no copies, no workers.

Everything random comes from a generator seeded by the trial's seed and the epoch, so an epoch is the same
whether the epochs before it ran in this process or in another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from datasets import ImageSet
    from trainers.recipes import Recipe

__all__ = ["Batch", "DeviceFeed", "Feed", "seed_of", "squares"]

Batch = tuple[Tensor, Tensor]

#: What a seed is for, so that one use never repeats the numbers of another.
MODEL, EPOCH, NORM = 0, 1, 2


class Feed(Protocol):
    """What the training loop asks of a data set."""

    train_images: int
    test_images: int
    steps: int
    #: Batches of test images, in the process that has most of them.
    test_steps: int

    def train(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Augmented, normalised batches of one epoch, in its own order, from step `start` on."""
        ...

    def norm(self, epoch: int) -> Iterator[Batch]:
        """Training batches over which batch-norm statistics are taken."""
        ...

    def test(self) -> Iterator[Batch]:
        """All test images, once."""
        ...


def seed_of(seed: int, *use: int) -> int:
    """An independent 63-bit seed for one use of a trial's seed."""
    return int(np.random.SeedSequence([seed % 2**63, *use]).generate_state(1, np.uint64)[0] >> np.uint64(1))


class DeviceFeed:
    """Batches of a data set held on the device as uint8, channels last.

    Parameters
    ----------
    train, test : ImageSet
    recipe : Recipe
    device : torch.device
    seed : int
    rank, world : int
        Share of each global batch that this process takes: images rank, rank + world, ...
    """

    def __init__(
        self,
        train: ImageSet,
        test: ImageSet,
        *,
        recipe: Recipe,
        device: torch.device,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.recipe, self.device, self.seed, self.rank, self.world = recipe, device, seed, rank, world
        self.side, self.padding = train.image_size, train.augmentation.crop_padding if recipe.augment else 0
        self.flip = train.augmentation.flip and recipe.augment
        self.pixels = _padded(train.images, self.padding, train.augmentation.fill).to(device)
        self.labels = torch.from_numpy(np.array(train.labels)).to(device)
        self.test_pixels = torch.from_numpy(np.array(test.images)).to(device)
        self.test_labels = torch.from_numpy(np.array(test.labels)).to(device)
        self.shift = torch.tensor(train.mean, device=device) * 255
        self.scale = 1 / (torch.tensor(train.std, device=device) * 255)
        self.along = torch.arange(self.side, device=device)
        self.train_images, self.test_images = len(train), len(test)
        self.batch = min(recipe.batch_size, self.train_images)
        # The last, smaller batch is left out, as in the authors' code: each epoch leaves out other images.
        self.steps = self.train_images // self.batch
        # On a GPU no more than what a step keeps for its backward pass has room for.
        self.test_batch = 256 if device.type == "cpu" else min(2048, max(1, 8 * self.batch // world))
        self.test_steps = -(-self.test_images // (self.test_batch * world))

    def train(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Augmented batches of one epoch, from step `start` on."""
        yield from self._shuffled(seed_of(self.seed, EPOCH, epoch), self.steps, start)

    def norm(self, epoch: int) -> Iterator[Batch]:
        """Augmented batches for the batch-norm statistics, drawn anew in each epoch."""
        steps = min(-(-self.recipe.precise_bn // self.batch), self.steps)
        yield from self._shuffled(seed_of(self.seed, NORM, epoch), steps)

    def test(self) -> Iterator[Batch]:
        """Test batches, not augmented; the processes share them."""
        size = self.test_batch
        for start in range(self.rank * size, self.test_images, size * self.world):
            pixels = self.test_pixels[start : start + size]
            yield self._normalised(pixels), self.test_labels[start : start + size]

    def _shuffled(self, seed: int, steps: int, start: int = 0) -> Iterator[Batch]:
        generator = torch.Generator(self.device).manual_seed(seed)
        order = torch.randperm(self.train_images, generator=generator, device=self.device)
        for step in range(steps):
            index = order[step * self.batch : (step + 1) * self.batch]
            # Drawn for the global batch, so that the images do not depend on how many processes share it.
            rows, columns, hole = self._places(len(index), generator)
            if step < start:  # only drawn, for what comes after to be as ever
                continue
            mine = slice(self.rank, None, self.world)
            index = index[mine]
            pixels = self.pixels[index[:, None, None], rows[mine, :, None], columns[mine, None, :]]
            images = self._normalised(pixels)
            if hole is not None:
                images.masked_fill_(hole[mine], 0.0)
            yield images, self.labels[index]

    def _places(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor | None]:
        """Rows and columns of each crop (mirrored ones count down), and where the cutout is."""

        def draw(high: int) -> Tensor:
            return torch.randint(high, (n, 1), generator=generator, device=self.device)

        along = self.along.expand(n, -1)
        rows = columns = along
        if self.flip:
            mirrored = draw(2)
            columns = along + mirrored * (self.side - 1 - 2 * along)
        if self.padding:
            rows, columns = rows + draw(2 * self.padding + 1), columns + draw(2 * self.padding + 1)
        hole = None
        if half := self.recipe.cutout // 2:
            # As in the Cutout paper: the centre lies anywhere, so the square may stick out of the image.
            y, x = draw(self.side), draw(self.side)
            hole = squares(y, x, half, self.along)
        return rows, columns, hole

    def _normalised(self, pixels: Tensor) -> Tensor:
        # NHWC bytes seen as NCHW are already in channels_last order.
        return pixels.to(torch.float32).sub_(self.shift).mul_(self.scale).permute(0, 3, 1, 2)


def squares(y: Tensor, x: Tensor, half: int, along: Tensor) -> Tensor:
    """Where a square of 2 `half` pixels a side lies in each image, shape (n, 1, side, side).

    Parameters
    ----------
    y, x : Tensor, shape (n, 1)
        Row and column of each centre: the first pixel below and to the right of the square's middle.
    half : int
    along : Tensor, shape (side,)
        Numbers of an image's rows, or columns.

    Examples
    --------
    >>> row, column = torch.tensor([[1]]), torch.tensor([[3]])
    >>> squares(row, column, 1, torch.arange(4))[0, 0].int().tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    in_rows, in_columns = ((along >= centre - half) & (along < centre + half) for centre in (y, x))
    return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]


def _padded(images: np.ndarray, padding: int, fill: tuple[int, ...]) -> Tensor:
    if not padding:
        return torch.from_numpy(np.array(images))
    n, height, width, channels = images.shape
    wide = np.empty((n, height + 2 * padding, width + 2 * padding, channels), dtype=np.uint8)
    wide[:] = fill
    wide[:, padding:-padding, padding:-padding] = images
    return torch.from_numpy(wide)
