"""A sequence of layers by as few passes over the images as they can be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn.functional import relu

from trainers.nets import cpu_norm
from trainers.nets.convolutions import Conv
from trainers.nets.replacing import listened_to

__all__ = ["on_cpu", "on_gpu"]


def on_cpu(layers: Iterable[nn.Module], x: Tensor, added: Tensor | None) -> Tensor:
    """Output of the last layer; with `added`, the ReLU of both together.

    A batch norm does the addition and the ReLU after it.
    """
    rest = deque(layers)
    while rest:
        layer = rest.popleft()
        if cpu_norm.takes(layer, x):
            fits = added is not None and (added.shape, added.dtype) == (x.shape, x.dtype)
            extra, rectify = _taken_along(rest, added if fits else None)
            x = cpu_norm.normalised(x, layer, extra, rectify=rectify)
            added = added if extra is None else None
        else:
            x = layer(x)
    return x if added is None else relu(added + x, inplace=True)


def on_gpu(layers: Iterable[nn.Module], x: Tensor, added: Tensor | None) -> Tensor:
    """Output of the last layer; with `added`, the ReLU of both together.

    A convolution gives the batch norm after it the moments of its output, and does its work in evaluation. A batch
    norm does the addition and the ReLU after it.
    """
    from trainers.nets import gpu_conv, gpu_norm  # which need Triton

    rest, moments = deque(layers), None
    while rest:
        layer = rest.popleft()
        if isinstance(layer, Conv) and layer.fuses(x) and not listened_to(layer):
            conv = x, layer.weight, layer.stride[0], layer.cast
            norm = rest[0] if rest and gpu_norm.takes(rest[0], x) else None
            if norm is not None and not norm.training:
                rest.popleft()
                extra, rectify = _taken_along(rest, added)
                x = gpu_conv.folded(*conv, norm, extra, rectify=rectify)
                added = added if extra is None else None
            else:
                y, again, moments = gpu_conv.convolved(*conv, moments=norm is not None)
                x, added = y, again if added is x else added
        elif gpu_norm.takes(layer, x):
            extra, rectify = _taken_along(rest, added)
            x, moments = gpu_norm.normalised(x, layer, extra, rectify=rectify, moments=moments), None
            added = added if extra is None else None
        else:
            x, moments = layer(x), None
    return x if added is None else relu(added + x, inplace=True)


def _taken_along(rest: deque[nn.Module], added: Tensor | None) -> tuple[Tensor | None, bool]:
    """What a batch norm adds, and whether a ReLU comes last; the layer of that is taken away."""
    if rest and isinstance(rest[0], nn.ReLU) and not listened_to(rest[0]):
        rest.popleft()
        return None, True
    return (added, True) if added is not None and not rest else (None, False)
