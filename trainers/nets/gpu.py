"""Whether layers run as kernels of this package's own, and how their images lie in memory.

They do on a GPU in bf16, where Triton compiles them.
"""

from __future__ import annotations

import logging
import threading
from functools import cache
from typing import Any

import torch
from torch import Tensor

from trainers import outcomes
from trainers.nets.replacing import called_plainly

__all__ = ["TYPE", "available", "dense", "fused", "launch"]

logger = logging.getLogger("trainers")

#: What images between layers are kept in, and weights multiplied in.
TYPE = torch.bfloat16
#: The oldest GPUs that multiply such numbers, by their compute capability.
OLDEST = (8, 0)
_LAUNCHING = threading.Lock()


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


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **options: Any) -> None:
    """Let a GPU run a kernel of Triton's, by so many programs.

    One thread at a time: with its first launch Triton loads a kernel, and another thread that launches it in this
    moment finds it half made.
    """
    with _LAUNCHING:
        kernel[grid](*arguments, **options)


@cache
def available() -> bool:
    """Whether a kernel can be made and run here: Triton comes with torch for Linux, and needs a C compiler."""
    if torch.cuda.get_device_capability() < OLDEST:
        return False  # as it is asked for bf16, which such a GPU only imitates
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
