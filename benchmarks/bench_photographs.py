"""Photographs to training batches of 224 pixels: our stream against torchvision's folder, transforms and DataLoader.

``python -m benchmarks.bench_photographs`` prints images per second of both, taking turns, each with all cores.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

import datasets
from trainers import resolve
from trainers.streams import StreamFeed

CORES = len(os.sched_getaffinity(0))
BATCH = 64


def write_photographs(root, n=512):
    """JPEG files of ImageNet's usual size, 500x375, about 100 kB each."""
    from torchvision.io import write_jpeg

    rng = np.random.default_rng(0)
    for split, share in (("train", n), ("val", 8)):
        for number in range(share):
            folder = Path(root) / split / f"n{number % 4}"
            folder.mkdir(parents=True, exist_ok=True)
            coarse = torch.from_numpy(rng.integers(0, 256, size=(1, 3, 48, 64), dtype=np.uint8)).float()
            smooth = torch.nn.functional.interpolate(coarse, size=(375, 500), mode="bicubic").clamp(0, 255)
            write_jpeg(smooth[0].to(torch.uint8), str(folder / f"{number}.JPEG"), quality=90)


def ours(root, device="cpu", together=None):
    """A function that runs one epoch of our stream and says how many images it gave."""
    train, test = (datasets.get("imagenet", root, split) for split in ("train", "test"))
    recipe = resolve({"batch_size": BATCH}, dataset="imagenet")
    feed = StreamFeed(train, test, recipe=recipe, device=torch.device(device), seed=1)
    feed.decodes = feed.decodes if together is None else together

    numbers = iter(range(10**6))

    def epoch():
        images = sum(len(labels) for _, labels in feed.train(next(numbers)))
        if device != "cpu":
            torch.cuda.synchronize()
        return images

    return epoch


def usual(root):
    """The same by torchvision as its training scripts have it."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    steps = [
        v2.PILToTensor(), v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]  # fmt: skip
    data = ImageFolder(str(Path(root) / "train"), v2.Compose(steps))
    loader = DataLoader(data, BATCH, shuffle=True, drop_last=True, num_workers=CORES, persistent_workers=True)

    def epoch():
        return sum(len(labels) for _, labels in loader)

    return epoch


def rates(epochs, rounds=5):
    """Images per second of each, median of the rounds after one to warm up."""
    found = {name: [] for name in epochs}
    for number in range(rounds + 1):
        for name, epoch in epochs.items():
            begun = time.perf_counter()
            images = epoch()
            if number:
                found[name].append(images / (time.perf_counter() - begun))
    return {name: median(values) for name, values in found.items()}


def test_photographs(benchmark):
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        write_photographs(root)
        found = benchmark.pedantic(rates, args=({"usual": usual(root), "ours": ours(root)},), rounds=1)
    benchmark.extra_info.update(found, ratio=found["ours"] / found["usual"])
    print(f"\nphotographs: {found['ours']:.0f} images/s against {found['usual']:.0f} of the usual DataLoader")


def main(arguments=None):
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        write_photographs(root)
        for name, rate in rates({"usual": usual(root), "ours": ours(root)}).items():
            print(f"{name:<8}{rate:8.1f} images/s on {CORES} cores")


if __name__ == "__main__":
    main()
