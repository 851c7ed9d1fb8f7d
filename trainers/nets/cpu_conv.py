"""3x3 convolutions with a quarter of the multiplications, by Winograd's algorithm in C, on a CPU."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from trainers.nets import cpu
from trainers.nets.replacing import plain_conv

__all__ = ["convolved", "suits", "takes"]

#: Channels that fill the longest registers.
FEWEST = 16
#: Channels of one side, and inputs times outputs, beyond which tiles or filters fall out of the caches.
MOST, MOST_FILTERS = 512, 320 * 320
#: Pixels of a batch below which filters take longer than images; in bfloat16 also these per input and output.
PIXELS, PIXELS_PER_FILTER = 2048, 1 / 8
#: Side of the tiles that images are cut into, and how many times the pixels of an image those of its tiles may be.
TILE = 4
OVERHANG = {torch.float32: 1.8, torch.bfloat16: 1.4}


def suits(conv: nn.Conv2d) -> bool:
    """Whether a layer is one of those made here, for images of some size."""
    shape = (conv.out_channels, conv.in_channels, 3, 3)
    # The weights may have been changed by hand, and are not what the layer says then.
    return plain_conv(conv) and conv.stride == (1, 1) and conv.weight.shape == shape and _readable(conv.weight)


def _readable(filters: Tensor) -> bool:
    """Whether filters lie in memory as they are read, and are of numbers that are worth it."""
    numbers = type(filters) in (nn.Parameter, Tensor) and filters.dtype == torch.float32 and not filters.is_neg()
    if not numbers or filters.device.type != "cpu" or filters.layout != torch.strided:
        return False
    outputs, inputs = filters.shape[:2]
    return min(inputs, outputs) >= FEWEST and max(inputs, outputs) <= MOST and inputs * outputs <= MOST_FILTERS


def takes(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether a convolution of x is one of those made here, and as a rule faster so.

    Where numbers are bfloat16 and the processor multiplies matrices of them (AMX), torch's is left to do that.
    """
    if x.dim() != 4 or x.layout != torch.strided or not suits(conv) or x.shape[1] != conv.in_channels:
        return False
    kind = _type(x)
    if kind not in cpu.TYPES or (kind == torch.bfloat16 and torch.cpu._is_amx_tile_supported()):
        return False
    images, _, height, width = x.shape
    pixels, computed = height * width, -(-height // TILE) * -(-width // TILE) * TILE**2
    fewest = PIXELS_PER_FILTER * conv.in_channels * conv.out_channels if kind == torch.bfloat16 else 0
    return images * pixels >= max(PIXELS, fewest) and computed <= OVERHANG[kind] * pixels


def _type(x: Tensor) -> torch.dtype | None:
    """Type that numbers of x are given; none where torch would refuse them beside filters in float32."""
    if torch.is_autocast_enabled("cpu"):
        floating = x.dtype in (torch.float32, torch.bfloat16, torch.float16)
        return torch.get_autocast_dtype("cpu") if floating else None
    return x.dtype if x.dtype == torch.float32 else None


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    """Convolution with one pixel of zeros around the images; it has first derivatives alone.

    Parameters
    ----------
    x : Tensor
        Shape (n, c, h, w), float32 or bfloat16; under autocast it is cast.
    weight : Tensor
        Filters of shape (k, c, 3, 3), float32, which they stay; from 16 channels on, both.

    Returns
    -------
    Tensor
        Shape (n, k, h, w), in channels_last order, of the type of x.

    Raises
    ------
    ValueError
        If the shapes do not belong together, or x or the weight are of another kind.

    Notes
    -----
    Errors of rounding are relative to the largest number of a tile of 6x6 pixels, and what is infinite or no number
    takes its whole tile along.

    Examples
    --------
    >>> from trainers.nets import cpu
    >>> x, weight = torch.randn(2, 16, 8, 8), torch.randn(32, 16, 3, 3)
    >>> exact = nn.functional.conv2d(x, weight, padding=1)
    >>> not cpu.available() or torch.allclose(convolved(x, weight), exact, atol=1e-3)
    True
    """
    x = x.to(_type(x) or x.dtype)
    shapes = x.dim() == weight.dim() == 4 and weight.shape[1:] == (x.shape[1], 3, 3)
    if not (shapes and x.dtype in cpu.TYPES and x.device.type == "cpu" and _readable(weight)):
        raise ValueError(f"{x.dtype} of shape {tuple(x.shape)} and weights of shape {tuple(weight.shape)} do not suit")
    return cast(Tensor, _Convolved.apply(cpu.dense(x), weight))


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
    size = (images, outputs, height, width)
    # On the CPU whatever device is the default.
    y = torch.empty(size, dtype=x.dtype, device="cpu", memory_format=torch.channels_last)
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
    return torch.empty(cpu.library().conv_scratch(width, inputs, outputs), dtype=torch.float32, device="cpu")
