"""Batch norm with the addition and ReLU after it, both passes, against torch's own in the same run, one thread."""

import pytest
import torch
from torch import nn

from benchmarks.layers import images, report
from benchmarks.plain_loop import TorchNorm
from trainers.nets.layers import Layers

#: Channels and side of the image: ResNet-56, then wider networks.
SHAPES = [(16, 32), (32, 16), (64, 8), (24, 32), (64, 32), (128, 16), (256, 8)]


class Block(nn.Module):
    """Batch norm; then ReLU, or the ReLU of it and its own input together."""

    def __init__(self, norm, shortcut):
        super().__init__()
        self.layers = Layers(norm) if shortcut else Layers(norm, nn.ReLU(inplace=True))
        self.shortcut = shortcut

    def forward(self, x):
        return self.layers(x, x if self.shortcut else None)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("shortcut", [False, True], ids=["relu", "shortcut"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "{}x{}".format(*s))
def test_norm(benchmark, shape, shortcut, kind):
    channels, side = shape
    ours, theirs = Block(nn.BatchNorm2d(channels), shortcut), Block(TorchNorm(channels), shortcut)
    report(benchmark, f"{shape} {kind}", ours, theirs, images(channels, side, kind))
