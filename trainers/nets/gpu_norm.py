"""Batch norm with the addition and the ReLU that follow it, as few kernels for a GPU.

Small networks are bound by their many short kernels: torch takes ten for these three layers, forwards and backwards,
here they are four. Each reads its tensor once. Sums over the pixels are taken by some programs each over its own rows,
and added up, always in the same order, by every program that needs them: that is what keeps the result the same from
run to run without a kernel in between.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeGuard, cast

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from trainers.nets import gpu
from trainers.nets.replacing import replaceable

__all__ = ["Moments", "normalised", "takes"]

#: Programs that share the sums over a channel, at most; numbers that one holds at a time, at least and at most.
SHARES, LEAST, MOST = 128, 2048, 16384
WARPS = 8


@triton.jit
def _moments_kernel(x, parts, rows, channels, share, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):  # type: ignore[no-untyped-def]
    """Mean and sum of squared deviations of each channel, over this program's share of the rows."""
    at = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    first = tl.program_id(0) * share
    last = tl.minimum(first + share, rows)
    seen = 0.0
    mean = tl.zeros([BLOCK_C], tl.float32)
    squares = tl.zeros([BLOCK_C], tl.float32)
    for start in range(first, last, BLOCK_R):
        row = start + tl.arange(0, BLOCK_R)
        inside = (row < last)[:, None] & (at < channels)[None, :]
        value = tl.load(x + row[:, None] * channels + at[None, :], inside, other=0.0).to(tl.float32)
        count = tl.minimum(last - start, BLOCK_R).to(tl.float32)
        here = tl.sum(value, 0) / count
        off = tl.where(inside, value - here[None, :], 0.0)
        # Sums of squares about each part's own mean lose no digits where the mean is large (Chan et al., 1979).
        step = here - mean
        squares += tl.sum(off * off, 0) + step * step * (seen * count / (seen + count))
        mean += step * (count / (seen + count))
        seen += count
    place = tl.program_id(0) * channels + at
    tl.store(parts + place, mean, at < channels)
    tl.store(parts + tl.num_programs(0) * channels + place, squares, at < channels)


@triton.jit
def _apply(  # type: ignore[no-untyped-def]
    x, added, y, scale, shift, at, rows, channels, span, BLOCK_R: tl.constexpr, ADD: tl.constexpr,
    RECTIFY: tl.constexpr,
):  # fmt: skip
    """Write y = relu(x scale + shift + added) for this program's rows."""
    first = tl.program_id(0) * span
    for start in range(first, tl.minimum(first + span, rows), BLOCK_R):
        row = start + tl.arange(0, BLOCK_R)
        where = row[:, None] * channels + at[None, :]
        inside = (row < rows)[:, None] & (at < channels)[None, :]
        value = tl.load(x + where, inside, other=0.0).to(tl.float32) * scale[None, :] + shift[None, :]
        if ADD:
            value += tl.load(added + where, inside, other=0.0).to(tl.float32)
        if RECTIFY:
            value = tl.where(value <= 0, 0.0, value)  # what is no number stays none
        tl.store(y + where, value.to(y.dtype.element_ty), inside)


@triton.jit
def _statistics(kept, weight, bias, at, channels):  # type: ignore[no-untyped-def]
    """Mean and 1 / standard deviation that the forward pass kept, and the scale and shift it made of them."""
    held = at < channels
    mean, rstd = tl.load(kept + at, held), tl.load(kept + channels + at, held)
    scale = tl.load(weight + at, held) * rstd
    return mean, rstd, scale, tl.load(bias + at, held) - mean * scale


@triton.jit
def _normalise_kernel(  # type: ignore[no-untyped-def]
    x, parts, weight, bias, added, y, kept, running_mean, running_var, tracked, momentum, eps, rows, channels, share,
    shares, span, BLOCK_S: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr, ADD: tl.constexpr,
    RECTIFY: tl.constexpr,
):  # fmt: skip
    """Normalise by the statistics of the batch; the first program of a channel keeps them, and tracks them."""
    at = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    held = at < channels
    part = tl.arange(0, BLOCK_S)
    place = part[:, None] * channels + at[None, :]
    there = (part < shares)[:, None] & held[None, :]
    means = tl.load(parts + place, there, other=0.0)
    squares = tl.load(parts + shares * channels + place, there, other=0.0)
    counts = tl.maximum(tl.minimum(share, rows - part * share), 0).to(tl.float32)
    mean = tl.sum(means * counts[:, None], 0) / rows
    off = means - mean[None, :]
    total = tl.sum(tl.where(there, squares + off * off * counts[:, None], 0.0), 0)
    rstd = 1 / tl.sqrt(total / rows + eps)
    if tl.program_id(0) == 0:
        tl.store(kept + at, mean, held)
        tl.store(kept + channels + at, rstd, held)
        old = tl.load(running_mean + at, held)
        tl.store(running_mean + at, old + momentum * (mean - old), held)
        old = tl.load(running_var + at, held)
        tl.store(running_var + at, old + momentum * (total / (rows - 1) - old), held)
        if tl.program_id(1) == 0:
            tl.store(tracked, tl.load(tracked) + 1)
    scale = tl.load(weight + at, held) * rstd
    shift = tl.load(bias + at, held) - mean * scale
    _apply(x, added, y, scale, shift, at, rows, channels, span, BLOCK_R, ADD, RECTIFY)


