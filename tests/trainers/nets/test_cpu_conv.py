"""3x3 convolutions as the C compiler makes them, against torch's own in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from tests.trainers.nets.drawn import images
from trainers import build
from trainers.nets import cpu, cpu_conv
from trainers.nets.convolutions import Conv, conv

pytestmark = pytest.mark.usefixtures("compiled")
#: Largest relative error, by norm, that rounding explains: of images, and of gradients of filters, which stay float32.
ROUNDING = {torch.float32: (1.5e-6, 1.5e-6), torch.bfloat16: (2e-3, 1.5e-6)}

LARGE = torch.zeros(8, 16, 16, 16)


class Functions(TorchFunctionMode):
    """Names of the functions of torch that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))


class Operations(TorchDispatchMode):
    """Names of the operations that they come to."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def filters(outputs: int, inputs: int, order: torch.memory_format = torch.channels_last) -> Tensor:
    return images(outputs, inputs, 3, 3, seed=7).float().contiguous(memory_format=order)


def everything(x: Tensor, weight: Tensor, gradient: Tensor, ours: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Output and gradients of input and filters."""
    x, weight = (tensor.detach().requires_grad_() for tensor in (x, weight))
    y = cpu_conv.convolved(x, weight) if ours else conv2d(x, weight, padding=1)
    y.backward(gradient)
    assert x.grad is not None
    assert weight.grad is not None
    return y.detach(), x.grad, weight.grad


def compare(x: Tensor, weight: Tensor, gradient: Tensor) -> None:
    got = everything(x, weight, gradient, True)
    exact = everything(x.double(), weight.double(), gradient.double(), False)
    assert [one.dtype for one in got] == [x.dtype, x.dtype, torch.float32]
    assert got[0].is_contiguous(memory_format=torch.channels_last)
    of_images, of_filters = ROUNDING[x.dtype]
    for one, expected, allowed in zip(got, exact, (of_images, of_images, of_filters)):
        assert one.shape == expected.shape
        off = (one.double() - expected).norm() / expected.norm()
        assert off < allowed, f"{off:.1e}"


@pytest.mark.parametrize("kind", ROUNDING)
@pytest.mark.parametrize("side", [(4, 4), (7, 9), (8, 8), (1, 6), (3, 37), (10, 66)])
@pytest.mark.parametrize("channels", [(16, 16), (17, 33), (24, 16), (40, 50), (64, 48)])
def test_agrees_with_float64(channels: tuple[int, int], side: tuple[int, int], kind: torch.dtype) -> None:
    """Channels that fill no vector, images that fill no tile, more and fewer tiles than are taken at a time."""
    inputs, outputs = channels
    x, gradient = images(3, inputs, *side, seed=1).to(kind), images(3, outputs, *side, seed=2).to(kind)
    compare(x, filters(outputs, inputs), gradient)


@pytest.mark.parametrize("kind", ROUNDING)
def test_many_tiles_and_channels(kind: torch.dtype) -> None:
    compare(images(40, 144, 9, 8, seed=1).to(kind), filters(208, 144), images(40, 208, 9, 8, seed=2).to(kind))


def test_how_exact_it_is_beside_torch() -> None:
    """Which adds up the products as they are, in float32: images within three times its errors, filters within four."""
    x, gradient, weight = images(32, 64, 16, 16, seed=1), images(32, 64, 16, 16, seed=2), filters(64, 64)
    exact = everything(x, weight.double(), gradient, False)
    ours, torchs = (everything(x.float(), weight, gradient.float(), mine) for mine in (True, False))
    for one, other, expected, times in zip(ours, torchs, exact, (3, 3, 4)):
        assert (one - expected).norm() <= times * (other - expected).norm()


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kind", ROUNDING)
def test_any_order_in_memory(kind: torch.dtype, order: torch.memory_format) -> None:
    """Of images, of filters, and of the gradient that comes back."""
    x, gradient, weight = (
        images(4, 24, 5, 6, seed=1).to(kind),
        images(4, 32, 5, 6, seed=2).to(kind),
        filters(32, 24, order),
    )
    compare(x.contiguous(), weight, gradient)
    compare(x, weight, gradient.contiguous())
    compare(images(4, 24, 5, 9, seed=3).to(kind)[..., 2:8], weight, gradient)
    compare(x, filters(32, 48, order)[:, 1::2], gradient)


@pytest.mark.usefixtures("shorter_registers")
def test_processors_with_shorter_registers() -> None:
    for kind in ROUNDING:
        for inputs, outputs in ((16, 16), (17, 30), (48, 72)):
            x, gradient = images(3, inputs, 9, 38, seed=1).to(kind), images(3, outputs, 9, 38, seed=2).to(kind)
            compare(x, filters(outputs, inputs), gradient)


