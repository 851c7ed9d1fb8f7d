"""Several processes on one trial: where this one stands, and what they must agree on."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from edfstat.errors import InputError

__all__ = [
    "Disagreement", "SyncNorm", "agreed", "alike", "first_failure", "join", "leave", "of_leader", "place", "share_of",
    "sum_gradients", "synced", "total",
]  # fmt: skip

#: Where the processes keep who failed first.
FAILURE = "edfstat: first failure"


class Disagreement(InputError):
    """What the processes found when they compared: all of them end by it, so they can part in step."""


def place() -> tuple[int, int]:
    """Rank of this process, and how many there are; (0, 1) alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def join(device: torch.device) -> tuple[int, int]:
    """Join the processes that torchrun or SLURM (also through submitit) started for one trial.

    torchrun sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. SLURM sets SLURM_PROCID and SLURM_NTASKS; the
    first host of its node list is the meeting place, and the port follows from the numbers of job and step.

    Returns
    -------
    rank, world : int
        (0, 1) if this process was started alone.
    """
    env = os.environ
    if "RANK" not in env and _number("SLURM_NTASKS") > 1:
        # A job's script without srun has SLURM_NTASKS and SLURM_PROCID too, but is one process: only steps have nodes.
        _needed("SLURM_NTASKS", "srun", "SLURM_PROCID", "SLURM_STEP_NODELIST")
        env["RANK"], env["WORLD_SIZE"] = env["SLURM_PROCID"], env["SLURM_NTASKS"]
        env.setdefault("LOCAL_RANK", env.get("SLURM_LOCALID", "0"))
        env.setdefault("MASTER_ADDR", first_host(env["SLURM_STEP_NODELIST"]))
        number = int(env.get("SLURM_JOB_ID", "0")) + 997 * int(env.get("SLURM_STEP_ID", "0"))
        env.setdefault("MASTER_PORT", str(20000 + number % 20000))
    if _number("WORLD_SIZE") > 1 and not dist.is_initialized():
        _needed("WORLD_SIZE", "torchrun", "RANK", "MASTER_ADDR", "MASTER_PORT")
        # torch imports this with the first optimizer, and it keeps the group of that moment as the default of its
        # functions: the group's threads would outlive `leave`, and abort the process as it ends.
        importlib.import_module("torch.distributed.nn.functional")
        if device.type == "cuda":
            # Also what comes after the training, such as the last barrier, must run on this process's own GPU.
            torch.cuda.set_device(device)
            dist.init_process_group("nccl", device_id=device)
        else:
            dist.init_process_group("gloo")
    return place()


def _number(name: str) -> int:
    """Number of processes in the environment; 1 if it says nothing."""
    text = os.environ.get(name, "1")
    if not text.isdecimal():
        raise InputError(f"the environment variable {name} is {text!r:.80}; give a whole number, or unset it")
    return int(text)


def _needed(what: str, launcher: str, *names: str) -> None:
    """Refuse to wait for processes that nobody told how to meet."""
    if missing := [name for name in names if name not in os.environ]:
        raise InputError(
            f"{what} asks for several processes, but {', '.join(missing)} is not set; start them by {launcher}, or "
            f"unset {what} to train in this process alone"
        )


def leave(*, together: bool = False) -> None:
    """Part from the other processes; `together`: wait for them first, as all came to the same end.

    A process that closes its connections while another still reads from them can abort that one.
    """
    if dist.is_available() and dist.is_initialized():
        if together:
            dist.barrier()
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


class _Sum(torch.autograd.Function):
    """Sum over the processes that gradients flow through: every process gets what all of them did with the sum."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        result = value.clone()
        dist.all_reduce(result)
        return result

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        result = gradient.contiguous().clone()
        dist.all_reduce(result)
        return result


def _summed(value: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(value))


class SyncNorm(nn.BatchNorm2d):
    """Batch-norm over the batch of all processes, on any device; torch's own is for GPUs only."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the statistics of the global batch while training."""
        if not self.training:
            return super().forward(x)
        wide = x if x.dtype == torch.float64 else x.float()
        # The processes may hold different numbers of images, so these are summed like the values.
        count = wide.new_full((1,), x.numel() // x.shape[1])
        summed = _summed(torch.cat([wide.sum((0, 2, 3)), count]))
        n = summed[-1].detach()
        # Two passes, as the sum of squares alone loses digits where the mean is large.
        mean = summed[:-1] / n
        centred = wide - mean[:, None, None]
        variance = _summed(centred.square().sum((0, 2, 3))) / n
        with torch.no_grad():
            self._track(mean, variance * (n / (n - 1).clamp(min=1)))
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
            norm = SyncNorm(
                child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats,
                dtype=child.weight.dtype,
            )  # fmt: skip
            norm.load_state_dict(child.state_dict())
            setattr(net, name, norm)
        else:
            synced(child, world)
    return net


def share_of(batch: int, rank: int, world: int) -> float:
    """Share of a global batch that a process holds: images rank, rank + world, ...

    Examples
    --------
    >>> share_of(16, 0, 2), share_of(5, 0, 2), share_of(5, 1, 2)
    (0.5, 0.6, 0.4)
    """
    return len(range(rank, batch, world)) / batch


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Sum gradients over the processes, all in one message.

    Parameters that no path leads to have no gradient in any process; they stay without, as they do alone.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view(gradient.shape) for part, gradient in zip(parts, gradients)])


def agreed(flag: bool, device: torch.device, world: int) -> bool:
    """Whether any of the processes says so: what one alone decided would leave the others waiting for it."""
    if world == 1:
        return flag
    return bool(total(torch.tensor(float(flag), device=device), world))


def alike(number: int, device: torch.device, world: int) -> bool:
    """Whether all processes have the same number."""
    if world == 1:
        return True
    ends = torch.tensor([number, -number], dtype=torch.float64, device=device)
    dist.all_reduce(ends, op=dist.ReduceOp.MAX)
    return bool(ends.sum() == 0)


def of_leader(value: Any, device: torch.device, world: int) -> Any:
    """What the first process has, in all of them."""
    if world == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, device=device)
    return box[0]


def first_failure(status: str, message: str) -> tuple[str, str]:
    """Status and message of the process that failed first, which the others only see as one that has gone."""
    if place()[1] == 1:
        return status, message
    try:
        # Set by the first, read by those after it.
        kept = dist.distributed_c10d._get_default_store().compare_set(FAILURE, "", json.dumps([status, message]))
        found = json.loads(kept)
    except (RuntimeError, ValueError):  # whoever keeps it has gone, too
        return status, message
    return str(found[0]), str(found[1])


def total(value: Tensor, world: int) -> Tensor:
    """Sum over the processes."""
    if world > 1:
        dist.all_reduce(value)
    return value
