"""Kernels for a GPU run by Triton's interpreter: prints how far they are from float64, as JSON.

A program of its own, as Triton must know before it is imported that it is to interpret. Images are kept in float32
here, as the interpreter rounds to bf16 towards zero; the sums are then those of float32.
"""

import copy
import json
import os
import sys
from typing import Any

if __name__ == "__main__":
    os.environ["TRITON_INTERPRET"] = "1"

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainers import build
from trainers.nets import cpu, gpu, gpu_blocks, gpu_conv, gpu_norm

LAST = torch.channels_last

#: Images, channels, outputs, height, width, side of the kernel, stride.
CONVOLUTIONS = {
    "of 16 channels": (2, 16, 16, 8, 8, 3, 1), "of photographs": (2, 3, 16, 9, 7, 3, 1),
    "with stride": (3, 16, 32, 8, 8, 3, 2), "with stride on odd sides": (2, 16, 16, 9, 7, 3, 2),
    "of 32 channels": (2, 32, 32, 8, 8, 3, 1), "of uneven channels": (2, 24, 40, 5, 6, 3, 1),
    "of 64 channels": (2, 64, 64, 4, 4, 3, 1), "of pixels": (2, 16, 64, 6, 6, 1, 1),
    "of pixels with stride": (2, 16, 32, 7, 7, 1, 2), "of 128 channels": (1, 128, 64, 4, 4, 3, 1),
    "of many pixels": (2, 16, 16, 17, 17, 3, 1),
}  # fmt: skip
NORMS = {"of few rows": (3, 5, 7, 9), "of many rows": (33, 16, 16, 16), "of many channels": (2, 40, 8, 8)}


def off(ours: Any, theirs: Any) -> float:
    """Relative distance; not a number is far off."""
    distance = float((ours.detach().double() - theirs.detach().double()).norm() / theirs.detach().double().norm())
    return distance if distance == distance else 1e9


def random(*shape: int) -> Tensor:
    """Numbers that bf16 holds exactly."""
    return torch.randn(shape).bfloat16().float().to(memory_format=LAST)


