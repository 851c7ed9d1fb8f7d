"""Channels side by side, with gradients that lie in memory as the layers before want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

__all__ = ["joined"]


class _Join(torch.autograd.Function):
    """`torch.cat` along the channels; its own gradients are views with gaps, for which batch norm has no fast path."""

    @staticmethod
    def forward(context: Any, *parts: Tensor) -> Tensor:
        context.channels = [part.shape[1] for part in parts]
        return torch.cat(parts, dim=1)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        views = torch.split(gradient, context.channels, dim=1)
        layout = torch.channels_last if gradient.is_contiguous(memory_format=torch.channels_last) else None
        return tuple(view.contiguous(memory_format=layout or torch.contiguous_format) for view in views)


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Tensors of shape (n, c, h, w) joined along the channels, gradients dense.

    Examples
    --------
    >>> joined([torch.ones(1, 2, 4, 4), torch.zeros(1, 3, 4, 4)]).shape
    torch.Size([1, 5, 4, 4])
    """
    return cast(Tensor, _Join.apply(*parts))
