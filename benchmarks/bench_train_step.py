"""Training a population on all cores against the usual loop: transforms v2, DataLoader, fp32, one trial on all threads.

Run by hand: python -m benchmarks.bench_train_step
"""

import json
import os
import time

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from datasets import synthetic
from edfstat import Trial
from trainers.nets import build

RESNET56 = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
N = 1280


class Images(Dataset):
    def __init__(self) -> None:
        self.data = synthetic.make(N)
        self.transform = v2.Compose([
            v2.ToImage(), v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(self.data.mean, self.data.std),
        ])  # fmt: skip

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int):
        return self.transform(self.data.images[index]), int(self.data.labels[index])


def reference(workers: int = 2, device: str = "cpu") -> float:
    """Images per second of one trial on all threads."""
    net = build(RESNET56, num_classes=10).to(device)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loader = DataLoader(Images(), 128, shuffle=True, num_workers=workers, drop_last=True)
    begun = time.perf_counter()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        loss.item()
    return N / (time.perf_counter() - begun)


def ours(workers: int, device: str = "cpu", epochs: int = 1) -> float:
    """Images per second of training, summed over trials side by side."""
    from trainers import train_many

    recipe = {"precise_bn": 0}
    options = {"train_images": N, "test_images": 10}
    trials = [
        Trial("ResNet", RESNET56, "synthetic", recipe, {"max_ep": epochs}, seed, options) for seed in range(workers)
    ]
    records = list(train_many(trials, device=device, workers=workers))
    return sum(128 / record["iter_time"] for record in records)


def main() -> None:
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    baseline, fast = reference(), ours(cores)
    print(json.dumps({"reference": baseline, "ours": fast, "ratio": fast / baseline, "cores": cores}, indent=1))


if __name__ == "__main__":
    main()
