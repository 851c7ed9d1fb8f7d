"""The paper's design spaces, as data."""

from __future__ import annotations

from trainers.spaces.cells import CellSpace
from trainers.spaces.space import Space
from trainers.spaces.standard import StageSpace

__all__ = ["CIFAR_CAPS", "SPACES"]

#: The paper's ceilings: those of ResNet-56, rounded up to three digits. One of the two must hold.
CIFAR_CAPS = {"max_params": 856_000, "max_flops": 129_000_000, "require": "any"}

_DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24)
_WIDTHS = (16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256)
_NARROW = (16, 32, 64, 128, 256)
_WIDE = (64, 128, 256, 512, 1024)
_FEW_DEPTHS = (1, 2, 4, 8, 16)
_RATIOS = (1, 2, 4)

_ENAS = ("skip_connect", "avg_pool_3x3", "max_pool_3x3", "sep_conv_3x3", "sep_conv_5x5")
_AMOEBA = (*_ENAS, "sep_conv_7x7", "dil_sep_conv_3x3", "conv_7x1_1x7")
_PNAS = (*_ENAS, "sep_conv_7x7", "dil_conv_3x3", "conv_7x1_1x7")
_NASNET = (*_PNAS, "conv_3x1_1x3", "max_pool_5x5", "max_pool_7x7", "conv_1x1", "conv_3x3")
_DARTS = (*_ENAS, "none", "dil_conv_3x3", "dil_conv_5x5")

_ALL: tuple[Space, ...] = (
    StageSpace("Vanilla", "vanilla", _DEPTHS, _WIDTHS),
    StageSpace("ResNet", "basic", _DEPTHS, _WIDTHS),
    StageSpace(
        "ResNet-B",
        "bottleneck",
        _FEW_DEPTHS,
        _WIDE,
        _RATIOS,
        note="A published space whose grid is not known: this is ResNeXt-B with one group.",
    ),
    StageSpace("ResNeXt-A", "bottleneck", _FEW_DEPTHS, _NARROW, _RATIOS, (1, 2, 4)),
    StageSpace("ResNeXt-B", "bottleneck", _FEW_DEPTHS, _WIDE, _RATIOS, (1, 2, 4, 8, 16)),
    CellSpace("NASNet", _NASNET, 5, "loose"),
    CellSpace("Amoeba", _AMOEBA, 5, "loose"),
    CellSpace("PNAS", _PNAS, 5, "all"),
    CellSpace("ENAS", _ENAS, 5, "loose"),
    CellSpace("DARTS", _DARTS, 4, "all"),
)

#: The design spaces by name.
SPACES: dict[str, Space] = {space.name: space for space in _ALL}
