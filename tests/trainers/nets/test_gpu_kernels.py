"""Kernels for a GPU: right in Triton's interpreter, and compiled for real ones; neither needs a GPU."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainers.nets import gpu
from trainers.nets.casting import cast_weights
from trainers.nets.convolutions import Conv, conv

pytest.importorskip("triton", reason="torch brings Triton on Linux only")

PROGRAM = Path(__file__).with_name("interpreted.py")
EDGES = [["conv_3x3", 0], ["skip_connect", 1]]
STAGES = {"ds": [1, 2, 1], "ws": [16, 16, 32], "ss": [1, 1, 2]}
GENOTYPE = {"normal": EDGES, "normal_concat": [2], "reduce": EDGES, "reduce_concat": [2]}
#: Networks; the convolutions in them that are ours, and the batch norms but those of factorized reductions, both of
#: which are torch's; and how many of these norms come after a convolution of torch's.
NETS: dict[str, tuple[dict[str, Any], int, int, int]] = {
    "residual blocks": ({"block_type": "res_basic_block", **STAGES}, 1 + 3 * 2 + 1, 1 + 3 * 2 + 1, 0),
    "plain blocks": ({"block_type": "double_plain_block", **STAGES}, 1 + 3 * 2, 1 + 3 * 2, 0),
    "bottlenecks": (
        {"block_type": "res_bottleneck_block", **STAGES, "bot_muls": [0.0, 1.0, 1.0], "num_gs": [1, 2, 1]},
        1 + 2 * 2 + 3 + 1, 1 + 3 * 3 + 1, 2,
    ),
    "cells": (
        {"genotype": GENOTYPE, "width": 16, "depth": 3, "aux": False, "drop_prob": 0.0},
        1 + 3 + 5 + 6, 1 + 3 + 3 + 2, 0,
    ),
    "eight channels": ({"block_type": "res_basic_block", **STAGES, "ws": [8, 8, 8]}, 0, 1 + 3 * 2 + 1, 1 + 3 * 2 + 1),
}  # fmt: skip


def interpreted(*arguments: str) -> Any:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, PROGRAM, *arguments], cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kernels_agree_with_float64() -> None:
    found = interpreted()
    assert len(found) == 21
    assert {(name, part): off for name, one in found.items() for part, off in one.items() if not off < 1e-5} == {}


@pytest.mark.parametrize(
    "name", [name if name == "residual blocks" else pytest.param(name, marks=pytest.mark.slow) for name in NETS]
)
def test_a_network_trained_by_kernels_agrees_with_float64(name: str) -> None:
    net, convolutions, norms, alone = NETS[name]
    found = interpreted(json.dumps(net))
    # Forwards in training and evaluation, and backwards, for which the images need no gradient.
    assert found.pop("convolutions") == max(0, 3 * convolutions - 1)
    # In evaluation a convolution does the work of the norm after it.
    assert found.pop("norms") == norms + alone
    assert {part: off for part, off in found.items() if not off < 1e-4} == {}


#: Convolutions and images, and whether the kernel of this package is the one for them.
CHOICES: dict[str, tuple[Conv, tuple[int, ...], bool]] = {
    "16 channels": (conv(16, 16, 3), (128, 16, 32, 32), True),
    "32 channels of many pixels": (conv(32, 32, 3), (8, 32, 128, 128), True),
    "pictures": (conv(3, 16, 3), (128, 3, 32, 32), True),
    "pixels with stride": (conv(16, 32, 1, stride=2), (128, 16, 32, 32), True),
    "64 channels of few pixels": (conv(64, 64, 3), (128, 64, 16, 16), True),
    "64 channels of many pixels": (conv(64, 64, 3), (128, 64, 32, 32), False),
    "128 channels": (conv(128, 64, 1), (128, 128, 4, 4), False),
    "24 channels": (conv(24, 24, 3), (128, 24, 8, 8), False),
    "8 channels of output": (conv(16, 8, 3), (128, 16, 8, 8), False),
    "depthwise": (conv(32, 32, 3, groups=32), (128, 32, 8, 8), False),
    "groups": (conv(32, 32, 3, groups=2), (128, 32, 8, 8), False),
    "dilation": (conv(32, 32, 3, dilation=2), (128, 32, 8, 8), False),
    "a large kernel": (conv(32, 32, 5), (128, 32, 8, 8), False),
    "no padding": (Conv(32, 32, 3, bias=False), (128, 32, 8, 8), False),
    "reflected padding": (Conv(32, 32, 3, padding=1, padding_mode="reflect", bias=False), (8, 32, 8, 8), False),
    "a bias": (Conv(32, 32, 3, padding=1), (128, 32, 8, 8), False),
    "two strides": (Conv(32, 32, 1, stride=(1, 2), bias=False), (128, 32, 8, 8), False),
    "more than 32 bits count": (conv(16, 32, 3), (128, 16, 1024, 1024), False),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_which_convolutions_are_left_to_the_libraries(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, shape, ours = CHOICES[name]
    images = torch.empty(shape, device="meta")
    assert not layer.fuses(images)
    monkeypatch.setattr(gpu, "fused", lambda x: True)
    assert layer.fuses(images) is ours


def test_a_layer_keeps_its_weights_in_bf16_only_while_the_network_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "fused", lambda x: True)
    net = nn.Sequential(conv(3, 16, 3), conv(16, 16, 3), conv(16, 128, 1))
    first, second, wide = net
    with cast_weights(net, torch.zeros(1)):
        assert wide.cast is None
        for layer in (first, second):
            assert layer.cast.dtype == torch.bfloat16
            assert torch.equal(layer.cast, layer.weight.bfloat16())
    assert all(layer.cast is None for layer in net)


def test_a_network_none_of_whose_convolutions_are_ours_casts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "fused", lambda x: True)
    net = nn.Sequential(conv(3, 24, 3), conv(24, 24, 3))
    with cast_weights(net, torch.zeros(1)):
        assert all(layer.cast is None for layer in net)


def test_no_weights_are_left_behind_by_a_call_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "fused", lambda x: True)
    net = nn.Sequential(conv(3, 16, 3))
    with pytest.raises(ZeroDivisionError), cast_weights(net, torch.zeros(1)):
        raise ZeroDivisionError
    assert net[0].cast is None


@pytest.fixture
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that multiplies bf16, as far as is asked."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))


@pytest.mark.usefixtures("capable")
def test_without_a_compiler_the_libraries_take_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no C compiler")

    monkeypatch.setattr(torch, "zeros", fails)
    with caplog.at_level(logging.WARNING, "trainers"):
        assert gpu.available.__wrapped__() is False
    assert "no C compiler" in caplog.text


def test_a_gpu_that_only_imitates_bf16_is_left_to_the_libraries(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For whom asks for bf16 all the same: kernels that multiply it cannot be compiled for such a GPU."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    with caplog.at_level(logging.WARNING, "trainers"):
        assert gpu.available.__wrapped__() is False
    assert not caplog.text


@pytest.mark.usefixtures("capable")
def test_a_full_gpu_does_not_mean_that_there_is_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("Triton Error [CUDA]: out of memory")

    monkeypatch.setattr(torch, "zeros", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        gpu.available.__wrapped__()


class Launched:
    """Stands for a kernel: two threads that launch it at the same time are noted."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls, self.inside = name, calls, 0

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        def launch(*arguments: Any, **options: Any) -> None:
            self.inside += 1
            time.sleep(0.002)
            self.calls.append(self.name if self.inside == 1 else f"{self.name} twice at once")
            self.inside -= 1

        return launch


