"""Layers forwards and backwards against torch's own, taking turns on one thread, as a trial has one."""

import time

import torch

from trainers import devices


def seconds(module, x, rounds=7):
    """Shortest time of a forward and a backward pass."""
    into = torch.randn_like(module(x))
    times = []
    for _ in range(rounds):
        x.grad = None
        begun = time.perf_counter()
        module(x).backward(into)
        times.append(time.perf_counter() - begun)
    return min(times)


def compared(ours, theirs, x):
    """Milliseconds of both, taking turns, and how many times as fast ours are."""
    with devices.settings(torch.device("cpu"), 1):
        pairs = [(seconds(ours, x, 3), seconds(theirs, x, 3)) for _ in range(3)]
    fast, usual = (1000 * min(column) for column in zip(*pairs))
    return {"ours": fast, "torch": usual, "ratio": usual / fast}


def report(benchmark, name, ours, theirs, x):
    found = benchmark.pedantic(compared, args=(ours, theirs, x), rounds=1)
    benchmark.extra_info.update(found)
    print(f"\n{name}: {found['ours']:.1f} ms against {found['torch']:.1f}, {found['ratio']:.1f} times as fast")


def images(channels, side, kind):
    return torch.randn(128, channels, side, side).to(kind, memory_format=torch.channels_last).requires_grad_()
