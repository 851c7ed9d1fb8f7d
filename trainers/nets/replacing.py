"""When kernels of this package may do the work of a network's modules, on any device."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn

__all__ = ["called_plainly", "listened_to", "plain_conv", "replaceable"]


def called_plainly(x: Tensor) -> bool:
    """Whether numbers, and nothing else, go through a network that takes x.

    Under `torch.compile`, which makes kernels itself, while the network is traced or transformed, where something
    watches what torch is asked to do, as a counter of operations, or hooks listen to every module, it is left as it is;
    so it is while derivatives are taken forwards.
    """
    return (
        not torch.compiler.is_compiling()
        and type(x) is Tensor
        and not torch._C._len_torch_dispatch_stack()
        and not torch._C._len_torch_function_stack()
        and torch.autograd.forward_ad._current_level < 0
        and torch._C._get_tracing_state() is None
        and not torch._C._are_functorch_transforms_active()
        and not nn.modules.module._has_any_global_hook()  # type: ignore[no-untyped-call]
    )


def listened_to(module: nn.Module) -> bool:
    """Whether hooks wait for a module to be called, which it is not where something else does its work."""
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def plain_conv(conv: nn.Conv2d) -> bool:
    """Whether a convolution is as most are: square, zeros around it that keep the size, all channels, no bias."""
    side, stride = conv.kernel_size[0], conv.stride[0]
    square = conv.kernel_size == (side, side) and conv.stride == (stride, stride) and conv.dilation == (1, 1)
    keeps = side % 2 == 1 and conv.padding == (side // 2, side // 2) and conv.padding_mode == "zeros"
    return square and keeps and conv.groups == 1 and conv.bias is None


def replaceable(norm: nn.Module, x: Tensor) -> TypeGuard[nn.BatchNorm2d]:
    """Whether a module is a batch norm as networks here have them, and x what such a one takes.

    In training it needs a momentum and more than one pixel; outside of it nobody may ask for gradients.
    """
    if type(norm) is not nn.BatchNorm2d or not (norm.affine and norm.track_running_stats) or listened_to(norm):
        return False
    if norm.training:
        return norm.momentum is not None and x.numel() > x.shape[1]
    return not torch.is_grad_enabled()
