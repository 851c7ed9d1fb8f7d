"""Convolutions, which a GPU computes by a kernel of this package where they have few channels."""

from __future__ import annotations

from torch import Tensor, nn

from trainers.nets import gpu

__all__ = ["Conv", "conv"]

#: Channels up to which that kernel can be the faster one.
FEW = 64


class Conv(nn.Conv2d):
    """Convolution as torch has it; how it is computed depends on the device."""

    #: The weights in bf16, while a network that cast them is called.
    cast: Tensor | None = None

    @property
    def few_channels(self) -> bool:
        """Whether a GPU might leave it to the kernel of this package."""
        return self.groups == 1 and self.dilation == (1, 1) and max(self.in_channels, self.out_channels) <= FEW

    def fuses(self, x: Tensor) -> bool:
        """Whether that kernel takes x."""
        if not (self.few_channels and gpu.fused(x)):
            return False
        from trainers.nets import gpu_conv

        return gpu_conv.takes(self, x)

    def forward(self, x: Tensor) -> Tensor:
        """Output of shape (n, outputs, h / stride, w / stride), rounded up where the padding keeps the size."""
        if not self.fuses(x):
            return super().forward(x)
        from trainers.nets import gpu_conv

        return gpu_conv.convolved(x, self.weight, self.stride[0], self.cast)[0]


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