@triton.jit
def _fixed_kernel(  # type: ignore[no-untyped-def]
    x, mean, var, weight, bias, added, y, eps, rows, channels, span, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
    ADD: tl.constexpr, RECTIFY: tl.constexpr,
):  # fmt: skip
    """Normalise by statistics that are given, as a network does that is not in training."""
    at = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    held = at < channels
    scale = tl.load(weight + at, held) / tl.sqrt(tl.load(var + at, held, other=1.0) + eps)
    shift = tl.load(bias + at, held) - tl.load(mean + at, held) * scale
    _apply(x, added, y, scale, shift, at, rows, channels, span, BLOCK_R, ADD, RECTIFY)


@triton.jit
def _sums_kernel(  # type: ignore[no-untyped-def]
    x, y, gradient, outer, kept, weight, bias, parts, rows, channels, share, BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr, ADD: tl.constexpr, RECTIFY: tl.constexpr,
):  # fmt: skip
    """Sums over this program's rows of the gradient, alone and times the normalised input.

    ADD: of the gradient that the ReLU let through, which is that of what was added, too.
    """
    at = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    held = at < channels
    mean, rstd, scale, shift = _statistics(kept, weight, bias, at, channels)
    first = tl.program_id(0) * share
    last = tl.minimum(first + share, rows)
    alone = tl.zeros([BLOCK_C], tl.float32)
    product = tl.zeros([BLOCK_C], tl.float32)
    for start in range(first, last, BLOCK_R):
        row = start + tl.arange(0, BLOCK_R)
        where = row[:, None] * channels + at[None, :]
        inside = (row < last)[:, None] & held[None, :]
        value = tl.load(x + where, inside, other=0.0).to(tl.float32)
        slope = tl.load(gradient + where, inside, other=0.0).to(tl.float32)
        if ADD:
            slope = tl.where(tl.load(y + where, inside, other=0.0).to(tl.float32) <= 0, 0.0, slope)
            tl.store(outer + where, slope.to(outer.dtype.element_ty), inside)
        elif RECTIFY:
            slope = tl.where(value * scale[None, :] + shift[None, :] <= 0, 0.0, slope)
        alone += tl.sum(slope, 0)
        product += tl.sum(slope * ((value - mean[None, :]) * rstd[None, :]), 0)
    place = tl.program_id(0) * channels + at
    tl.store(parts + place, alone, held)
    tl.store(parts + tl.num_programs(0) * channels + place, product, held)


@triton.jit
def _gradient_kernel(  # type: ignore[no-untyped-def]
    x, gradient, kept, weight, bias, parts, inner, slopes, rows, channels, shares, span,
    BLOCK_S: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr, RECTIFY: tl.constexpr,
):  # fmt: skip
    """Gradient of the input; the first program of a channel writes those of its parameters."""
    at = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    held = at < channels
    part = tl.arange(0, BLOCK_S)
    place = part[:, None] * channels + at[None, :]
    there = (part < shares)[:, None] & held[None, :]
    alone = tl.sum(tl.load(parts + place, there, other=0.0), 0)
    product = tl.sum(tl.load(parts + shares * channels + place, there, other=0.0), 0)
    if tl.program_id(0) == 0:
        tl.store(slopes + at, product, held)
        tl.store(slopes + channels + at, alone, held)
    mean, rstd, scale, shift = _statistics(kept, weight, bias, at, channels)
    alone, product = alone / rows, product / rows
    first = tl.program_id(0) * span
    for start in range(first, tl.minimum(first + span, rows), BLOCK_R):
        row = start + tl.arange(0, BLOCK_R)
        where = row[:, None] * channels + at[None, :]
        inside = (row < rows)[:, None] & held[None, :]
        value = tl.load(x + where, inside, other=0.0).to(tl.float32)
        slope = tl.load(gradient + where, inside, other=0.0).to(tl.float32)
        if RECTIFY:
            slope = tl.where(value * scale[None, :] + shift[None, :] <= 0, 0.0, slope)
        unit = (value - mean[None, :]) * rstd[None, :]
        through = scale[None, :] * (slope - alone[None, :] - unit * product[None, :])
        tl.store(inner + where, through.to(inner.dtype.element_ty), inside)


class Moments(NamedTuple):
    """Mean and sum of squared deviations of each channel by groups of `share` pixels, shape (2, groups, channels)."""

    parts: Tensor
    share: int


