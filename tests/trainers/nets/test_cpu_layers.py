"""Layers with gradients of their own on a CPU, against torch's own in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainers.nets.cells import Cell
from trainers.nets.convolutions import conv
from trainers.nets.depthwise import DepthwiseConv
from trainers.nets.drop_path import DropPath
from trainers.nets.operations import Nothing
from trainers.nets.pooling import AveragePool

#: Largest relative error, by norm, that rounding explains: sums of tens of thousands in float32, one rounding in bf16.
ROUNDING = {torch.float32: 1e-5, torch.bfloat16: 5e-3}


def gradients(module: nn.Module, x: Tensor, seed: int = 1) -> list[Tensor]:
    """Output, gradient of the input and of the parameters for a random gradient of the output."""
    leaf = x.detach().clone(memory_format=torch.channels_last).requires_grad_()
    output = module(leaf)
    into = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    output.backward(into.to(output.dtype).contiguous(memory_format=torch.channels_last))
    return [output.detach(), leaf.grad, *(p.grad for p in module.parameters())]


def compare(module: nn.Module, reference: nn.Module, x: Tensor) -> None:
    """`reference` computes in float64 from the numbers that `module` is given."""
    reference = reference.double()
    for ours, theirs in zip(module.parameters(), reference.parameters()):
        theirs.data.copy_(ours.data.double())
    for got, expected in zip(gradients(module, x), gradients(reference, x.double()), strict=True):
        assert got.dtype == x.dtype
        error = (got.double() - expected).norm() / expected.norm()
        assert error < ROUNDING[x.dtype], f"{tuple(got.shape)}: {error:.1e}"


@pytest.mark.parametrize("kind", ROUNDING)
@pytest.mark.parametrize("side", [(8, 8), (7, 7), (5, 6), (2, 2), (1, 1), (1, 4)])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_depthwise_gradients(stride: int, dilation: int, kernel: int, side: tuple[int, int], kind: torch.dtype) -> None:
    """24 channels, as the library's own gradient of dilated bf16 weights is wrong at no multiple of 16."""
    torch.manual_seed(0)
    ours = DepthwiseConv(24, kernel, stride=stride, dilation=dilation).to(kind)
    theirs = nn.Conv2d(
        24, 24, kernel, stride=stride, padding=dilation * (kernel // 2), dilation=dilation, groups=24, bias=False
    )
    compare(ours, theirs, torch.randn(16, 24, *side).to(kind))


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_depthwise_gradients_where_the_library_has_none_in_bf16(
    stride: int, dilation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: False)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    test_depthwise_gradients(stride, dilation, 5, (8, 8), torch.bfloat16)


@pytest.mark.parametrize("kind", ROUNDING)
@pytest.mark.parametrize("side", [(8, 8), (7, 7), (3, 5), (1, 1)])
@pytest.mark.parametrize("stride", [1, 2])
def test_average_pooling(stride: int, side: tuple[int, int], kind: torch.dtype) -> None:
    torch.manual_seed(0)
    theirs = nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False)
    compare(AveragePool(3, stride=stride), theirs, torch.randn(4, 24, *side).to(kind))


def test_under_autocast_weights_keep_their_precision_and_outputs_are_narrow() -> None:
    conv = DepthwiseConv(8, 5)
    with torch.autocast("cpu", torch.bfloat16):
        output = conv(torch.randn(2, 8, 6, 6))
    output.float().sum().backward()
    assert output.dtype == torch.bfloat16
    assert conv.weight.grad.dtype == torch.float32


def test_a_kernel_that_the_gradients_do_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel 4"):
        DepthwiseConv(8, 4)
    with pytest.raises(ValueError, match="dilation 3"):
        DepthwiseConv(8, 3, dilation=3)


def test_edges_that_share_a_rectified_state_give_what_they_give_by_themselves() -> None:
    edges = (
        ("sep_conv_3x3", 0), ("max_pool_3x3", 0), ("dil_conv_5x5", 0), ("skip_connect", 1),
        ("conv_3x1_1x3", 2), ("avg_pool_3x3", 2), ("conv_1x1", 2), ("none", 3),
    )  # fmt: skip
    settings = {"concat": (3, 4, 5), "reduces": False, "after_reduction": False, "drop_path": DropPath()}
    cell = Cell(edges, older=6, newer=10, channels=8, **settings).double()

    def alone(older: Tensor, newer: Tensor) -> Tensor:
        states = [cell.older(older), cell.newer(newer)]
        for node in range(4):
            total = torch.zeros_like(states[0])
            for module, index in zip(cell.operations[2 * node : 2 * node + 2], cell.reads[2 * node : 2 * node + 2]):
                plain = isinstance(module, nn.MaxPool2d | nn.AvgPool2d | nn.Identity | Nothing)
                total = total + module(states[index] if plain else F.relu(states[index]))
            states.append(total)
        return torch.cat(states[3:], dim=1)

    torch.manual_seed(0)
    inputs = [torch.randn(4, channels, 8, 8, dtype=torch.float64).relu() for channels in (6, 10)]
    expected, got = alone(*inputs), cell(*inputs)
    assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)
    into = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad(expected, [*cell.parameters()], into), torch.autograd.grad(got, [*cell.parameters()], into)
    ):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ROUNDING)
@pytest.mark.parametrize(("inputs", "side"), [(8, 112), (12, 97), (3, 56), (16, 56)])
def test_projections_of_every_second_pixel_of_few_channels(inputs: int, side: int, kind: torch.dtype) -> None:
    """The library's own gradient of their weights writes past its memory, and ends the process."""
    torch.manual_seed(0)
    theirs = nn.Conv2d(inputs, 24, 1, stride=2, bias=False)
    compare(conv(inputs, 24, 1, stride=2).to(kind), theirs, torch.randn(4, inputs, side, side).to(kind))
