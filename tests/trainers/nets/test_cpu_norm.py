"""Batch norm with addition and ReLU as the C compiler makes it, against torch's own in float64."""

import pytest
import torch
from torch import Tensor, nn

from tests.trainers.nets.drawn import images
from trainers.nets import cpu_norm

pytestmark = pytest.mark.usefixtures("compiled")
#: Largest relative error, by norm, that rounding explains.
ROUNDING = {torch.float32: 2e-6, torch.bfloat16: 4e-3}
#: With and without what comes after: (an addition, a ReLU).
AFTER = [(False, False), (False, True), (True, True)]


def norm_of(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=0.03, momentum=0.7)
    generator = torch.Generator().manual_seed(9)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        tensor.data.copy_(torch.randn(channels, generator=generator))
    return norm


def everything(
    norm: nn.BatchNorm2d, x: Tensor, added: Tensor | None, rectify: bool, ours: bool, dense: bool = True
) -> dict[str, Tensor]:
    """Output, gradients and statistics, for one random gradient of the output."""
    x = x.detach().clone().requires_grad_()
    added = None if added is None else added.detach().clone().requires_grad_()
    if ours:
        y = cpu_norm.normalised(x, norm, added, rectify=rectify)
    else:
        y = norm(x) if added is None else norm(x) + added
        y = y.relu() if rectify else y
    gradient = images(*y.shape, seed=4).to(y.dtype)
    y.backward(gradient if dense else gradient.contiguous())
    found = {"output": y, "inner": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad}
    if added is not None:
        found["added"] = added.grad
    return {name: tensor.detach() for name, tensor in {**found, **dict(norm.named_buffers())}.items()}


def compare(x: Tensor, added: Tensor | None, rectify: bool, rounding: float, dense: bool = True) -> None:
    ours, theirs = norm_of(x.shape[1]), norm_of(x.shape[1]).double()
    got = everything(ours, x, added, rectify, True, dense)
    expected = everything(theirs, x.double(), None if added is None else added.double(), rectify, False)
    assert got.keys() == expected.keys()
    assert got["output"].dtype == got["inner"].dtype == x.dtype
    assert got["output"].is_contiguous(memory_format=torch.channels_last)
    for name, value in got.items():
        exact = expected[name].double()
        off = (value.double() - exact).norm() / exact.norm()
        assert off < rounding, f"{name}: {off:.1e}"


@pytest.mark.parametrize("kind", ROUNDING)
@pytest.mark.parametrize(("add", "rectify"), AFTER)
@pytest.mark.parametrize("channels", [16, 17, 24, 32, 40, 48, 50, 64, 72, 144])
def test_agrees_with_float64(channels: int, add: bool, rectify: bool, kind: torch.dtype) -> None:
    """Rows that are no multiple of how many are summed together, in channels that are none of the vectors' length."""
    x = images(5, channels, 11, 13, seed=1).to(kind)
    compare(x, images(*x.shape, seed=2).to(kind) if add else None, rectify, ROUNDING[kind])


@pytest.mark.parametrize("shape", [(2, 16, 1, 1), (3, 16, 1, 1), (1, 24, 1, 5), (1, 80, 2, 1)])
def test_few_pixels(shape: tuple[int, ...]) -> None:
    """Of two pixels only the sign is left, and nearly no gradient: no farther from float64 than torch in float32 is."""
    x = images(*shape, seed=1).float()
    exact = everything(norm_of(shape[1]).double(), x.double(), None, True, False)
    ours, torchs = (everything(norm_of(shape[1]), x, None, True, mine) for mine in (True, False))
    for name, expected in exact.items():
        off, allowed = ((one[name].double() - expected.double()).norm() for one in (ours, torchs))
        assert off <= 2 * allowed + 1e-6 * expected.double().norm(), name


@pytest.mark.parametrize("channels", [257, 1000, 4096])
def test_many_channels(channels: int) -> None:
    x, added = (images(3, channels, 5, 5, seed=seed).float() for seed in (1, 2))
    compare(x, added, True, ROUNDING[torch.float32])


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("kind", ROUNDING)
def test_any_order_in_memory(kind: torch.dtype, dense: bool) -> None:
    """Of images, of what is added, and of the gradient that comes back."""
    x, added = (images(4, 24, 5, 6, seed=seed).to(kind) for seed in (1, 2))
    compare(x.contiguous(), added, True, ROUNDING[kind], dense)
    compare(x, added.contiguous(), True, ROUNDING[kind], dense)
    compare(x, images(4, 24, 5, 9, seed=3).to(kind)[..., 2:8], True, ROUNDING[kind], dense)


