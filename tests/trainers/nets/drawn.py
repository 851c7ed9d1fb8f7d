"""Random images for layers."""

import torch
from torch import Tensor

__all__ = ["images"]


def images(*shape: int, seed: int) -> Tensor:
    """Of that shape in float64, in channels_last order."""
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.contiguous(memory_format=torch.channels_last)
