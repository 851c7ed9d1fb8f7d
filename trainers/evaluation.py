"""Test error, after batch-norm statistics have been taken anew with the weights as they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from trainers.feeds import Feed

__all__ = ["count_wrong", "precise_norm"]

Autocast = Callable[[], AbstractContextManager[object]]


@torch.no_grad()
def precise_norm(model: nn.Module, feed: Feed, epoch: int, autocast: Autocast) -> None:
    """Set running statistics to the mean over training batches, all seen by the same weights.

    The moving average of a training lags behind its weights, which makes test errors of early epochs noisy.
    Everything but batch-norm is in evaluation mode.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    kept = [module.momentum for module in norms]
    model.eval()
    for module in norms:
        module.reset_running_stats()
        module.train()
    for number, (images, _) in enumerate(feed.norm(epoch)):
        for module in norms:
            # A plain average over the batches. Momentum None would be the same and wait for the device each time.
            module.momentum = 1.0 / (number + 1)
        with autocast():
            model(images)
    for module, momentum in zip(norms, kept):
        module.momentum = momentum
    model.eval()


@torch.no_grad()
def count_wrong(
    model: nn.Module, feed: Feed, autocast: Autocast, *, pause: Callable[[int], bool] = lambda done: False
) -> Tensor | None:
    """Test images whose class is not the likeliest one, and how many of these have no likeliest class.

    Outputs that are not all finite name none: the largest of NaN would be the first class.

    Parameters
    ----------
    model : nn.Module
    feed : Feed
    autocast : callable
    pause : callable, optional
        Given the number of batches done, whether to give up; asked between batches, in every process the same ones.

    Returns
    -------
    Tensor, shape (2,), or None
        Of whole numbers, on the device; None if `pause` said so.
    """
    model.eval()
    counts: Tensor | None = None
    batches = feed.test()
    for done in range(1, feed.test_steps + 1):
        # Where processes share the images, some have a batch fewer than others.
        if (batch := next(batches, None)) is not None:
            images, labels = batch
            with autocast():
                output = model(images)
            lost = ~output.isfinite().all(1)
            misses = torch.stack([((output.argmax(1) != labels) | lost).sum(), lost.sum()])
            counts = misses if counts is None else counts + misses
        if done < feed.test_steps and pause(done):
            return None
    return torch.zeros(2, dtype=torch.int64) if counts is None else counts