def test_gradients_that_nobody_wants_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = images(2, 16, 8, 8, seed=1).float(), filters(16, 16).requires_grad_()
    calls: list[str] = []
    of_images, of_filters = cpu_conv._applied, cpu_conv._filters
    monkeypatch.setattr(
        cpu_conv,
        "_applied",
        lambda *args, turned: (calls.append(f"turned: {turned}"), of_images(*args, turned=turned))[1],
    )
    monkeypatch.setattr(cpu_conv, "_filters", lambda *args: (calls.append("filters"), of_filters(*args))[1])
    cpu_conv.convolved(x, weight).sum().backward()
    assert calls == ["turned: False", "filters"]
    calls.clear()
    cpu_conv.convolved(x.requires_grad_(), weight.detach()).sum().backward()
    assert calls == ["turned: False", "turned: True"]
    with torch.no_grad():
        assert not cpu_conv.convolved(x, weight).requires_grad


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 37), (1, 4000)])
@pytest.mark.parametrize("kind", ROUNDING)
def test_nothing_is_written_beside_what_is_given(kind: torch.dtype, height: int, width: int) -> None:
    """Scratch space and results of exactly their sizes, full of what is no number, with marks after their ends."""
    size, inputs, outputs = 2 * height * width, 17, 40
    needed = int(cpu.library().conv_scratch(width, inputs, outputs))
    x, y, slopes = (
        torch.randn(size * inputs).to(kind),
        torch.full((size * outputs + 16,), 7.0).to(kind),
        torch.full((9 * 17 * 40 + 16,), 7.0),
    )
    space, weight = torch.full((needed + 64,), float("nan")), filters(outputs, inputs)
    space[needed:] = 7.0
    shape = (2, height, width, inputs, outputs, *weight.stride(), kind == torch.bfloat16)
    cpu.library().conv_apply(*cpu.places(x, weight, y, space), *shape, False)
    space[:needed] = float("nan")
    cpu.library().conv_filters(*cpu.places(x, y, slopes, space), *shape)
    for tensor, length in ((y, size * outputs), (slopes, 9 * 17 * 40), (space, needed)):
        assert (tensor[length:] == 7).all()
    assert y[: size * outputs].isfinite().all()
    assert slopes.isfinite().all()


@pytest.mark.parametrize(
    ("x", "weight"),
    [
        (torch.zeros(2, 16, 8, 8), torch.zeros(8, 16, 3, 3)),
        (torch.zeros(2, 8, 8, 8), torch.zeros(16, 8, 3, 3)),
        (torch.zeros(2, 16, 8, 8), torch.zeros(16, 32, 3, 3)),
        (torch.zeros(2, 16, 8, 8), torch.zeros(16, 16, 1, 1)),
        (torch.zeros(2, 16, 8, 8), torch.zeros(16, 16, 3, 3, device="meta")),
        (torch.zeros(2, 16, 8, 8, dtype=torch.float64), torch.zeros(16, 16, 3, 3)),
        (torch.zeros(2, 16, 8, 8), torch.zeros(16, 16, 3, 3, dtype=torch.bfloat16)),
    ],
)
def test_what_does_not_suit_is_refused(x: Tensor, weight: Tensor) -> None:
    with pytest.raises(ValueError, match="do not suit"):
        cpu_conv.convolved(x, weight)


def test_layers_whose_filters_were_changed() -> None:
    """By hand, so that they are not what the layer says of itself, or a view of others'."""
    fewer = conv(16, 32, 3)
    fewer.weight.data = fewer.weight.data[:8].clone()
    assert torch.equal(fewer(LARGE), conv2d(LARGE, fewer.weight, padding=1))
    smaller = conv(16, 16, 3)
    smaller.weight.data = smaller.weight.data[:, :, 1:2, 1:2].clone()
    assert torch.equal(smaller(LARGE), conv2d(LARGE, smaller.weight, padding=1))
    x, negated = torch.randn(LARGE.shape), conv(16, 16, 3)
    negated.weight = torch.nn.Parameter(torch._neg_view(negated.weight.detach()))
    assert not cpu_conv.takes(negated, x)
    plain, x = conv(16, 16, 3), x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain(torch._neg_view(x)), plain(-x))