class _Plan(NamedTuple):
    """How rows and channels are cut into programs."""

    rows: int
    channels: int
    block_r: int
    block_c: int
    share: int
    shares: int
    span: int

    @property
    def summing(self) -> tuple[int, int]:
        return self.shares, triton.cdiv(self.channels, self.block_c)

    @property
    def mapping(self) -> tuple[int, int]:
        return triton.cdiv(self.rows, self.span), triton.cdiv(self.channels, self.block_c)

    @property
    def blocks(self) -> dict[str, int]:
        return {"BLOCK_R": self.block_r, "BLOCK_C": self.block_c, "num_warps": WARPS, "enable_fp_fusion": True}


def _plan(x: Tensor) -> _Plan:
    n, channels, height, width = x.shape
    rows = n * height * width
    block_c = min(32, triton.next_power_of_2(channels))
    tile = min(max(triton.next_power_of_2(triton.cdiv(x.numel(), SHARES)), LEAST), MOST)
    block_r = tile // block_c
    tiles = triton.cdiv(rows, block_r)
    share = triton.cdiv(tiles, min(tiles, SHARES)) * block_r
    return _Plan(rows, channels, block_r, block_c, share, triton.cdiv(rows, share), block_r)


class _Normalised(torch.autograd.Function):
    """relu(batch_norm(x) + added), either of the two left out where it is not wanted."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, weight: Tensor, bias: Tensor, added: Tensor | None, norm: nn.BatchNorm2d,
        rectify: bool, moments: Moments | None,
    ) -> Tensor:  # fmt: skip
        plan = _plan(x)
        y, kept = torch.empty_like(x), x.new_empty(2, plan.channels, dtype=torch.float32)
        parts, share = moments or (x.new_empty(2, plan.shares, plan.channels, dtype=torch.float32), plan.share)
        if moments is None:
            gpu.launch(_moments_kernel, plan.summing, x, parts, plan.rows, plan.channels, share, **plan.blocks)
        shares = parts.shape[1]
        gpu.launch(
            _normalise_kernel, plan.mapping,
            x, parts, weight, bias, added, y, kept, norm.running_mean, norm.running_var, norm.num_batches_tracked,
            norm.momentum, norm.eps, plan.rows, plan.channels, share, shares, plan.span,
            BLOCK_S=triton.next_power_of_2(shares), ADD=added is not None, RECTIFY=rectify, **plan.blocks,
        )  # fmt: skip
        # Where something was added only the output tells what the ReLU let through; the next layer keeps it anyway.
        context.save_for_backward(x, weight, bias, kept, y if added is not None else None)
        context.rectify = rectify
        return y

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, kept, y = context.saved_tensors
        plan = _plan(x)
        gradient = gpu.dense(gradient)
        parts = x.new_empty(2, plan.shares, plan.channels, dtype=torch.float32)
        outer = None if y is None else torch.empty_like(y)
        gpu.launch(
            _sums_kernel, plan.summing,
            x, y, gradient, outer, kept, weight, bias, parts, plan.rows, plan.channels, plan.share,
            ADD=y is not None, RECTIFY=context.rectify, **plan.blocks,
        )  # fmt: skip
        inner, slopes = torch.empty_like(x), torch.empty_like(kept)
        gpu.launch(
            _gradient_kernel, plan.mapping,
            x, gradient if outer is None else outer, kept, weight, bias, parts, inner, slopes, plan.rows,
            plan.channels, plan.shares, plan.span, BLOCK_S=triton.next_power_of_2(plan.shares),
            RECTIFY=context.rectify and outer is None, **plan.blocks,
        )  # fmt: skip
        return inner, slopes[0], slopes[1], outer, None, None, None


def takes(norm: nn.Module, x: Tensor) -> TypeGuard[nn.BatchNorm2d]:
    """Whether a layer on x is a batch norm of those made here, which count places in memory in 32 bits."""
    return replaceable(norm, x) and x.numel() < 2**31


def normalised(
    x: Tensor, norm: nn.BatchNorm2d, added: Tensor | None = None, *, rectify: bool, moments: Moments | None = None
) -> Tensor:
    """Batch norm of x, plus `added`, after ReLU if `rectify`.

    Parameters
    ----------
    x : Tensor
        Shape (n, c, h, w).
    norm : BatchNorm2d
        Its parameters and running statistics, which are updated if it is in training.
    added : Tensor, optional
        Of the shape of x; `rectify` must be true then.
    rectify : bool
    moments : Moments, optional
        Of x, where they are known.

    Returns
    -------
    Tensor
        In channels_last order, of the type of x. Outside of training without a gradient.
    """
    x, added = gpu.dense(x), None if added is None else gpu.dense(added)
    if norm.training:
        return cast(Tensor, _Normalised.apply(x, norm.weight, norm.bias, added, norm, rectify, moments))
    plan, y = _plan(x), torch.empty_like(x)
    gpu.launch(
        _fixed_kernel, plan.mapping,
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, added, y, norm.eps, plan.rows, plan.channels,
        plan.span, ADD=added is not None, RECTIFY=rectify, **plan.blocks,
    )  # fmt: skip
    return y
