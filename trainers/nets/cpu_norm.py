"""Batch norm with the addition and ReLU after it, in fewer passes over the images than torch makes on a CPU."""

from __future__ import annotations

from typing import Any, TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from trainers.nets import cpu
from trainers.nets.replacing import replaceable

__all__ = ["normalised", "suits", "takes"]

#: Channels that are worth it, and that there is scratch space for: see cpu_norm.c.
FEWEST, MOST = 16, 4096


def suits(norm: nn.BatchNorm2d) -> bool:
    """Whether a layer is one of those made here, for images of any size."""
    return type(norm) is nn.BatchNorm2d and FEWEST <= norm.num_features <= MOST


def takes(norm: nn.Module, x: Tensor) -> TypeGuard[nn.BatchNorm2d]:
    """Whether a layer on x is a batch norm of those made here, and its numbers lie in memory as they are read."""
    if not (replaceable(norm, x) and suits(norm)):
        return False
    fits = x.dim() == 4 and x.dtype in cpu.TYPES and x.shape[1] == norm.num_features
    values = (norm.weight, norm.bias, cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var))
    return fits and all(_is_plain(part) for part in values)


def _is_plain(values: Tensor) -> bool:
    return values.dtype == torch.float32 and values.device.type == "cpu" and values.is_contiguous()


def normalised(x: Tensor, norm: nn.BatchNorm2d, added: Tensor | None = None, *, rectify: bool) -> Tensor:
    """Batch norm of x, plus `added`, after ReLU if `rectify`.

    Parameters
    ----------
    x : Tensor
        Shape (n, c, h, w), float32 or bfloat16.
    norm : BatchNorm2d
        Its parameters and running statistics, which are updated if it is in training.
    added : Tensor, optional
        Of the shape and type of x; `rectify` must be true then.
    rectify : bool

    Returns
    -------
    Tensor
        In channels_last order, of the type of x. Outside of training without a gradient.

    Examples
    --------
    >>> from trainers.nets import cpu
    >>> x, norm = torch.randn(2, 16, 4, 4), nn.BatchNorm2d(16)
    >>> not cpu.available() or torch.allclose(normalised(x, norm, rectify=False), norm(x), atol=1e-6)
    True
    """
    if added is not None and not (rectify and (added.shape, added.dtype) == (x.shape, x.dtype)):
        raise ValueError("what is added must be of the shape and type of x, and a ReLU come after it")
    x, added = cpu.dense(x), None if added is None else cpu.dense(added)
    if norm.training:
        return cast(Tensor, _Normalised.apply(x, norm.weight, norm.bias, added, norm, rectify))
    y = torch.empty_like(x)
    cpu.library().norm_fixed(
        *cpu.places(x, added, y, norm.running_mean, norm.running_var, norm.weight, norm.bias), *_shape(x), norm.eps,
        x.dtype == torch.bfloat16, rectify,
    )  # fmt: skip
    return y


class _Normalised(torch.autograd.Function):
    """relu(batch_norm(x) + added), either of the two left out where it is not wanted."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, weight: Tensor, bias: Tensor, added: Tensor | None, norm: nn.BatchNorm2d, rectify: bool
    ) -> Tensor:
        y, kept = torch.empty_like(x), x.new_empty(4, x.shape[1], dtype=torch.float32)
        cpu.library().norm_forward(
            *cpu.places(x, added, y, weight, bias, norm.running_mean, norm.running_var, kept), *_shape(x),
            norm.momentum, norm.eps, x.dtype == torch.bfloat16, rectify,
        )  # fmt: skip
        cast(Tensor, norm.num_batches_tracked).add_(1)
        # Where something was added only the output tells what the ReLU let through; the next layer keeps it anyway.
        context.save_for_backward(x, kept, y if added is not None else None)
        context.rectify = rectify
        return y

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, kept, y = context.saved_tensors
        gradient = cpu.dense(gradient.to(x.dtype))
        inner, slopes = torch.empty_like(x), kept.new_empty(2, x.shape[1])
        outer = None if y is None else torch.empty_like(y)
        cpu.library().norm_backward(
            *cpu.places(x, y, gradient, outer, inner, kept, slopes), *_shape(x), x.dtype == torch.bfloat16,
            context.rectify,
        )  # fmt: skip
        return inner, slopes[0], slopes[1], outer, None, None


def _shape(x: Tensor) -> tuple[int, int]:
    """Rows and columns of the matrix that the images are."""
    return x.numel() // x.shape[1], x.shape[1]
