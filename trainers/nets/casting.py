"""The weights of all convolutions of a network in bf16 by one kernel, instead of one for each layer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from trainers.nets import gpu
from trainers.nets.convolutions import Conv

__all__ = ["cast_weights"]


@contextlib.contextmanager
def cast_weights(net: nn.Module, x: Tensor) -> Iterator[None]:
    """Let the convolutions of a network find their weights in bf16 while it is called with x, where they use it.

    They hold them no longer than that, so none is ever out of date.
    """
    convs = [module for module in net.modules() if isinstance(module, Conv) and module.fusible] if gpu.fused(x) else []
    if not convs:
        yield
        return
    casts = [torch.empty_like(conv.weight, dtype=gpu.TYPE) for conv in convs]
    with torch.no_grad():
        torch._foreach_copy_(casts, [conv.weight for conv in convs])
    for conv, cast in zip(convs, casts):
        conv.cast = cast
    try:
        yield
    finally:
        for conv in convs:
            conv.cast = None