def convolution(
    n: int, channels: int, outputs: int, height: int, width: int, side: int, stride: int
) -> dict[str, float]:
    """Output, moments, gradients (also with a second reader of x), and with a fixed batch norm, addition and ReLU."""
    x = random(n, channels, height, width).requires_grad_()
    weight = random(outputs, channels, side, side).requires_grad_()
    exact_x, exact_weight = (t.detach().double().requires_grad_() for t in (x, weight))
    exact = F.conv2d(exact_x, exact_weight, stride=stride, padding=side // 2)
    gradient, other = random(*exact.shape), random(*x.shape)
    torch.autograd.backward([exact, exact_x.clone()], [gradient.double(), other.double()])

    y, again, moments = gpu_conv.convolved(x, weight, stride, moments=True)
    torch.autograd.backward([y, again], [gradient, other])
    found = {
        "output": off(y, exact), "input": off(x.grad, exact_x.grad), "weight": off(weight.grad, exact_weight.grad)
    }  # fmt: skip
    rows = exact.detach().permute(0, 2, 3, 1).reshape(-1, outputs)
    if moments is not None:
        groups = rows.split(moments.share)
        found["means"] = off(moments.parts[0], torch.stack([g.mean(0) for g in groups]))
        found["squares"] = off(moments.parts[1], torch.stack([(g - g.mean(0)).square().sum(0) for g in groups]))

    norm, added = settled(outputs), random(*exact.shape)
    with torch.no_grad():
        fixed = copy.deepcopy(norm).double()(exact)
        for name, extra, rectify, wanted in (
            ("fixed", None, False, fixed), ("fixed, ReLU", None, True, fixed.relu()),
            ("fixed, added", added, True, (fixed + added.double()).relu()),
        ):  # fmt: skip
            found[name] = off(gpu_conv.folded(x, weight, stride, None, norm, extra, rectify=rectify), wanted)
    return found


def settled(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels).eval()
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return norm


def batch_norm(shape: tuple[int, ...], *, add: bool, rectify: bool) -> dict[str, float]:
    """Output, gradients and running statistics, of images whose mean is large beside their deviations."""
    ours = settled(shape[1]).train()
    theirs = copy.deepcopy(ours).double()
    x, added = (random(*shape) * 3 + 100).requires_grad_(), random(*shape).requires_grad_()
    exact_x, exact_added = (t.detach().double().requires_grad_() for t in (x, added))
    wanted = theirs(exact_x)
    wanted = wanted + exact_added if add else wanted
    wanted = wanted.relu() if rectify else wanted
    y = gpu_norm.normalised(x, ours, added if add else None, rectify=rectify)
    gradient = random(*shape)
    y.backward(gradient)  # type: ignore[no-untyped-call]
    wanted.backward(gradient.double())
    pairs: dict[str, tuple[Any, Any]] = {
        "output": (y, wanted), "input": (x.grad, exact_x.grad), "weight": (ours.weight.grad, theirs.weight.grad),
        "bias": (ours.bias.grad, theirs.bias.grad), "mean": (ours.running_mean, theirs.running_mean),
        "variance": (ours.running_var, theirs.running_var),
        "batches": (ours.num_batches_tracked, theirs.num_batches_tracked),
    }  # fmt: skip
    if add:
        pairs["added"] = added.grad, exact_added.grad
    found = {name: off(a, b) for name, (a, b) in pairs.items()}
    with torch.no_grad():
        wanted = theirs.eval()(exact_x)
        wanted = wanted + exact_added if add else wanted
        found["evaluation"] = off(
            gpu_norm.normalised(x, ours.eval(), added if add else None, rectify=rectify),
            wanted.relu() if rectify else wanted,
        )
    return found


def network(net: dict[str, Any]) -> dict[str, float]:
    """A step and an evaluation of a whole network, by these kernels and by torch in float64."""
    torch.manual_seed(1)
    exact = build(net, num_classes=10).double().to(memory_format=LAST)
    ours = copy.deepcopy(exact).float()
    x = random(4, 3, 8, 8)
    cpu.fused, gpu.fused = lambda x: False, lambda x: x.dtype == torch.float32
    wanted, found = exact(x.double()), ours(x)
    result = {"logits": off(found, wanted)}
    wanted.square().sum().backward()
    found.square().sum().backward()
    gradients = [(a.grad, b.grad) for a, b in zip(ours.parameters(), exact.parameters())]
    size = torch.stack([b.norm() for _, b in gradients if b is not None]).norm()
    for (name, _), (a, b) in zip(ours.named_parameters(), gradients):
        # Some are zero but for rounding: before a batch norm a bias has no effect.
        result[name] = (
            float((a.double() - b).norm() / (b.norm() + 1e-3 * size)) if b is not None else float(a is not None)
        )
    for (name, a), b in zip(ours.named_buffers(), exact.buffers()):
        if b.any():
            result[name] = off(a, b)
    with torch.no_grad():
        result["evaluation"] = off(ours.eval()(x), exact.eval()(x.double()))
    return result


def not_a_number() -> dict[str, float]:
    """Whether what is no number is still none after a ReLU, as a diverged training must be seen."""
    x = random(2, 16, 4, 4)
    x[0, 3, 1, 1] = float("nan")
    norm = settled(16)
    with torch.no_grad():
        seen = (
            gpu_norm.normalised(x, norm, rectify=True),
            gpu_conv.folded(x, random(16, 16, 3, 3), 1, None, norm, rectify=True),
        )
    return {f"kept {number}": 0.0 if y.isnan().any() else 1.0 for number, y in enumerate(seen)}


def counted(module: Any, name: str) -> list[None]:
    """A list that grows by each call of a function of a module."""
    calls: list[None] = []
    function = getattr(module, name)

    def called(*args: Any, **options: Any) -> Any:
        calls.append(None)
        return function(*args, **options)

    setattr(module, name, called)
    return calls


def kernels() -> dict[str, Any]:
    """What single kernels are off."""
    few, gpu_blocks.GROUPS = gpu_blocks.GROUPS, 4  # what is cut as many pixels are is few, then
    found = {"convolution of many pixels": convolution(*CONVOLUTIONS.pop("of many pixels"))}
    gpu_blocks.GROUPS = few
    found |= {f"convolution {name}": convolution(*how) for name, how in CONVOLUTIONS.items()}
    for name, shape in NORMS.items():
        for add, rectify in ((False, False), (False, True), (True, True)):
            what = f"batch norm {name}{', added' if add else ''}{', ReLU' if rectify else ''}"
            found[what] = batch_norm(shape, add=add, rectify=rectify)
    return found | {"NaN": not_a_number()}


def used(net: dict[str, Any]) -> dict[str, float]:
    """What a network is off, and how often the kernels of convolutions and batch norms were called."""
    convolutions, norms = counted(gpu_conv, "run"), counted(gpu_norm, "normalised")
    return {**network(net), "convolutions": len(convolutions), "norms": len(norms)}


def main() -> None:
    gpu.TYPE = torch.float32
    torch.manual_seed(0)
    sys.stdout.write(json.dumps(used(json.loads(sys.argv[1])) if sys.argv[1:] else kernels()))


if __name__ == "__main__":
    main()
