"""Convolutions, which kernels of this package compute: on a GPU those of few channels, on a CPU the 3x3 ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.nets import cpu, cpu_conv, gpu
from trainers.nets.replacing import plain_conv

__all__ = ["Conv", "conv"]

#: Channels up to which that kernel is the faster one, of any number of pixels.
FEW = 32
#: Channels up to which it is on at most so many pixels.
SEVERAL, PIXELS = 64, 128 * 16 * 16
#: Places in memory that it can count, in 32 bits.
PLACES = 2**31 - 1
#: Channels from which on oneDNN's projections of every second pixel are sound.
WHOLE = 16


class Conv(nn.Conv2d):
    """Convolution as torch has it; how it is computed depends on the device."""

    #: The weights in bf16, while a network that cast them is called.
    cast: Tensor | None = None

    @property
    def fusible(self) -> bool:
        """Whether a GPU might leave it to the kernel of this package."""
        # Numbers must lie in memory in rows of 16, but for those of the pictures themselves.
        even = self.out_channels % 16 == 0 and (self.in_channels % 16 == 0 or self.in_channels <= 4)
        small = self.kernel_size[0] in (1, 3) and max(self.in_channels, self.out_channels) <= SEVERAL
        return small and even and plain_conv(self)

    def fuses(self, x: Tensor) -> bool:
        """Whether that kernel takes x, shape (n, c, h, w)."""
        if not (self.fusible and gpu.fused(x)):
            return False
        channels, pixels = max(self.in_channels, self.out_channels), x.numel() // x.shape[1]
        return (channels <= FEW or pixels <= PIXELS) and pixels * channels <= PLACES

    def forward(self, x: Tensor) -> Tensor:
        """Output of shape (n, outputs, h / stride, w / stride), rounded up where the padding keeps the size."""
        if cpu.fused(x) and cpu_conv.takes(self, x):
            return cpu_conv.convolved(x, self.weight)
        if self.fuses(x):
            from trainers.nets import gpu_conv

            return gpu_conv.convolved(x, self.weight, self.stride[0], self.cast)[0]
        if self.in_channels < WHOLE and x.device.type == "cpu" and self.skips:
            # oneDNN writes past its memory there: https://github.com/uxlfoundation/oneDNN/issues/6035
            seen = x[:, :, :: self.stride[0], :: self.stride[1]].contiguous(memory_format=torch.channels_last)
            return functional.conv2d(seen, self.weight)
        return super().forward(x)

    @property
    def skips(self) -> bool:
        """Whether it looks at some pixels only, each by itself."""
        return plain_conv(self) and self.kernel_size == (1, 1) and self.stride != (1, 1)


def conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, dilation: int = 1) -> Conv:
    """Convolution without bias whose padding keeps the size at stride 1."""
    return Conv(
        inputs,
        outputs,
        kernel,
        stride=stride,
        padding=dilation * (kernel - 1) // 2,
        dilation=dilation,
        groups=groups,
        bias=False,
    )
