"""The operations on a cell's edges as torch modules: convolutions with batch norm after them.

ReLU comes before a convolution. The first one of an edge is not part of its module: edges that read one state share
its rectification, which `reads_rectified` says they want.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainers.nets.convolutions import conv
from trainers.nets.depthwise import DepthwiseConv
from trainers.nets.layers import FactorizedReduction, Layers
from trainers.nets.pooling import AveragePool

__all__ = ["Nothing", "operation", "reads_rectified"]


class Nothing(nn.Module):
    """Zeros, subsampled if strided: the operation ``none``."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Zeros of shape (n, c, h / stride, w / stride)."""
        # New zeros, not a product with 0, so that no infinity elsewhere becomes a NaN here.
        return torch.zeros_like(x.detach()[:, :, :: self.stride, :: self.stride])


def operation(name: str, channels: int, stride: int) -> nn.Module:
    """Module of an operation of `trainers.spaces.OPERATIONS` on that many channels.

    Examples
    --------
    >>> sum(p.numel() for p in operation("conv_3x3", 8, 1).parameters()) == 9 * 8 * 8 + 2 * 8
    True
    """
    kind, _, size = name.rpartition("_")
    if name == "none":
        return Nothing(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduction(channels, channels)
    kernel = int(size[0])
    if kind == "avg_pool":
        return AveragePool(kernel, stride=stride)
    if kind == "max_pool":
        return nn.MaxPool2d(kernel, stride=stride, padding=kernel // 2)
    if kind == "sep_conv":
        return Layers(
            *_separable(channels, kernel, stride, 1), nn.ReLU(inplace=True), *_separable(channels, kernel, 1, 1)
        )
    if kind == "dil_sep_conv":
        return Layers(
            *_separable(channels, kernel, stride, 2), nn.ReLU(inplace=True), *_separable(channels, kernel, 1, 2)
        )
    if kind == "dil_conv":
        return Layers(*_separable(channels, kernel, stride, 2))
    if "x1_1x" in name:
        return _crossed(channels, int(name.removeprefix("conv_")[0]), stride)
    return Layers(conv(channels, channels, kernel, stride=stride), nn.BatchNorm2d(channels))


def reads_rectified(module: nn.Module) -> bool:
    """Whether the module of an operation takes a state after ReLU: convolutions do, also that of a strided skip."""
    return not isinstance(module, nn.Identity | Nothing | nn.AvgPool2d | nn.MaxPool2d)


def _separable(channels: int, kernel: int, stride: int, dilation: int) -> list[nn.Module]:
    depthwise = DepthwiseConv(channels, kernel, stride=stride, dilation=dilation)
    return [depthwise, conv(channels, channels, 1), nn.BatchNorm2d(channels)]


def _crossed(channels: int, kernel: int, stride: int) -> Layers:
    """A 1xk convolution that strides the horizontal axis, then a kx1 one that strides the vertical axis."""
    pad = kernel // 2
    across = nn.Conv2d(channels, channels, (1, kernel), stride=(1, stride), padding=(0, pad), bias=False)
    down = nn.Conv2d(channels, channels, (kernel, 1), stride=(stride, 1), padding=(pad, 0), bias=False)
    return Layers(across, down, nn.BatchNorm2d(channels))
