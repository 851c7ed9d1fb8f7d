"""Does training fast shift the statistics? The same trials by the fast path and by a plain fp32 loop.

``python -m benchmarks.fast_against_reference``: 100 Vanilla, 100 ResNet and 40 DARTS networks on the 8x8 digits, each
trained

- ``fast``: by `trainers.train` as a sweep does;
- ``bf16``: the same in bf16, which GPUs and some CPUs compute in (elsewhere it is emulated, slowly);
- ``reference``: by a loop as written with torchvision transforms v2, a DataLoader and fp32;
- ``again``: by that loop under other seeds, which shows what the seed alone changes.

Networks and first weights are the same for the first three; images come in another order and with other crops in the
plain loop. What is done is kept in results/fast_against_reference.json, so that a run that was stopped goes on. Then
results/fast_against_reference.md is written.
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import scipy.stats

from benchmarks.fast_report import page
from edfstat import Trial, expected_ks, ks_test, wasserstein

RESULTS = Path(__file__).parent / "results" / "fast_against_reference.json"
KINDS = ("fast", "reference", "bf16", "again")
#: Networks of each space, and what they are drawn under: operations of a 32x32 image, of which these take a sixteenth.
SMALL = {"max_params": 40_000, "max_flops": 16_000_000, "require": "all"}
SPACES = {"Vanilla": (100, SMALL), "ResNet": (100, SMALL), "DARTS": (40, {"max_flops": 25_000_000})}


def trials(share=1.0):
    """That share of the networks of each space; the seed of each is its number within its space."""
    from trainers.spaces import SPACES as ALL

    # 100 steps in all, in small batches, as minutes of training are enough to see a shift.
    how = {
        "recipe": {"batch_size": 32, "precise_bn": 320}, "optim": {"max_ep": 5, "base_lr": 0.05},
        "options": {"train_images": 640},
    }  # fmt: skip
    drawn = {name: ALL[name].sample(n, rng=2019, **caps) for name, (n, caps) in SPACES.items()}
    return [
        Trial(name, net.to_net(), "digits", seed=1 + number, **how)
        for name, nets in drawn.items()
        for number, net in enumerate(nets)
        if number < share * len(nets)
    ]


def error_of(kind, trial):
    """Best test error of a trial, in percent; infinite if it diverged. With the CPU seconds it took."""
    begun = time.process_time()
    if kind in ("fast", "bf16"):
        from trainers import train

        record = train(trial, device="cpu", threads=1, precision="auto" if kind == "fast" else "bf16")
        if record["status"] not in ("ok", "diverged"):
            raise RuntimeError(f"{kind} {trial.id[:12]}: {record['message']}")
        error = record["min_test_top1"] if record["status"] == "ok" else math.inf
    else:
        from benchmarks.plain_loop import train_plainly

        error = train_plainly(trial, seed=trial.seed if kind == "reference" else 10_000 + trial.seed)
    return error, round(time.process_time() - begun, 3)


def run(kinds, todo, workers, path):
    """Train what is not done yet, writing the file after each trial."""
    done = read(path)
    missing = [(kind, trial) for trial in todo for kind in kinds if trial.id not in done.get(kind, {})]
    begun = time.perf_counter()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(error_of, kind, trial): (kind, trial) for kind, trial in missing}
        for number, future in enumerate(as_completed(running), 1):
            kind, trial = running[future]
            error, seconds = future.result()
            done.setdefault(kind, {})[trial.id] = [error if math.isfinite(error) else None, seconds]
            write(path, done)
            left = (time.perf_counter() - begun) / number * (len(missing) - number)
            sys.stderr.write(f"{number}/{len(missing)}  {trial.space} {kind} {error:.2f} %  {left / 60:.1f} min left\n")
    return done


def read(path):
    """Errors by kind and trial as far as they are known."""
    return json.loads(path.read_text(encoding="utf-8"))["errors"] if path.exists() else {}


def write(path, errors, **more):
    """Put the file in place whole."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({**more, "errors": errors}, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def compared(a, b):
    """Both populations as a user of edfstat compares them, and pair by pair."""
    pairs = np.arange(a.size)
    test = ks_test(a, b)
    # Strata of one pair each: labels are swapped within pairs, which is the paired form of the test.
    paired = ks_test(a, b, strata_a=pairs, strata_b=pairs, method="permutation", rng=0)
    gaps = a - b
    half = scipy.stats.t.ppf(0.975, a.size - 1) * gaps.std(ddof=1) / math.sqrt(a.size)
    mean = float(gaps.mean())
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (9999, a.size))
    beyond = int((np.abs(signs @ gaps) >= abs(gaps.sum()) - 1e-9).sum())
    return {
        "n": int(a.size), "ks": test.statistic, "ks_pvalue": test.pvalue,
        "ks_expected": float(expected_ks(a.size, other=a.size)[0]),
        "paired_ks_pvalue": paired.pvalue, "mean_difference": mean, "lower": mean - half, "upper": mean + half,
        "sign_flip_pvalue": (1 + beyond) / 10_000, "median_absolute_difference": float(np.median(np.abs(gaps))),
        "wasserstein": float(wasserstein(a, b)), "rank_correlation": float(scipy.stats.spearmanr(a, b).statistic),
    }  # fmt: skip