def test_threads_launch_kernels_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton's first launch of a kernel is not made for threads: one finds no function in what another is loading."""
    from trainers.nets import gpu_conv, gpu_norm

    calls: list[str] = []
    kernels = [(module, name) for module in (gpu_conv, gpu_norm) for name in vars(module) if name.endswith("_kernel")]
    for module, name in kernels:
        monkeypatch.setattr(module, name, Launched(name, calls))

    def work() -> None:
        x = torch.zeros(2, 16, 4, 4, requires_grad=True)
        weight, norm = torch.zeros(16, 16, 3, 3, requires_grad=True), nn.BatchNorm2d(16)
        y, _, _ = gpu_conv.convolved(x, weight, 1)
        gpu_norm.normalised(y, norm, rectify=True).float().sum().backward()
        with torch.no_grad():
            gpu_norm.normalised(y, norm.eval(), rectify=True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(calls) == {name for _, name in kernels}
    # The convolution twice, also for its gradient.
    assert len(calls) == 4 * (len(kernels) + 1)


#: Arguments of kernels that are no 32-bit integers, and those that no multiple of 16 is needed of.
POINTERS = {
    **dict.fromkeys(("x", "y", "added", "gradient", "inner", "outer"), "*bf16"),
    **dict.fromkeys(
        (
            "parts", "total", "moments", "means", "variances", "gains", "biases", "bias", "kept", "slopes", "mean",
            "var", "running_mean", "running_var",
        ), "*fp32"
    ),
    "tracked": "*i64", "eps": "fp32", "momentum": "fp32",
}  # fmt: skip
ODD = {"height", "width", "out_height", "out_width", "pad", "stride"}
CONV = {"SIDE": 3, "STEPS": 3, "WHOLE": True, "ALL": True, "ADD": True, "NORM": False, "RECTIFY": False, "BLOCK_P": 128}
NORM = {"BLOCK_R": 256, "BLOCK_C": 32}
SMALL = {"BLOCK_N": 16, "BLOCK_K": 16}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("conv", {**CONV, **SMALL, "TURNED": False, "SPREAD": False, "MOMENTS": True}),
    ("conv", {**CONV, **SMALL, "TURNED": True, "SPREAD": False, "MOMENTS": False}),
    ("conv", {**CONV, **SMALL, "TURNED": True, "SPREAD": True, "MOMENTS": False, "WHOLE": False}),
    ("conv", {**CONV, **SMALL, "TURNED": False, "SPREAD": False, "MOMENTS": False, "NORM": True, "RECTIFY": True}),
    ("weight", {"SIDE": 3, "WHOLE": False, "BLOCK_P": 256, "BLOCK_N": 64, "BLOCK_K": 64}),
    ("weight", {"SIDE": 3, "WHOLE": False, "BLOCK_P": 128, "BLOCK_N": 128, "BLOCK_K": 128}),
    ("sum", {"BLOCK_S": 128, "BLOCK_N": 8}),
    ("moments", NORM),
    ("normalise", {**NORM, "BLOCK_S": 128, "ADD": True, "RECTIFY": True}),
    ("fixed", {**NORM, "ADD": True, "RECTIFY": True}),
    ("sums", {**NORM, "ADD": True, "RECTIFY": True}),
    ("gradient", {**NORM, "BLOCK_S": 128, "RECTIFY": True}),
]


