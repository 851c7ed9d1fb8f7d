"""Depthwise convolutions and average pools, forwards and backwards, against torch's own in the same run, one thread."""

import time

import pytest
import torch
from torch import nn

from trainers import devices
from trainers.nets.depthwise import DepthwiseConv
from trainers.nets.pooling import AveragePool

#: Channels, side of the image, kernel, stride, dilation: as in cell networks on 32x32 images.
SHAPES = [
    (24, 32, 3, 1, 1), (24, 32, 5, 1, 1), (48, 16, 5, 1, 1), (96, 8, 5, 1, 1), (24, 32, 7, 1, 1),
    (24, 32, 3, 1, 2), (24, 32, 5, 1, 2), (24, 32, 3, 2, 1), (24, 32, 5, 2, 1), (24, 32, 5, 2, 2), (64, 4, 5, 1, 1),
]  # fmt: skip


def seconds(module, x, rounds=7):
    """Shortest time of a forward and a backward pass."""
    into = torch.randn_like(module(x))
    times = []
    for _ in range(rounds):
        x.grad = None
        begun = time.perf_counter()
        module(x).backward(into)
        times.append(time.perf_counter() - begun)
    return min(times)


def compared(ours, theirs, x):
    """Milliseconds of both, taking turns, and how many times as fast ours are."""
    with devices.settings(torch.device("cpu"), 1, 0):
        pairs = [(seconds(ours, x, 3), seconds(theirs, x, 3)) for _ in range(3)]
    fast, usual = (1000 * min(column) for column in zip(*pairs))
    return {"ours": fast, "torch": usual, "ratio": usual / fast}


def report(benchmark, name, ours, theirs, x):
    found = benchmark.pedantic(compared, args=(ours, theirs, x), rounds=1)
    benchmark.extra_info.update(found)
    print(f"\n{name}: {found['ours']:.1f} ms against {found['torch']:.1f}, {found['ratio']:.1f} times as fast")


def images(channels, side, kind):
    return torch.randn(128, channels, side, side).to(kind, memory_format=torch.channels_last).requires_grad_()


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
