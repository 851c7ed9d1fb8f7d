"""Several processes on one trial: where this one stands, and what they must agree on."""

from __future__ import annotations

import os
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["SyncNorm", "join", "leave", "place", "synced", "total", "wrapped"]


def place() -> tuple[int, int]:
    """Rank of this process, and how many there are; (0, 1) alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def join(device: torch.device) -> tuple[int, int]:
    """Join the processes that torchrun or SLURM (also through submitit) started for one trial.

    torchrun sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. SLURM sets SLURM_PROCID and SLURM_NTASKS; the
    first host of its node list is the meeting place, and the port follows from the job's number.

    Returns
    -------
    rank, world : int
        (0, 1) if this process was started alone.
    """
    env = os.environ
    if "RANK" not in env and int(env.get("SLURM_NTASKS", "1")) > 1:
        env["RANK"], env["WORLD_SIZE"] = env["SLURM_PROCID"], env["SLURM_NTASKS"]
        env.setdefault("LOCAL_RANK", env.get("SLURM_LOCALID", "0"))
        env.setdefault("MASTER_ADDR", first_host(env.get("SLURM_STEP_NODELIST") or env["SLURM_JOB_NODELIST"]))
        env.setdefault("MASTER_PORT", str(20000 + int(env.get("SLURM_JOB_ID", "0")) % 20000))
    if int(env.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return place()


def leave() -> None:
    """Part from the other processes."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def first_host(nodes: str) -> str:
    """First host of SLURM's compressed node list.

    Examples
    --------
    >>> first_host("gpu[007-009,12],cpu1"), first_host("alone")
    ('gpu007', 'alone')
    """
    head, _, rest = nodes.partition("[")
    if not rest or "," in head:
        return head.split(",")[0]
    return head + rest.split("]")[0].split(",")[0].split("-")[0]


def _summed(value: Tensor) -> Tensor:
    """Sum over the processes that gradients flow through."""
    from torch.distributed.nn.functional import all_reduce

    return cast(Tensor, all_reduce(value))  # type: ignore[no-untyped-call]


class SyncNorm(nn.BatchNorm2d):
    """Batch-norm over the batch of all processes, on any device; torch's own is for GPUs only."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the statistics of the global batch while training."""
        if not self.training:
            return super().forward(x)
        n = float(x.numel() // x.shape[1]) * dist.get_world_size()
        x32 = x.float()
        # Two passes, as the sum of squares alone loses digits where the mean is large.
        mean = _summed(x32.sum((0, 2, 3))) / n
        centred = x32 - mean[:, None, None]
        variance = _summed(centred.square().sum((0, 2, 3))) / n
        with torch.no_grad():
            self._track(mean, variance * (n / max(n - 1, 1)))
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            scale = scale * self.weight
        out: Tensor = centred * scale[:, None, None]
        return (out + self.bias[:, None, None] if self.affine else out).to(x.dtype)

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def synced(net: nn.Module, world: int) -> nn.Module:
    """The net with batch-norm over all processes, so that the result does not depend on how many they are."""
    if world == 1:
        return net
    for name, child in list(net.named_children()):
        if isinstance(child, nn.BatchNorm2d):
            norm = SyncNorm(child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats)
            norm.load_state_dict(child.state_dict())
            setattr(net, name, norm)
        else:
            synced(child, world)
    return net


def wrapped(net: nn.Module, device: torch.device, world: int) -> nn.Module:
    """The net with gradients averaged over the processes."""
    if world == 1:
        return net
    ids = [device.index or 0] if device.type == "cuda" else None
    return cast(nn.Module, nn.parallel.DistributedDataParallel(net, device_ids=ids, broadcast_buffers=False))


def total(value: Tensor, world: int) -> Tensor:
    """Sum over the processes."""
    if world > 1:
        dist.all_reduce(value)
    return value