@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile(capability: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the interpreter lets pass a compiler may not; registers must do, as memory would be ten times as slow."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from trainers.nets import gpu_conv, gpu_norm

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for name, constants in VARIANTS:
        kernel = getattr(gpu_conv, f"_{name}_kernel", None) or getattr(gpu_norm, f"_{name}_kernel")
        values = {**constants, **({"KIND": gpu_conv.KIND} if name in ("conv", "weight") else {})}
        types, divisible = {}, {}
        for position, argument in enumerate(kernel.arg_names):
            weights = "*bf16" if name == "conv" else "*fp32"
            kind = weights if argument == "weight" else POINTERS.get(argument, "i32")
            if argument == "total" and name in ("conv", "weight"):
                kind = "i32"
            types[argument] = "constexpr" if argument in values else kind
            if argument not in values and argument not in ODD and not kind.startswith("fp"):
                divisible[(position,)] = [["tt.divisibility", 16]]
        places = {(kernel.arg_names.index(argument),): value for argument, value in values.items()}
        source = ASTSource(kernel, types, places, divisible)
        how = {"num_warps": 8, "enable_fp_fusion": True}
        made = compile(source, target=GPUTarget("cuda", capability, 32), options=how)
        code = made.asm["ptx"]
        assert "ld.global" in code, name
        # Images are read 16 bytes at a time, and no thread keeps what it counts with in memory.
        assert name == "sum" or "v4.b32" in code, name
        assert ".local" not in code, name
