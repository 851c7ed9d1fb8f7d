"""`build`: the torch module of an architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

from trainers.nets.cells import CellNet
from trainers.nets.layers import initialise
from trainers.nets.stages import StageNet
from trainers.spaces.architectures import Architecture, as_architecture
from trainers.spaces.counting import input_of
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.genotypes import CellArchitecture
from trainers.spaces.stages import StageArchitecture

__all__ = ["build"]


def build(
    arch: Architecture | Mapping[str, Any],
    *,
    num_classes: int,
    in_channels: int = 3,
    image_size: int | None = None,
    stem: Literal["cifar", "imagenet", "simple"] = "cifar",
    aux: bool | None = None,
) -> nn.Module:
    """Torch module of an architecture, freshly initialised from torch's global generator.

    Parameters
    ----------
    arch : Architecture or mapping
        An architecture or its published `net`.
    num_classes, in_channels : int
    image_size : int, optional
        Height and width of the images in pixels; the networks take any, so it only guards against one that is
        not a whole number.
    stem : {"cifar", "imagenet", "simple"}
        First layers, as in `trainers.spaces.complexity`.
    aux : bool, optional
        Whether to build the auxiliary head; by default what the architecture says (a cell network's `aux`).

    Returns
    -------
    torch.nn.Module
        Takes images (n, in_channels, h, w), returns logits (n, num_classes); while training with the auxiliary
        head, a pair of logits. `set_drop_path(p)` sets the probability of DropPath, 0 at first.

    Raises
    ------
    ArchitectureError
        If no network can be built.

    See Also
    --------
    trainers.spaces.complexity : Parameters and flops without building.

    Notes
    -----
    Convolutions start Gaussian with variance 2 / fan-out, batch norms as the identity, classifiers with standard
    deviation 0.01.

    Examples
    --------
    >>> net = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
    >>> sum(p.numel() for p in build(net, num_classes=10).parameters())
    855770
    """
    arch = as_architecture(arch)
    _, in_channels, classes = input_of(stem, image_size, in_channels, num_classes)
    network: nn.Module
    if isinstance(arch, StageArchitecture):
        network = StageNet(arch, num_classes=classes, in_channels=in_channels, stem=stem, aux=bool(aux))
    elif isinstance(arch, CellArchitecture):
        if stem == "simple" or (stem == "imagenet" and arch.width < 2):
            raise ArchitectureError(
                f"stem is {stem!r} at width {arch.width}; cell networks have 'cifar', or 'imagenet' from width 2"
            )
        with_aux = arch.aux if aux is None else aux
        network = CellNet(arch, num_classes=classes, in_channels=in_channels, stem=stem, aux=with_aux)
    else:
        raise ArchitectureError(f"{type(arch).__name__} is no architecture that can be built")
    initialise(network)
    return network