def test_whatever_device_is_the_default() -> None:
    layer, x = conv(16, 16, 3), torch.randn(LARGE.shape)
    expected = cpu_conv.convolved(x, layer.weight)
    with torch.device("meta"):
        assert torch.equal(cpu_conv.convolved(x, layer.weight), expected)
        assert torch.allclose(layer(x), expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch, for what it does itself here
def test_derivatives_forwards_are_torchs() -> None:
    layer, x = conv(16, 16, 3), torch.randn(LARGE.shape)
    with torch.autograd.forward_ad.dual_level():
        y = layer(torch.autograd.forward_ad.make_dual(x, x))
        slope = torch.autograd.forward_ad.unpack_dual(y).tangent
    assert slope is not None
    assert torch.allclose(slope, layer(x), atol=1e-4)


def test_the_same_bits_every_time() -> None:
    x, gradient = (images(16, 48, 16, 16, seed=seed).to(torch.bfloat16) for seed in (1, 2))
    first, second = (everything(x, filters(48, 48), gradient, True) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_stays_in_its_image(bad: float) -> None:
    """So that a training that diverged is seen to, and no other image of a batch is."""
    x = images(3, 16, 6, 6, seed=1).float()
    x[1, 5, 2, 2] = bad
    y = cpu_conv.convolved(x, filters(16, 16))
    assert not y[1, :, 1:4, 1:4].isfinite().any()
    assert y[[0, 2]].isfinite().all()


def test_large_filters_in_bf16_are_worth_it_for_many_pixels_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    layer, few, many = conv(256, 256, 3), torch.zeros(32, 256, 8, 8), torch.zeros(128, 256, 8, 8)
    assert cpu_conv.takes(layer, few)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not cpu_conv.takes(layer, few)
        assert cpu_conv.takes(layer, many)


@pytest.mark.parametrize("matrices", [False, True])
def test_under_autocast_images_are_cast_and_filters_are_not(matrices: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's is left to it where the processor multiplies matrices of bfloat16."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: matrices)
    x, weight = images(8, 16, 16, 16, seed=1).float(), filters(16, 16)
    layer = conv(16, 16, 3)
    layer.weight.data.copy_(weight)
    assert cpu_conv.takes(layer, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert cpu_conv.takes(layer, x) is not matrices
        y = layer(x)
    exact = conv2d(x.to(torch.bfloat16).double(), weight.double(), padding=1)
    assert y.dtype == torch.bfloat16
    # Filters that were rounded, too, would take it to 2.4e-3.
    assert ((y.double() - exact).norm() / exact.norm() < 2e-3) is not matrices
    with torch.autocast("cpu", dtype=torch.float16):
        assert not cpu_conv.takes(layer, x)


def test_networks_use_it_where_a_trial_has_one_thread() -> None:
    x, layer = images(8, 16, 16, 16, seed=1).float(), conv(16, 32, 3)
    one = layer(x)
    assert torch.equal(one, cpu_conv.convolved(x, layer.weight))
    torch.set_num_threads(2)
    two = layer(x)
    assert not torch.equal(one, two)
    assert torch.allclose(one, two, atol=1e-4)


@pytest.mark.parametrize(("mode", "name"), [(Functions, "conv2d"), (Operations, "aten.convolution.default")])
def test_what_watches_torch_sees_them(mode: Any, name: str) -> None:
    layer = conv(16, 16, 3)
    with mode() as watching:
        layer(LARGE)
    assert name in watching.names


def test_operations_can_still_be_counted() -> None:
    """By torch's counter, which sees what torch is asked to do."""
    net = build({"block_type": "vanilla_block", "ds": [1, 1], "ws": [16, 16], "ss": [1, 1]}, num_classes=10)
    x = torch.randn(4, 3, 32, 32)
    net(x)
    with FlopCounterMode(display=False) as counter:
        net(x)
    pixels = 4 * 32 * 32
    assert counter.get_total_flops() == 2 * (pixels * 9 * (3 * 16 + 2 * 16 * 16) + 4 * 16 * 10)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (conv(16, 16, 1), LARGE),
        (conv(16, 16, 5), LARGE),
        (conv(16, 16, 3, stride=2), LARGE),
        (conv(16, 16, 3, dilation=2), LARGE),
        (conv(16, 16, 3, groups=2), LARGE),
        (conv(16, 8, 3), LARGE),
        (conv(16, 528, 3), LARGE),
        (conv(336, 336, 3), torch.zeros(8, 336, 16, 16)),
        (conv(16, 16, 3), torch.zeros(64, 16, 2, 16)),
        (conv(16, 16, 3), LARGE.to(torch.bfloat16)),
        (conv(16, 16, 3).to("meta"), LARGE),
        (conv(8, 16, 3), LARGE[:, :8]),
        (conv(16, 16, 3), LARGE[:4]),
        (conv(16, 16, 3), torch.zeros(1024, 16, 2, 2)),
        (conv(16, 16, 3), LARGE.double()),
        (conv(16, 16, 3).double(), LARGE),
        (conv(16, 16, 3).to(torch.bfloat16), LARGE.to(torch.bfloat16)),
        (conv(16, 16, 3), LARGE[0]),
        (conv(16, 16, 3), torch.zeros(8, 32, 16, 16)),
        (Conv(16, 16, 3, padding=0), LARGE),
        (Conv(16, 16, 3, padding=1, padding_mode="circular", bias=False), LARGE),
        (Conv(16, 16, 3, padding=1), LARGE),
    ],
)
def test_the_rest_is_left_to_torch(layer: Conv, x: Tensor) -> None:
    assert cpu_conv.takes(conv(16, 16, 3), LARGE)
    assert not cpu_conv.takes(layer, x)