@pytest.mark.usefixtures("shorter_registers")
def test_processors_with_shorter_registers() -> None:
    for kind, rounding in ROUNDING.items():
        for channels in (16, 17, 24, 30, 40, 64, 80):
            x, added = (images(5, channels, 11, 13, seed=seed).to(kind) for seed in (1, 2))
            compare(x, None, False, rounding)
            compare(x, added, True, rounding)


@pytest.mark.parametrize("channels", [16, 144])
def test_a_large_mean_costs_no_digits(channels: int) -> None:
    """Float32 has 4 digits left beside a mean of 1,000: sums of squares about zero would leave none of the variance."""
    x = (images(8, channels, 32, 32, seed=1) + 1000).float()
    got = everything(norm_of(channels), x, None, False, True)
    expected = everything(norm_of(channels).double(), x.double(), None, False, False)
    assert torch.allclose(got["running_var"].double(), expected["running_var"], rtol=1e-6)
    assert torch.allclose(got["output"].double(), expected["output"], atol=2e-3)


def test_the_same_bits_every_time() -> None:
    x, added = (images(16, 48, 16, 16, seed=seed).to(torch.bfloat16) for seed in (1, 2))
    first, second = (everything(norm_of(48), x, added, True, True) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", ROUNDING)
@pytest.mark.parametrize(("add", "rectify"), AFTER)
def test_evaluation(add: bool, rectify: bool, kind: torch.dtype) -> None:
    norm = norm_of(40).eval()
    x, added = (images(3, 40, 7, 5, seed=seed).to(kind) for seed in (1, 2))
    with torch.no_grad():
        assert cpu_norm.takes(norm, x)
        got = cpu_norm.normalised(x, norm, added if add else None, rectify=rectify)
        expected = norm.double()(x.double()) + (added.double() if add else 0)
    expected = expected.relu() if rectify else expected
    assert got.dtype == kind
    assert (got.double() - expected).norm() / expected.norm() < ROUNDING[kind]


def test_bf16_is_rounded_as_torch_rounds() -> None:
    """Every number of bf16, times numbers that give ties, overflow and denormals, and what is no number."""
    every = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    x = every.repeat_interleave(16).reshape(-1, 16, 1, 1)
    norm = nn.BatchNorm2d(16, eps=0.0).eval()  # of mean 0 and variance 1: the weight is the factor
    norm.weight.data.copy_(torch.tensor([1.0, -1.0, 1.5, 1.0078125, 3.0, 0.1, 2.0**-20, 1e30] * 2))
    with torch.no_grad():
        got = cpu_norm.normalised(x, norm, rectify=False)
    expected = (x.float() * norm.weight[:, None, None]).to(torch.bfloat16)
    assert torch.equal(got.isnan(), expected.isnan())
    assert torch.equal(got[~got.isnan()], expected[~expected.isnan()])


@pytest.mark.parametrize("kind", ROUNDING)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_stays_none(bad: float, kind: torch.dtype) -> None:
    """So that a training that diverged is seen to."""
    x = images(2, 32, 4, 4, seed=1).to(kind)
    x[1, 5, 2, 2] = bad
    x.requires_grad_()
    y = cpu_norm.normalised(x, norm_of(32), rectify=True)
    others = [c for c in range(32) if c != 5]
    assert y[:, 5].isnan().all()
    assert not y[:, others].isnan().any()
    y.backward(torch.ones_like(y))
    assert x.grad[:, 5].isnan().all()
    assert not x.grad[:, others].isnan().any()


@pytest.mark.parametrize(
    ("norm", "x"),
    [
        (nn.BatchNorm2d(8), torch.zeros(2, 8, 2, 2)),
        (nn.BatchNorm2d(4112), torch.zeros(2, 4112, 1, 1)),
        (nn.BatchNorm2d(16, affine=False), torch.zeros(2, 16, 2, 2)),
        (nn.BatchNorm2d(16, track_running_stats=False), torch.zeros(2, 16, 2, 2)),
        (nn.BatchNorm2d(16, momentum=None), torch.zeros(2, 16, 2, 2)),
        (nn.BatchNorm2d(16).eval(), torch.zeros(2, 16, 2, 2)),
        (nn.BatchNorm2d(16).double(), torch.zeros(2, 16, 2, 2, dtype=torch.float64)),
        (nn.BatchNorm2d(16), torch.zeros(1, 16, 1, 1)),
        (nn.SyncBatchNorm(16), torch.zeros(2, 16, 2, 2)),
        (nn.BatchNorm2d(16), torch.zeros(2, 64, 2, 2)),
        (nn.BatchNorm2d(16), torch.zeros(16, 16, 2)),
        (nn.BatchNorm2d(16).to(torch.bfloat16), torch.zeros(2, 16, 2, 2, dtype=torch.bfloat16)),
    ],
)
def test_the_rest_is_left_to_torch(norm: nn.Module, x: Tensor) -> None:
    assert not cpu_norm.takes(norm, x)
