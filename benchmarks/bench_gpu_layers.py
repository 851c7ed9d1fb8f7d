"""A convolution, batch norm and ReLU on a GPU, forwards and backwards, by our kernels and by cuDNN and torch's.

Both as the training runs them: in bf16, captured in a CUDA graph. Needs a GPU.
"""

import pytest
import torch
from torch import nn

from trainers.nets import gpu
from trainers.nets.convolutions import conv
from trainers.nets.layers import Layers

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")

#: Channels, outputs, side of the image, kernel, stride; the last two are left to cuDNN.
SHAPES = [
    (3, 16, 32, 3, 1), (16, 16, 32, 3, 1), (16, 32, 32, 3, 2), (16, 32, 32, 1, 2), (32, 32, 16, 3, 1),
    (64, 64, 8, 3, 1), (64, 64, 16, 3, 1), (16, 64, 32, 1, 1),
    (64, 64, 32, 3, 1), (128, 128, 16, 3, 1),
]  # fmt: skip
#: Steps in a graph, and how often it is replayed.
STEPS, REPLAYS = 20, 15


def captured(layers, x, into):
    """A graph of forward and backward passes."""

    def step():
        layers.zero_grad(set_to_none=True)
        x.grad = None
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
            y = layers(x)
        y.backward(into)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(STEPS):
            step()
    return graph


def microseconds(graph):
    """Time of a step: the median of the replays."""
    marks = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(REPLAYS)]
    for begin, end in marks:
        begin.record()
        graph.replay()
        end.record()
    torch.cuda.synchronize()
    return 1000 * sorted(begin.elapsed_time(end) for begin, end in marks)[REPLAYS // 2] / STEPS


def compared(layers, x, into, monkeypatch):
    """Microseconds of both, taking turns, and how many times as fast ours are."""
    ours = captured(layers, x, into)
    monkeypatch.setattr(gpu, "fused", lambda x: False)
    theirs = captured(layers, x, into)
    pairs = [(microseconds(ours), microseconds(theirs)) for _ in range(3)]
    fast, usual = (min(column) for column in zip(*pairs))
    return {"ours": fast, "theirs": usual, "ratio": usual / fast}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "{} to {} channels, side {}, kernel {}, stride {}".format(*s))
def test_layers(benchmark, shape, monkeypatch):
    channels, outputs, side, kernel, stride = shape
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    layers = Layers(conv(channels, outputs, kernel, stride=stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
    layers = layers.cuda().to(memory_format=torch.channels_last)
    images = {"device": "cuda", "dtype": torch.bfloat16}
    x = torch.randn(128, channels, side, side, **images).to(memory_format=torch.channels_last).requires_grad_()
    into = torch.randn(128, outputs, -(-side // stride), -(-side // stride), **images)
    into = into.to(memory_format=torch.channels_last)
    found = benchmark.pedantic(compared, args=(layers, x, into, monkeypatch), rounds=1)
    benchmark.extra_info.update(found)
    print(f"\n{shape}: {found['ours']:.1f} us against {found['theirs']:.1f}, {found['ratio']:.1f} times as fast")
