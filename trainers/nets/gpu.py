"""Whether layers run as kernels of this package's own, and how their images lie in memory.

They do on a GPU in bf16, where Triton compiles them.
"""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor

from trainers import outcomes
from trainers.nets.replacing import called_plainly

__all__ = ["TYPE", "available", "dense", "fused"]

logger = logging.getLogger("trainers")

#: What images between layers are kept in, and weights multiplied in.
TYPE = torch.bfloat16


def fused(x: Tensor) -> bool:
    """Whether layers that take x use them.

    Not on a GPU that is not the current one, to which Triton would send them.
    """
    return (
        x.is_cuda
        and torch.is_autocast_enabled("cuda")
        and torch.get_autocast_dtype("cuda") == TYPE
        and called_plainly(x)
        and x.get_device() == torch.cuda.current_device()
        and available()
    )


def dense(x: Tensor) -> Tensor:
    """Images, shape (n, c, h, w), in channels_last order without gaps, as the kernels read them."""
    return x.contiguous(memory_format=torch.channels_last)


@cache
def available() -> bool:
    """Whether a kernel can be made and run here: Triton comes with torch for Linux, and needs a C compiler."""
    try:
        from trainers.nets.gpu_norm import normalised

        with torch.no_grad():
            normalised(torch.zeros(1, 1, 1, 1, device="cuda"), torch.nn.BatchNorm2d(1).cuda().eval(), rectify=False)
    except Exception as error:
        if outcomes.status_of(error)[0] == "oom":
            raise  # there may be room the next time
        # Whatever else is wrong, the libraries' kernels do the same work.
        logger.warning("Triton makes no kernels here (%s): small networks train at half the speed on a GPU", error)
        return False
    return True
