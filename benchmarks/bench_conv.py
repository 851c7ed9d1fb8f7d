"""3x3 convolutions, both passes, against torch's own in the same run, one thread."""

import pytest
import torch
from torch import nn

from benchmarks.layers import images, report
from trainers.nets.convolutions import conv

#: Inputs, outputs and side of the image: ResNet-56, then wider networks.
SHAPES = [
    (16, 16, 32), (32, 32, 16), (64, 64, 8), (24, 24, 32), (48, 96, 16), (64, 64, 32), (128, 128, 16), (256, 256, 8),
]  # fmt: skip


class Both(nn.Module):
    """A convolution as trials compute it: in bf16 under autocast."""

    def __init__(self, layer, kind):
        super().__init__()
        self.layer, self.kind = layer.to(memory_format=torch.channels_last), kind

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.kind == torch.bfloat16, cache_enabled=False):
            return self.layer(x)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "{}to{}x{}".format(*s))
def test_conv(benchmark, shape, kind):
    inputs, outputs, side = shape
    ours, theirs = conv(inputs, outputs, 3), nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    report(benchmark, f"{shape} {kind}", Both(ours, kind), Both(theirs, kind), images(inputs, side, kind))
