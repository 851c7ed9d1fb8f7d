"""3x3 convolutions with a quarter of the multiplications, by Winograd's algorithm in C, on a CPU."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from trainers.nets import cpu

__all__ = ["FEWEST", "convolved", "takes"]

#: Channels that fill a register.
FEWEST = 16
#: Inputs times outputs beyond which filters, which take four times their memory, fall out of the caches.
MOST = 320 * 320
#: Pixels of a batch below which filters take longer than images.
PIXELS = 2048
#: Side of the tiles that images are cut into.
TILE = 4


def takes(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether a convolution of x is one of those made here, and faster so.

    Where numbers are bfloat16 and the processor multiplies matrices of them (AMX), torch's is left to do that.
    """
    if x.dim() != 4 or _type(x) not in cpu.TYPES or not _fits(conv) or x.shape[1] != conv.in_channels:
        return False
    images, _, height, width = x.shape
    # Tiles that hang over the edge are computed whole.
    computed = -(-height // TILE) * -(-width // TILE) * TILE**2
    large = images * height * width >= PIXELS and computed <= 2 * height * width
    return large and not (_type(x) == torch.bfloat16 and torch.cpu._is_amx_tile_supported())


def _fits(conv: nn.Conv2d) -> bool:
    square = conv.kernel_size == (3, 3) and conv.stride == conv.dilation == conv.padding == (1, 1)
    plain = conv.padding_mode == "zeros" and conv.groups == 1 and conv.bias is None
    filters = conv.weight
    numbers = type(filters) in (nn.Parameter, Tensor) and filters.dtype == torch.float32 and not filters.is_neg()
    inputs, outputs = conv.in_channels, conv.out_channels
    return square and plain and numbers and min(inputs, outputs) >= FEWEST and inputs * outputs <= MOST


def _type(x: Tensor) -> torch.dtype:
    """Type that numbers of x have, or are given under autocast."""
    floating = x.dtype in (torch.float32, torch.bfloat16, torch.float16)
    return torch.get_autocast_dtype("cpu") if floating and torch.is_autocast_enabled("cpu") else x.dtype


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    """Convolution with one pixel of zeros around the images.

    Parameters
    ----------
    x : Tensor
        Shape (n, c, h, w), float32 or bfloat16; under autocast it is cast.
    weight : Tensor
        Filters of shape (k, c, 3, 3), float32, which they stay.

    Returns
    -------
    Tensor
        Shape (n, k, h, w), in channels_last order, of the type of x.

    Examples
    --------
    >>> from trainers.nets import cpu
    >>> x, weight = torch.randn(2, 16, 8, 8), torch.randn(32, 16, 3, 3)
    >>> exact = nn.functional.conv2d(x, weight, padding=1)
    >>> not cpu.available() or torch.allclose(convolved(x, weight), exact, atol=1e-3)
    True
    """
    return cast(Tensor, _Convolved.apply(cpu.dense(x.to(_type(x))), weight))


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor) -> Tensor:
        context.save_for_backward(x, weight)
        return _applied(x, weight, turned=False)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = context.saved_tensors
        gradient = cpu.dense(gradient.to(x.dtype))
        inner, filters = context.needs_input_grad
        return (
            _applied(gradient, weight, turned=True) if inner else None,
            _filters(x, gradient, weight) if filters else None,
        )


def _applied(x: Tensor, weight: Tensor, *, turned: bool) -> Tensor:
    """Output of the convolution; gradients of its input from those of its output if `turned`."""
    images, inputs, height, width = x.shape
    outputs = weight.shape[1 if turned else 0]
    y = torch.empty(images, outputs, height, width, dtype=x.dtype, memory_format=torch.channels_last)
    scratch = _scratch(width, inputs, outputs)
    cpu.library().conv_apply(
        *cpu.places(x, weight, y, scratch), images, height, width, inputs, outputs, *weight.stride(),
        x.dtype == torch.bfloat16, turned,
    )  # fmt: skip
    return y


def _filters(x: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    """Gradients of the filters."""
    images, inputs, height, width = x.shape
    outputs = gradient.shape[1]
    slopes, scratch = torch.empty_like(weight), _scratch(width, inputs, outputs)
    cpu.library().conv_filters(
        *cpu.places(x, gradient, slopes, scratch), images, height, width, inputs, outputs, *slopes.stride(),
        x.dtype == torch.bfloat16,
    )  # fmt: skip
    return slopes


def _scratch(width: int, inputs: int, outputs: int) -> Tensor:
    return torch.empty(cpu.library().conv_scratch(width, inputs, outputs), dtype=torch.float32)
