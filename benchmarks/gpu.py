"""``python -m benchmarks.gpu``: measure training on a GPU, write gpu.json. ``--device cpu --quick`` tries it."""

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import torch

from benchmarks.bench_photographs import ours as photographs
from benchmarks.bench_photographs import rates, write_photographs
from benchmarks.throughput import RESNET56, Team, in_turns, ours, ours_in_threads, plain
from trainers.mps import SHARING, shared_gpu
from trainers.nets import gpu

HEAD = """# Training on a GPU

Command: `python -m benchmarks.gpu`, which writes this page and its figures as JSON.

Images per second of ResNet-56, batch 128, 50,000 images of 32x32: `loop` is torchvision transforms v2, a DataLoader
with 4 workers, fp32, eager, its evaluation left out; `one` is a trial of ours, likewise; `K at once` are the images of
K trials together, each in a process, with evaluation on 10,000 images and all else of an epoch. `mps` says whether
NVIDIA's Multi-Process Service let their kernels run side by side, `kernels` which ones they are; `K in threads` are
trials in one process, as `train_many` trains them where that service is not. Photographs are JPEG files of 500x375,
decoded, cropped and normalised to 224 pixels. Medians of three rounds.
"""


def measured(device, quick):
    """Images per second of the loop, of one trial and of packed ones; the bars as ratios: what is found, as it is.

    What matters most comes first, as the time on a machine with a GPU may end.
    """
    seconds, rounds, images, packs = (0.2, 1, 256, (1, 2)) if quick else (3, 3, 50_000, (1, 8, 12))
    how = {"device": device, "images": images}
    loop, one = partial(Team, 1, plain, RESNET56, workers=4, **how), partial(Team, 1, ours, RESNET56, **how)
    found = {name: median(r) for name, r in in_turns({"loop": loop, "one": one}, seconds, rounds).items()}
    yield {**found, "one/loop, bar 4": found["one"] / found["loop"]}
    several = {"whole": True, "test_images": images // 5, **how}
    whole = {}
    with shared_gpu(device != "cpu") as state:
        yield {"mps": state}
        for k in packs:
            start = partial(Team, k, ours, RESNET56, **several)
            whole[k] = median(in_turns({"": start}, seconds, rounds)[""])
            yield {f"{k} at once": whole[k]}
    shared = device == "cpu" or state in SHARING
    if shared:
        yield bars(max(whole.values()), whole[1])
    threads = partial(Team, 1, ours_in_threads, RESNET56, number=packs[1], **several)
    in_threads = median(in_turns({"": threads}, seconds, rounds)[""])
    yield {f"{packs[1]} in threads": in_threads}
    if not shared:
        yield bars(in_threads, whole[1])
    with tempfile.TemporaryDirectory() as root:
        write_photographs(root, 64 if quick else 1024)
        ways = {"by threads": photographs(root, device, False), "by the device": photographs(root, device, True)}
        yield {f"photographs decoded {way}": rate for way, rate in rates(ways, rounds).items()}


def bars(best, one):
    """What packing brings, as a ratio and as time for a model, beside what was wanted of it."""
    return {"packed/one, bar 1.5": best / one, "seconds per model of 100 epochs, bar 60": 5_000_000 / best}


def page(result):
    """The figures for people."""
    rows = "".join(f"| {name} | {shown(value)} |\n" for name, value in result.items())
    return f"{HEAD}\n| what | found |\n| --- | --- |\n{rows}"


def shown(value):
    """Rates without decimals, ratios with two."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try it (default cuda)")
    parser.add_argument("--quick", action="store_true", help="few images and rounds: whether it runs, not how fast")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results" / "gpu.json",
        help="JSON file; the page is written beside it (default benchmarks/results/gpu.json)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    if args.device != "cpu" and not torch.cuda.is_available():
        sys.stderr.write("error: torch sees no GPU; run this where one is\n")
        return 2
    cpu = args.device == "cpu"
    result = {
        "device": "cpu" if cpu else torch.cuda.get_device_name(),
        "torch": str(torch.__version__),
        "kernels": "the libraries'" if cpu or not gpu.available() else "ours in Triton",
    }
    for found in measured(args.device, args.quick):
        # Written each time: what was found stays if the time on the machine is over before the end.
        result |= found
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        args.output.with_suffix(".md").write_text(page(result), encoding="utf-8")
        print(*(f"{name}: {shown(value)}" for name, value in found.items()), sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
