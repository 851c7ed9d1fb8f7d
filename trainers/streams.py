"""Batches from photographs on disk: read by threads ahead of the device, and decoded on it where it can.

Crops and cutouts are drawn from the trial's seed, the epoch and the photograph's number, so they depend neither on
the order in which threads finish nor on how many processes share the work.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers import devices
from trainers.feeds import EPOCH, NORM, Batch, seed_of, squares
from trainers.photographs import decoded, decoded_together, decodes, read, resized

if TYPE_CHECKING:
    from datasets.imagenet import ImageFolder
    from trainers.recipes import Recipe

__all__ = ["StreamFeed", "random_box"]

#: Share of the side that a test crop takes: 224 of 256 pixels.
CENTRE = 224 / 256
#: Batches read (and, by a CPU, decoded) ahead.
AHEAD = 3


class StreamFeed:
    """Batches of an image folder: random-resized crops to train, the centre to test.

    Parameters
    ----------
    train, test : ImageFolder
    recipe : Recipe
    device : torch.device
    seed : int
    rank, world : int
        Share of each global batch that this process takes.
    """

    def __init__(
        self,
        train: ImageFolder,
        test: ImageFolder,
        *,
        recipe: Recipe,
        device: torch.device,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.sets = {"train": train, "test": test}
        self.recipe, self.device, self.seed, self.rank, self.world = recipe, device, seed, rank, world
        self.side = recipe.image_size or train.image_size
        self.train_images, self.test_images = len(train), len(test)
        self.batch = min(recipe.batch_size, self.train_images)
        self.steps = self.train_images // self.batch
        self.test_batch = max(recipe.batch_size // world, 1)
        self.test_steps = -(-self.test_images // (self.test_batch * world))
        self.decodes = decodes(device)
        self.shift = 255 * torch.tensor(train.mean, device=device)[:, None, None]
        self.scale = 1 / (255 * torch.tensor(train.std, device=device)[:, None, None])

    def train(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Randomly cropped, mirrored and cut out batches of one epoch, from step `start` on."""
        return self._shuffled(EPOCH, epoch, range(start, self.steps))

    def norm(self, epoch: int) -> Iterator[Batch]:
        """Training batches for the batch-norm statistics."""
        return self._shuffled(NORM, epoch, range(min(-(-self.recipe.precise_bn // self.batch), self.steps)))

    def test(self) -> Iterator[Batch]:
        """Centre crops of the test photographs; the processes share them."""
        mine = range(self.rank, self.test_images, self.world)
        groups = [mine[start : start + self.test_batch] for start in range(0, len(mine), self.test_batch)]
        return self._batches("test", groups, self._centre)

    def _shuffled(self, use: int, epoch: int, steps: range) -> Iterator[Batch]:
        seed = seed_of(self.seed, use, epoch)
        order = np.random.default_rng(seed).permutation(self.train_images)
        groups = [order[s * self.batch : (s + 1) * self.batch][self.rank :: self.world] for s in steps]

        def view(pixels: Tensor, number: int) -> Tensor:
            return self._random(pixels, np.random.default_rng([seed, number]))

        batches = self._batches("train", groups, view if self.recipe.augment else self._centre)
        half = self.recipe.cutout // 2
        for (images, labels), group in zip(batches, groups):
            if half:
                # Zero after normalization is the mean colour.
                images.masked_fill_(self._holes(seed, group, half), 0.0)
            yield images, labels

    def _batches(
        self, split: str, groups: Sequence[Sequence[int] | NDArray[np.int64]], view: Callable[[Tensor, int], Tensor]
    ) -> Iterator[Batch]:
        images = self.sets[split]

        def one(number: int) -> Tensor:
            data = read(images.paths[number])
            return data if self.decodes else view(decoded(data, str(images.paths[number])), number)

        waiting: deque[tuple[list[Future[Tensor]], list[int]]] = deque()
        with ThreadPoolExecutor(_workers(self.world)) as pool:
            for group in [*groups, *[()] * AHEAD]:
                numbers = [int(number) for number in group]
                if numbers:
                    waiting.append(([pool.submit(one, number) for number in numbers], numbers))
                if waiting and (len(waiting) > AHEAD or not numbers):
                    futures, numbers = waiting.popleft()
                    parts = [future.result() for future in futures]
                    if self.decodes:
                        names = [str(images.paths[number]) for number in numbers]
                        parts = [view(p, n) for p, n in zip(decoded_together(parts, self.device, names), numbers)]
                    yield self._normalised(torch.stack(parts), torch.from_numpy(images.labels[np.array(numbers)]))

    def _normalised(self, pixels: Tensor, labels: Tensor) -> Batch:
        if self.device.type == "cuda":
            labels = labels.pin_memory()
            pixels = pixels if pixels.is_cuda else pixels.pin_memory()
        bytes_there = pixels.to(self.device, non_blocking=True).to(memory_format=torch.channels_last)
        images = bytes_there.to(torch.float32).sub_(self.shift).mul_(self.scale)
        return images, labels.to(self.device, non_blocking=True)

    def _random(self, pixels: Tensor, rng: np.random.Generator) -> Tensor:
        top, left, height, width = random_box(pixels.shape[1], pixels.shape[2], rng)
        crop = resized(pixels[:, top : top + height, left : left + width], self.side, self.side)
        return crop.flip(2) if rng.random() < 0.5 else crop

    def _holes(self, seed: int, numbers: NDArray[np.int64], half: int) -> Tensor:
        """Where each photograph's cutout is; its centre lies anywhere, as in `DeviceFeed`."""
        # The last number tells these draws from those of the crop, which a recipe without cutout shares.
        centres = [np.random.default_rng([seed, number, 1]).integers(self.side, size=2) for number in numbers]
        y, x = torch.from_numpy(np.array(centres)).to(self.device)[:, :, None].unbind(1)
        return squares(y, x, half, torch.arange(self.side, device=self.device))

    def _centre(self, pixels: Tensor, number: int) -> Tensor:
        # Shorter side to 256 for a crop of 224, and in that proportion for others.
        short = round(self.side / CENTRE)
        height, width = pixels.shape[1:]
        scale = short / min(height, width)
        pixels = resized(pixels, max(round(height * scale), self.side), max(round(width * scale), self.side))
        top, left = (pixels.shape[1] - self.side) // 2, (pixels.shape[2] - self.side) // 2
        return pixels[:, top : top + self.side, left : left + self.side]


def random_box(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop: 8 to 100 % of the area, sides from 3:4 to 4:3.

    Parameters
    ----------
    height, width : int
        Of the photograph, in pixels.
    rng : numpy.random.Generator

    Returns
    -------
    tuple of int

    References
    ----------
    Szegedy et al., "Going deeper with convolutions", CVPR 2015.
    """
    for _ in range(10):
        area = height * width * rng.uniform(0.08, 1.0)
        ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    # No such box fits a very long photograph: the largest one in its middle.
    w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (height - h) // 2, (width - w) // 2, h, w


def _workers(world: int) -> int:
    # The processes of one machine share its cores.
    local = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    return max(1, devices.cores() // max(local, 1))