def analysis(done, todo):
    """Every comparison with the reference, over all spaces and in each; and the spaces under each path."""
    errors = {
        kind: np.array([math.inf if done[kind][t.id][0] is None else done[kind][t.id][0] for t in todo])
        for kind in KINDS if all(t.id in done.get(kind, {}) for t in todo)
    }  # fmt: skip
    space = np.array([trial.space for trial in todo])
    pairs, spaces = {}, {}
    for kind in errors:
        which = {name: errors[kind][space == name] for name in SPACES}
        test = ks_test(which["ResNet"], which["Vanilla"])
        spaces[kind] = {
            **{f"median {name}": float(np.median(values)) for name, values in which.items()},
            "diverged": int(np.isinf(errors[kind]).sum()),
            "ks": test.statistic, "ks_pvalue": test.pvalue, "sign": test.sign,
            "cpu_seconds": sum(done[kind][trial.id][1] for trial in todo),
        }  # fmt: skip
        if kind != "reference" and "reference" in errors:
            for name, mask in (("all", space != ""), *((name, space == name) for name in SPACES)):
                known = mask & np.isfinite(errors[kind]) & np.isfinite(errors["reference"])
                pairs[f"{kind}, {name}"] = compared(errors[kind][known], errors["reference"][known])
    return pairs, spaces


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    cores, machine = len(os.sched_getaffinity(0)), f"{os.cpu_count()}-core {platform.machine()} machine"
    parser.add_argument("--workers", type=int, default=cores, help=f"trials at once (default {cores}, one per core)")
    parser.add_argument("--share", type=float, default=1.0, help="share of the trials, to try it (default 1)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="ways to train them (default all)")
    parser.add_argument("--machine", default=machine, help=f"in words, for the page (default '{machine}')")
    parser.add_argument(
        "--output", type=Path, default=RESULTS,
        help="JSON file; the page is written beside it (default benchmarks/results/fast_against_reference.json)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    todo = trials(args.share)
    done = run(args.kinds, todo, args.workers, args.output)
    pairs, spaces = analysis(done, todo)
    about = {
        "machine": args.machine, "date": f"{datetime.now(UTC):%Y-%m-%d}", "python": platform.python_version(),
        **versions(),
    }  # fmt: skip
    write(args.output, done, about=about, pairs=pairs, spaces=spaces)
    args.output.with_suffix(".md").write_text(page(about, pairs, spaces, len(todo)), encoding="utf-8")
    return 0


def versions():
    """Of what computes."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "torchvision", "numpy", "scipy", "edfstat")}


if __name__ == "__main__":
    sys.exit(main())
