"""Depthwise convolutions and average pools, forwards and backwards, against torch's own in the same run, one thread."""

import pytest
import torch
from torch import nn

from benchmarks.layers import images, report
from trainers.nets.depthwise import DepthwiseConv
from trainers.nets.pooling import AveragePool

#: Channels, side of the image, kernel, stride, dilation: as in cell networks on 32x32 images.
SHAPES = [
    (24, 32, 3, 1, 1), (24, 32, 5, 1, 1), (48, 16, 5, 1, 1), (96, 8, 5, 1, 1), (24, 32, 7, 1, 1),
    (24, 32, 3, 1, 2), (24, 32, 5, 1, 2), (24, 32, 3, 2, 1), (24, 32, 5, 2, 1), (24, 32, 5, 2, 2), (64, 4, 5, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "{}x{}, kernel {}, stride {}, dilation {}".format(*s))
def test_depthwise(benchmark, shape, kind):
    channels, side, kernel, stride, dilation = shape
    theirs = nn.Conv2d(
        channels, channels, kernel, stride=stride, padding=dilation * (kernel // 2), dilation=dilation,
        groups=channels, bias=False,
    )  # fmt: skip
    ours = DepthwiseConv(channels, kernel, stride=stride, dilation=dilation)
    report(benchmark, f"{shape} {kind}", ours.to(kind), theirs.to(kind), images(channels, side, kind))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_average_pool(benchmark, kind):
    theirs = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    report(benchmark, f"average pool {kind}", AveragePool(3), theirs, images(24, 32, kind))
