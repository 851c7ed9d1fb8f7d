"""``python -m benchmarks.gpu``: measure training on a GPU and write benchmarks/results/gpu.json. Needs CUDA."""

import json
import sys
from pathlib import Path

import torch

from benchmarks.bench_train_step import ours, reference


def main() -> int:
    if not torch.cuda.is_available():
        sys.stderr.write("error: torch sees no GPU; run this where one is\n")
        return 2
    torch.backends.cudnn.benchmark = True
    result = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "unit": "images/s, ResNet-56"}
    result["reference, 4 workers"] = reference(4, "cuda")
    for packed in (1, 2, 4, 8):
        result[f"{packed} trials at once"] = ours(packed, "cuda", epochs=20)
    best = max(result[f"{k} trials at once"] for k in (1, 2, 4, 8))
    result["one trial against reference"] = result["1 trials at once"] / result["reference, 4 workers"]
    result["packed against one"] = best / result["1 trials at once"]
    result["seconds per model of 100 epochs on CIFAR-10"] = 5_000_000 / best
    path = Path(__file__).parent / "results" / "gpu.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(path.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
