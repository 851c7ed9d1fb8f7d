"""Batch norm with addition and ReLU as the C compiler makes it, against torch's own in float64."""

import logging
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edfstat import Trial
from edfstat.errors import TrialInterrupted
from trainers import build, train
from trainers.nets import cpu, cpu_norm
from trainers.nets.layers import Layers

#: Largest relative error, by norm, that rounding explains.
ROUNDING = {torch.float32: 2e-6, torch.bfloat16: 4e-3}
#: With and without what comes after: (an addition, a ReLU).
AFTER = [(False, False), (False, True), (True, True)]
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


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def _anew() -> Iterator[None]:
    """What was compiled is forgotten before and after."""
    cpu.functions.cache_clear()
    yield
    cpu.functions.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def _compiler() -> None:
    if not cpu.available():
        if os.environ.get("EDFSTAT_REQUIRE_COMPILER") == "1":
            pytest.fail("there is no C compiler and EDFSTAT_REQUIRE_COMPILER is 1")
        pytest.skip("there is no C compiler")


def images(*shape: int, seed: int) -> Tensor:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.contiguous(memory_format=torch.channels_last)


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


@pytest.mark.parametrize("level", ["x86-64-v2", "x86-64-v3"])
@pytest.mark.usefixtures("_anew")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are levels of x86")
def test_processors_with_shorter_registers(level: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cpu, "FLAGS", [f"-march={level}" if "-march" in flag else flag for flag in cpu.FLAGS])
    assert cpu.available()
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
    x, norm = images(3, 16, 4, 4, seed=1).float(), norm_of(16)
    y = norm(x)
    for added in (
        images(3, 16, 4, 4, seed=2).float(),
        images(3, 16, 1, 1, seed=2).float(),
        images(3, 16, 4, 4, seed=2),
    ):
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


def test_only_where_a_trial_has_one_thread() -> None:
    assert cpu.fused(torch.zeros(1))
    torch.set_num_threads(2)
    assert not cpu.fused(torch.zeros(1))


def test_training_is_about_the_same_and_the_record_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    net = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [16, 16, 16, 16], "ss": [1, 1, 2, 2]}
    trial = Trial("any", net, "digits", {"batch_size": 32}, {"max_ep": 2, "base_lr": 0.02})
    ours = train(trial, device="cpu")
    assert ours["provenance"]["kernels"] == "c"
    monkeypatch.setattr(cpu, "fused", lambda x: False)
    theirs = train(trial, device="cpu")
    assert "kernels" not in theirs["provenance"]
    assert ours["train_ep_loss"] == pytest.approx(theirs["train_ep_loss"], rel=0.02)
    assert ours["train_ep_loss"] != theirs["train_ep_loss"]


def test_a_record_says_where_the_layers_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An interrupted trial that goes on on a machine without a compiler."""
    net = {"block_type": "res_basic_block", "ds": [1, 1], "ws": [16, 16], "ss": [1, 2]}
    trial = Trial("any", net, "digits", {"batch_size": 128}, {"max_ep": 3})
    with pytest.raises(TrialInterrupted):
        train(trial, device="cpu", directory=tmp_path, should_stop=lambda: True)
    with monkeypatch.context() as without:
        without.setattr(cpu, "fused", lambda x: False)
        with pytest.raises(TrialInterrupted):
            train(trial, device="cpu", directory=tmp_path, should_stop=lambda: True)
    assert "kernels c, now torch" in caplog.text
    assert train(trial, device="cpu", directory=tmp_path)["provenance"]["kernels"] == "c, then torch, then c"


def test_networks_too_narrow_for_it_are_not_said_to_use_it() -> None:
    net = {"block_type": "res_basic_block", "ds": [1, 1], "ws": [8, 8], "ss": [1, 2]}
    record = train(Trial("any", net, "digits", {"batch_size": 128}, {"max_ep": 1}), device="cpu")
    assert "kernels" not in record["provenance"]


def kept_in(folder: Path) -> list[Path]:
    return sorted((folder / "edfstat" / "kernels").iterdir())


@pytest.mark.usefixtures("_anew")
def test_compiled_once_and_again_where_the_file_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # By other processes, as none opens a file of one name twice.
    command = [sys.executable, "-c", "from trainers.nets import cpu; assert cpu.available()"]
    subprocess.run(command, check=True)
    (made,) = kept_in(tmp_path)
    whole, written = made.read_bytes(), made.stat().st_mtime_ns
    subprocess.run(command, check=True)
    assert made.stat().st_mtime_ns == written
    made.write_bytes(whole[:1000])
    assert cpu.available()
    assert kept_in(tmp_path) == [made]
    assert made.read_bytes() == whole


@pytest.mark.parametrize("change", ["compiler", "flags", "source", "processor"])
def test_another_file_for_what_is_made_otherwise(change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = cpu._key(["cc"])
    (tmp_path / "other.c").write_text(cpu.SOURCE.read_text() + "/* changed */")
    if change == "flags":
        monkeypatch.setattr(cpu, "FLAGS", (*cpu.FLAGS, "-g"))
    elif change == "source":
        monkeypatch.setattr(cpu, "SOURCE", tmp_path / "other.c")
    elif change == "processor":
        monkeypatch.setattr(cpu, "_processor", lambda: b"another")
    assert cpu._key(["cc", "-O1"] if change == "compiler" else ["cc"]) != before


@pytest.mark.usefixtures("_anew")
def test_a_kept_file_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that is mounted noexec: each process compiles its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    content = b"no library"
    (tmp_path / "edfstat" / "kernels").mkdir(parents=True)
    (tmp_path / "edfstat" / "kernels" / f"cpu_norm-{cpu._key(['cc'])}-{cpu._digest(content)}.so").write_bytes(content)
    assert cpu.available()


@pytest.mark.usefixtures("_anew")
def test_a_file_that_others_could_have_written_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    key, content = cpu._key(["cc"]), b"of somebody"
    (tmp_path / "edfstat" / "kernels").mkdir(parents=True)
    planted = tmp_path / "edfstat" / "kernels" / f"cpu_norm-{key}-{cpu._digest(content)}.so"
    planted.write_bytes(content)
    planted.chmod(0o644)
    assert cpu._kept(key) == planted
    planted.chmod(0o666)
    assert cpu._kept(key) is None
    planted.chmod(0o644)
    planted.rename(tmp_path / "elsewhere.so")
    planted.symlink_to(tmp_path / "elsewhere.so")
    assert cpu._kept(key) is None
    assert cpu.available()


@pytest.mark.usefixtures("_anew")
def test_a_cache_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cpu.available()


@pytest.mark.usefixtures("_anew")
@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        ("no-such-cc", "no-such-cc"),
        ("cc -fno-such-flag", "-fno-such-flag"),
        ("cc 'x", "No closing quotation"),
        ("cc -fvisibility=hidden", "left out forward"),
    ],
)
def test_without_a_compiler_torch_does_it(
    compiler: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with caplog.at_level(logging.INFO, "trainers"):
        assert not cpu.available()
        assert not cpu.available()
    (message,) = caplog.messages  # once, not in each layer
    assert said in message
    assert build(NETS["plain blocks"], num_classes=10)(torch.randn(2, 3, 8, 8)).shape == (2, 10)
