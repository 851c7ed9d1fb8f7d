"""Convolutions of few channels in bf16, as kernels for a GPU.

The libraries' kernels are made for many channels: at 16 they take ten times as long as moving the images does. Here an
image in channels_last order is read as it lies: the pixels under a row of the kernel are neighbours in memory, so a
convolution is, for each row of the kernel, a matrix product with slices of the image. Sums are taken in float32 and in
the same order each time.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from trainers.nets import gpu, gpu_blocks
from trainers.nets.gpu_blocks import Blocks
from trainers.nets.gpu_norm import Moments

__all__ = ["convolved", "folded"]

#: What is multiplied; Triton's interpreter, which the tests use, cannot multiply bf16.
KIND = tl.float32 if triton.knobs.runtime.interpret else tl.bfloat16


@triton.jit
def _conv_kernel(  # type: ignore[no-untyped-def]
    x, weight, added, y, moments, means, variances, gains, biases, eps, total, height, width, out_height, out_width,
    channels, outputs, stride, pad,
    SIDE: tl.constexpr, TURNED: tl.constexpr, SPREAD: tl.constexpr, STEPS: tl.constexpr, WHOLE: tl.constexpr,
    ALL: tl.constexpr, ADD: tl.constexpr, MOMENTS: tl.constexpr, NORM: tl.constexpr, RECTIFY: tl.constexpr,
    BLOCK_P: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """Convolution of x; TURNED: the gradient of its input, for which x is the gradient of its output."""
    rows = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    at = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = rows < total
    right, rest = rows % out_width, rows // out_width
    below, image = rest % out_height, rest // out_height * height
    if SPREAD:
        top, left = below - pad, right - pad
    else:
        top, left = below * stride - pad, (right * stride - pad) * channels
    length = SIDE * channels
    result = tl.zeros([BLOCK_P, BLOCK_N], tl.float32)
    for step in tl.static_range(SIDE * STEPS):
        down = step // STEPS
        k = step % STEPS * BLOCK_K + tl.arange(0, BLOCK_K)
        row = top + down
        there = inside & (row >= 0)
        if SPREAD:
            # Only every stride-th row and column of what the convolution read begins an output of it.
            column = left[:, None] + (k // channels)[None, :]
            there = (there & (row % stride == 0))[:, None] & (column >= 0) & (column % stride == 0)
            row, column = row // stride, column // stride
            there = there & (row < height)[:, None] & (column < width)
            column = column * channels + (k % channels)[None, :]
        else:
            column = left[:, None] + k[None, :]
            there = (there & (row < height))[:, None] & (column >= 0) & (column < width * channels)
        place = ((image + row) * width * channels)[:, None] + column
        if TURNED:
            where = ((k % channels * SIDE + SIDE - 1 - down) * SIDE + SIDE - 1 - k // channels) * outputs
            where = where[:, None] + at[None, :]
        else:
            where = (at * SIDE + down)[None, :] * length + k[:, None]
        if WHOLE and ALL:
            b = tl.load(weight + where)
        else:
            there = there & (k < length)[None, :]
            b = tl.load(weight + where, (k < length)[:, None] & (at < outputs)[None, :], other=0.0)
        a = tl.load(x + place, there, other=0.0)
        result = tl.dot(a.to(KIND), b.to(KIND), result)
    there = inside[:, None]
    if not ALL:
        there = there & (at < outputs)[None, :]
    place = rows[:, None] * outputs + at[None, :]
    if NORM:
        scale = tl.load(gains + at, at < outputs) / tl.sqrt(tl.load(variances + at, at < outputs, other=1.0) + eps)
        shift = tl.load(biases + at, at < outputs) - tl.load(means + at, at < outputs) * scale
        result = result * scale[None, :] + shift[None, :]
    if ADD:
        result += tl.load(added + place, there, other=0.0).to(tl.float32)
    if RECTIFY:
        result = tl.where(result <= 0, 0.0, result)
    value = result.to(y.dtype.element_ty)
    tl.store(y + place, value, there)
    if MOMENTS:
        value = value.to(tl.float32)
        count = tl.minimum(total - tl.program_id(0) * BLOCK_P, BLOCK_P).to(tl.float32)
        # Rows that are no pixels hold zeros.
        mean = tl.sum(value, 0) / count
        off = tl.where(there, value - mean[None, :], 0.0)
        place = tl.program_id(0) * outputs + at
        tl.store(moments + place, mean, at < outputs)
        tl.store(moments + tl.num_programs(0) * outputs + place, tl.sum(off * off, 0), at < outputs)


@triton.jit
def _weight_kernel(  # type: ignore[no-untyped-def]
    x, gradient, parts, total, height, width, out_height, out_width, channels, outputs, stride, pad, share,
    SIDE: tl.constexpr, WHOLE: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    KIND: tl.constexpr,
):  # fmt: skip
    """Gradient of a part of the weights over this program's share of the image rows, a place in each of every output.

    What lies there under a row of the kernel is multiplied by the gradients of the outputs that read it by each row.
    """
    k = tl.program_id(1) * BLOCK_K + tl.arange(0, BLOCK_K)
    n = tl.program_id(2) * BLOCK_N + tl.arange(0, BLOCK_N)
    down, at = n // outputs, n % outputs
    length = SIDE * channels
    first = tl.program_id(0) * share
    result = tl.zeros([BLOCK_K, BLOCK_N], tl.float32)
    # Not pipelined: then neighbouring windows come from the nearest cache.
    for start in tl.range(first, tl.minimum(first + share, total), BLOCK_P, num_stages=1):
        places = start + tl.arange(0, BLOCK_P)
        inside = (places < total)[:, None]
        right, rest = places % out_width, places // out_width
        row, image = rest % height, rest // height
        column = ((right * stride - pad) * channels)[:, None] + k[None, :]
        there = inside & (column >= 0) & (column < width * channels)
        if not WHOLE:
            there = there & (k < length)[None, :]
        a = tl.load(x + (rest * width * channels)[:, None] + column, there, other=0.0)
        up = (row + pad)[:, None] - down[None, :]
        below = up // stride
        there = inside & (up >= 0) & (up % stride == 0) & (below < out_height) & (down < SIDE)[None, :]
        place = ((image * out_height)[:, None] + below) * out_width + right[:, None]
        b = tl.load(gradient + place * outputs + at[None, :], there, other=0.0)
        result = tl.dot(tl.trans(a.to(KIND)), b.to(KIND), result)
    place = tl.program_id(0) * outputs * SIDE * length + (at * SIDE + down)[None, :] * length + k[:, None]
    tl.store(parts + place, result, (k < length)[:, None] & (down < SIDE)[None, :])


@triton.jit
def _sum_kernel(parts, total, size, shares, BLOCK_S: tl.constexpr, BLOCK_N: tl.constexpr):  # type: ignore[no-untyped-def]
    """Sum of the parts."""
    at = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    result = tl.zeros([BLOCK_S, BLOCK_N], tl.float32)
    for start in range(0, shares, BLOCK_S):
        part = start + tl.arange(0, BLOCK_S)
        result += tl.load(
            parts + part[:, None] * size + at[None, :], (part < shares)[:, None] & (at < size)[None, :], other=0.0
        )
    tl.store(total + at, tl.sum(result, 0), at < size)


def convolved(
    x: Tensor, weight: Tensor, stride: int, cast: Tensor | None = None, *, moments: bool = False
) -> tuple[Tensor, Tensor, Moments | None]:
    """Convolution of x in bf16, whose padding keeps the size at stride 1.

    Parameters
    ----------
    x : Tensor
        Shape (n, c, h, w).
    weight : Tensor
        Shape (outputs, c, side, side), of a convolution that is `fusible`.
    stride : int
    cast : Tensor, optional
        The weights in bf16, which are read faster.
    moments : bool, default False
        Whether the batch norm that comes next wants them.

    Returns
    -------
    output : Tensor
        Shape (n, outputs, h / stride, w / stride), rounded up, in channels_last order.
    again : Tensor
        x, for what else reads it: its gradient is then added by the kernel that computes that of x.
    moments : Moments or None
        Of the output, where it is small enough for that.
    """
    y, again, parts, share = _Convolved.apply(gpu.dense(x), weight, weight if cast is None else cast, stride, moments)
    return y, again, None if parts is None else Moments(parts, share)


def folded(
    x: Tensor, weight: Tensor, stride: int, cast: Tensor | None, norm: nn.BatchNorm2d, added: Tensor | None = None, *,
    rectify: bool,
) -> Tensor:  # fmt: skip
    """Convolution of x, then a batch norm that is not in training, plus `added`, and ReLU if `rectify`; no gradient."""
    x, used = gpu.dense(x), gpu.dense(weight if cast is None else cast)
    y, cut = _output(x, weight, stride)
    run(x, used, y, stride, cut, norm=norm, added=None if added is None else gpu.dense(added), rectify=rectify)
    return y


def _output(x: Tensor, weight: Tensor, stride: int) -> tuple[Tensor, Blocks]:
    n, channels, height, width = x.shape
    size = n, len(weight), -(-height // stride), -(-width // stride)
    y = torch.empty(size, dtype=gpu.TYPE, device=x.device, memory_format=torch.channels_last)
    return y, gpu_blocks.of_conv(weight.shape[2] * channels, len(weight), y.numel() // len(weight))


class _Convolved(torch.autograd.Function):
    """A convolution; gradients go to `weight`, products are made with `used`."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, weight: Tensor, used: Tensor, stride: int, moments: bool
    ) -> tuple[Tensor, Tensor, Tensor | None, int]:
        used = gpu.dense(used.detach())
        context.save_for_backward(x, weight, used)
        context.stride = stride
        context.set_materialize_grads(False)
        y, cut = _output(x, weight, stride)
        groups, parts = triton.cdiv(y.numel() // len(weight), cut.pixels), None
        if moments and groups <= gpu_blocks.GROUPS:
            parts = x.new_empty(2, groups, len(weight), dtype=torch.float32)
            context.mark_non_differentiable(parts)
        run(x, used, y, stride, cut, moments=parts)
        return y, x, parts, cut.pixels

    @staticmethod
    def backward(context: Any, gradient: Tensor, again: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        x, weight, used = context.saved_tensors
        gradient, stride = gpu.dense(gradient), context.stride
        inner = weights = None
        if context.needs_input_grad[0]:
            inner = torch.empty_like(x)
            cut = gpu_blocks.of_conv(weight.shape[2] * len(weight), x.shape[1], x.numel() // x.shape[1], turned=True)
            run(gradient, used, inner, stride, cut, turned=True, added=None if again is None else gpu.dense(again))
        if context.needs_input_grad[1]:
            weights = weight_gradient(x, gradient, weight, stride)
        return inner, weights, None, None, None


def run(
    x: Tensor, weight: Tensor, y: Tensor, stride: int, cut: Blocks, *, turned: bool = False,
    added: Tensor | None = None, moments: Tensor | None = None, norm: nn.BatchNorm2d | None = None,
    rectify: bool = False,
) -> None:  # fmt: skip
    """Write the convolution of x into y, then normalised, plus `added`, and rectified, as wanted.

    `turned`: the gradient of the input of a convolution instead, where x is that of its output.
    """
    _, channels, height, width = x.shape
    n, outputs, out_height, out_width = y.shape
    side, pixels = weight.shape[2], n * out_height * out_width
    steps = triton.cdiv(side * channels, cut.k)
    fixed = (None,) * 4 if norm is None else (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    gpu.launch(
        _conv_kernel, (triton.cdiv(pixels, cut.pixels), triton.cdiv(outputs, cut.outputs)),
        x, weight, added, y, moments, *fixed, 0.0 if norm is None else norm.eps, pixels, height, width, out_height,
        out_width, channels, outputs, stride, side // 2, SIDE=side, TURNED=turned, SPREAD=turned and stride > 1,
        STEPS=steps, WHOLE=steps * cut.k == side * channels, ALL=outputs % cut.outputs == 0, ADD=added is not None,
        MOMENTS=moments is not None, NORM=norm is not None, RECTIFY=rectify, BLOCK_P=cut.pixels, BLOCK_N=cut.outputs,
        BLOCK_K=cut.k, KIND=KIND, num_warps=cut.warps, enable_fp_fusion=True,
    )  # fmt: skip


def weight_gradient(x: Tensor, gradient: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Gradient of the weights, in float32."""
    n, channels, height, width = x.shape
    _, outputs, out_height, out_width = gradient.shape
    side, places = weight.shape[2], n * height * out_width
    cut, shares = gpu_blocks.of_weight(side * channels, side * outputs)
    steps = triton.cdiv(side * channels, cut.k)
    share = triton.cdiv(triton.cdiv(places, shares), cut.pixels) * cut.pixels
    shares = triton.cdiv(places, share)
    parts = x.new_empty(shares, weight.numel(), dtype=torch.float32)
    gpu.launch(
        _weight_kernel, (shares, steps, triton.cdiv(side * outputs, cut.outputs)),
        x, gradient, parts, places, height, width, out_height, out_width, channels, outputs, stride, side // 2, share,
        SIDE=side, WHOLE=steps * cut.k == side * channels, BLOCK_P=cut.pixels, BLOCK_N=cut.outputs, BLOCK_K=cut.k,
        KIND=KIND, num_warps=cut.warps, enable_fp_fusion=True,
    )  # fmt: skip
    result = torch.empty_like(weight, dtype=torch.float32, memory_format=torch.channels_last)
    each = min(64, max(8, triton.next_power_of_2(weight.numel() // 576)))
    blocks = {"BLOCK_S": min(1024 // each, 128), "BLOCK_N": each, "num_warps": 4, "enable_fp_fusion": True}
    gpu.launch(_sum_kernel, (triton.cdiv(weight.numel(), each),), parts, result, weight.numel(), shares, **blocks)
    return result
