"""Depthwise convolutions whose gradients are right and fast on a CPU, too.

Forward passes are fast as they come. Of the gradients, oneDNN has fast kernels for some shapes only: the others take
up to fifty times as long, which made them most of a cell network's training. In bf16 the gradient of the weights of a
dilated convolution is wrong besides, by any factor, where the channels are no multiple of 16 (seen with torch 2.15).
Here every gradient is put in terms of shapes that are fast and right. The sums are the same, up to their order:

- the gradient of the input at stride 1 is a forward pass with the kernel turned by 180 degrees;
- the gradient of the weights is taken in strips of at most three columns of the kernel;
- a dilated kernel is an undilated one on every second row and column.

`benchmarks/bench_depthwise.py` measures it.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DepthwiseConv"]

#: Columns of a kernel that oneDNN's fast gradient of depthwise weights takes.
STRIP = 3


class DepthwiseConv(nn.Conv2d):
    """Convolution of each channel by itself, without bias, whose padding keeps the size at stride 1.

    Parameters
    ----------
    channels : int
    kernel : int
        Side of the kernel, odd.
    stride, dilation : {1, 2}

    Examples
    --------
    >>> DepthwiseConv(4, 5, stride=2)(torch.zeros(1, 4, 8, 8)).shape
    torch.Size([1, 4, 4, 4])
    """

    def __init__(self, channels: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> None:
        if kernel % 2 == 0 or stride not in (1, 2) or dilation not in (1, 2):
            raise ValueError(
                f"kernel {kernel}, stride {stride}, dilation {dilation}; give an odd kernel, and 1 or 2 for the others"
            )
        super().__init__(
            channels, channels, kernel, stride=stride, padding=dilation * (kernel - 1) // 2, dilation=dilation,
            groups=channels, bias=False,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Output of shape (n, channels, h / stride, w / stride), rounded up."""
        if x.device.type != "cpu":
            return super().forward(x)
        weight: Tensor = self.weight
        if torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
            x, weight = x.to(kind), weight.to(kind)
        if x.dtype not in (torch.float32, torch.bfloat16):
            return cast(Tensor, self._conv_forward(x, weight, None))
        stride = self.stride[0]
        if self.dilation[0] == 1:
            return _convolved(x, weight, stride)
        if stride == 2:
            return _convolved(x[:, :, ::2, ::2], weight, 1)
        height, width = x.shape[2:]
        # A row and column of zeros more are what the padding would be.
        parted = cast(Tensor, _Parted.apply(F.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x))
        whole = cast(Tensor, _Merged.apply(_convolved(parted, weight, 1)))
        return whole[:, :, :height, :width]


def _convolved(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    return cast(Tensor, _Depthwise.apply(x.contiguous(memory_format=torch.channels_last), weight, stride))


class _Depthwise(torch.autograd.Function):
    """An undilated depthwise convolution."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        context.save_for_backward(x, weight)
        context.stride = stride
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2, groups=len(weight))

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = context.saved_tensors
        needs_input, needs_weight, _ = context.needs_input_grad
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        inner = _input_gradient(gradient, x, weight, context.stride) if needs_input else None
        return inner, _weight_gradient(gradient, x, weight, context.stride) if needs_weight else None, None


def _input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    if stride == 1:
        return F.conv2d(gradient, weight.flip(2, 3), padding=weight.shape[2] // 2, groups=len(weight))
    # With a stride only float32 has a fast kernel.
    return _native(gradient.float(), x.float(), weight.float(), stride, weight.shape[2] // 2, "input").to(x.dtype)


def _weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Gradient of each strip of columns: that of a narrower kernel on the part of the padded image which it sees."""
    if x.dtype == torch.bfloat16 and not torch.cpu._is_avx512_supported():
        # oneDNN has no kernel for it there, and torch's own rounds the sum to bf16 after every image.
        return _weight_gradient(gradient.float(), x.float(), weight.float(), stride).to(weight.dtype)
    kernel, half = weight.shape[2], weight.shape[2] // 2
    if kernel < STRIP or kernel == STRIP <= min(x.shape[2:]):
        return _native(gradient, x, weight, stride, half, "weight")
    # From the first output's first pixel to the last output's last one; padding by the library is slow for some.
    height, width = ((outputs - 1) * stride for outputs in gradient.shape[2:])
    rows = half, height + kernel - half - x.shape[2]
    whole = torch.empty_like(weight)
    for first in (*range(0, kernel - STRIP, STRIP), kernel - STRIP):
        strip = slice(first, first + STRIP)
        seen = F.pad(x, (half - first, width + first + STRIP - half - x.shape[3], *rows))
        whole[..., strip] = _native(gradient, seen, weight[..., strip], stride, 0, "weight")
    return whole


def _native(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, of: str) -> Tensor:
    grads = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [stride, stride], [padding, padding], [1, 1], False, [0, 0], len(weight),
        [of == "input", of == "weight", False],
    )  # fmt: skip
    return cast(Tensor, grads[0 if of == "input" else 1])


def _parted(x: Tensor) -> Tensor:
    """The four images of every second row and column, one after another in the batch; sides are even."""
    n, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c)
    return rows.permute(2, 4, 0, 1, 3, 5).reshape(4 * n, h // 2, w // 2, c).permute(0, 3, 1, 2)


def _merged(parts: Tensor) -> Tensor:
    """What `_parted` was made of."""
    n, c, h, w = parts.shape
    rows = parts.permute(0, 2, 3, 1).reshape(2, 2, n // 4, h, w, c)
    return rows.permute(2, 3, 0, 4, 1, 5).reshape(n // 4, 2 * h, 2 * w, c).permute(0, 3, 1, 2)


class _Parted(torch.autograd.Function):
    """`_parted`, with gradients that lie in memory as the layers before want them."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return _parted(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return _merged(gradient)


class _Merged(torch.autograd.Function):
    """`_merged`, likewise."""

    @staticmethod
    def forward(context: Any, parts: Tensor) -> Tensor:
        return _merged(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return _parted(gradient)
