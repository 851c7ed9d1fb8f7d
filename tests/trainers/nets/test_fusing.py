"""Networks on a CPU whose layers are taken together, and what is left as it is."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers import build
from trainers.nets import cpu, cpu_norm
from trainers.nets.layers import Layers

pytestmark = pytest.mark.usefixtures("compiled")
NETS: dict[str, dict[str, Any]] = {
    "residual blocks": {"block_type": "res_basic_block", "ds": [1, 2, 1], "ws": [16, 24, 80], "ss": [1, 2, 1]},
    "plain blocks": {"block_type": "double_plain_block", "ds": [1, 2, 1], "ws": [16, 24, 80], "ss": [1, 2, 1]},
    "cells": {
        "genotype": {
            "normal": [["sep_conv_3x3", 0], ["conv_3x3", 1]], "normal_concat": [2],
            "reduce": [["dil_conv_3x3", 0], ["skip_connect", 1]], "reduce_concat": [2],
        },
        "width": 16, "depth": 3, "aux": False, "drop_prob": 0.0,
    },
}  # fmt: skip


def hooked(net: nn.Module, kind: str, of: type) -> list[int]:
    """A list that grows with each call of a hook on the modules of a kind."""
    seen: list[int] = []
    for module in net.modules():
        if type(module) is of:
            getattr(module, f"register_{kind}_hook")(lambda *_: seen.append(1))
    return seen


@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward", "full_backward_pre"])
@pytest.mark.parametrize(("of", "count"), [(nn.BatchNorm2d, 1 + 2 * 3 + 2), (nn.ReLU, 1 + 3)])
def test_layers_with_hooks_are_called(kind: str, of: type, count: int) -> None:
    net = build(NETS["residual blocks"], num_classes=10)
    for module in net.modules():  # which hooks of the gradient do not go together with
        if isinstance(module, nn.ReLU):
            module.inplace = False
    seen = hooked(net, kind, of)
    net(torch.randn(4, 3, 16, 16)).sum().backward()
    assert len(seen) == count


def test_hooks_on_every_module_see_all_of_them() -> None:
    net, seen = build(NETS["residual blocks"], num_classes=10), []
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(type(module)))
    try:
        net(torch.randn(4, 3, 16, 16))
    finally:
        handle.remove()
    assert seen.count(nn.BatchNorm2d) == 1 + 2 * 3 + 2


def test_what_follows_is_left_alone_where_it_is_something_else() -> None:
    """An addition after the layers' own ReLU, of another shape, or of another type."""
    torch.manual_seed(1)
    x, norm = torch.randn(3, 16, 4, 4), nn.BatchNorm2d(16)
    y = norm(x)
    for added in (torch.randn(3, 16, 4, 4), torch.randn(3, 16, 1, 1), torch.randn(3, 16, 4, 4, dtype=torch.float64)):
        for own, expected in ([], y), ([nn.ReLU()], y.relu()):
            got = Layers(norm, *own)(x, added)
            assert got.dtype == added.dtype
            assert torch.allclose(got, (expected + added).relu().to(got.dtype), atol=1e-5)
    with pytest.raises(ValueError, match="shape and type"):
        cpu_norm.normalised(x, norm, x[..., :2], rectify=True)


def test_compiled_by_torch_a_network_is_one_graph() -> None:
    net = build(NETS["residual blocks"], num_classes=10)
    x = torch.randn(4, 3, 16, 16)
    torch._dynamo.reset()
    assert torch.compile(net, backend="eager", fullgraph=True)(x).shape == (4, 10)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning")
def test_traced_and_transformed_by_torch() -> None:
    net = build(NETS["plain blocks"], num_classes=10).eval()
    x, other = torch.randn(2, 4, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(torch.jit.trace(net, x)(other), net(other), atol=1e-5)
        assert torch.allclose(torch.vmap(net)(torch.stack([x, other]))[1], net(other), atol=1e-5)


def gradients(net: nn.Module, x: Tensor) -> list[Tensor]:
    net.zero_grad()
    net(x).logsumexp(1).sum().backward()
    return [p.grad.clone() for p in net.parameters()]


@pytest.mark.parametrize("name", NETS)
def test_networks_have_the_same_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    net = build(NETS[name], num_classes=10).to(memory_format=torch.channels_last)
    x = torch.randn(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    made = []
    monkeypatch.setattr(
        cpu_norm, "normalised", lambda *a, _real=cpu_norm.normalised, **k: made.append(1) or _real(*a, **k)
    )
    ours = gradients(net, x)
    assert len(made) == sum(
        type(m) is nn.BatchNorm2d and m.num_features >= 16 and "Reduction" not in type(parent).__name__
        for parent in net.modules() for m in parent.children()
    )  # fmt: skip
    monkeypatch.setattr(cpu, "fused", lambda x: False)
    for got, expected in zip(ours, gradients(net, x), strict=True):
        assert (got - expected).norm() <= 1e-4 * expected.norm() + 1e-6
