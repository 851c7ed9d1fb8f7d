"""The page that `fast_against_reference` writes."""

NAMES = {
    "fast": "fast path",
    "bf16": "fast path in bf16",
    "again": "plain loop, other seeds",
    "reference": "plain loop",
}


def page(about, pairs, spaces, n):
    """Markdown of the tables and what they say."""
    versions = ", ".join(f"{name} {about[name]}" for name in ("torch", "torchvision", "numpy", "scipy", "edfstat"))
    return f"""# Does training fast shift the statistics?

{n} trials on the 8x8 digits: 100 Vanilla and 100 ResNet networks (at most 40,000 parameters and 16 M operations on a
32x32 image) and 40 of DARTS (at most 25 M operations), 640 training images, 5 epochs of batch 32, rate 0.05. Each was
trained on the CPU by `trainers.train` and by a plain loop (torchvision transforms v2, DataLoader, fp32, contiguous
tensors, torch's own layers, the optimizer as it comes) from the same first weights.
{about["machine"]}, {about["date"]}, Python {about["python"]}, {versions}.
Command: `python -m benchmarks.fast_against_reference`. bf16 is emulated where the CPU does not compute in it.

## Each path against the plain loop

Errors in percent. KS: `ks_test` of the two populations, and with labels swapped within pairs of one trial (strata of
one pair each, 9,999 draws). Mean difference: t interval of 95 %, p by flipping signs. "Expected D" is the mean distance
of two samples of this size of one law.

{_pairs(pairs)}

## The spaces under each path

KS test of ResNet against Vanilla: what a user of the population would conclude.

{_spaces(spaces)}

## Verdict

{_verdict(pairs)}
"""


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _pairs(pairs):
    head = [
        "path, space", "trials", "KS D", "expected D", "p", "p within pairs", "mean difference", "p", "W1", "rank corr."
    ]  # fmt: skip
    rows = []
    for name, r in pairs.items():
        kind, _, space = name.partition(", ")
        difference = f"{r['mean_difference']:+.2f} ({r['lower']:+.2f} to {r['upper']:+.2f})"
        rows.append([
            f"{NAMES[kind]}, {space}", r["n"], f"{r['ks']:.3f}", f"{r['ks_expected']:.3f}", f"{r['ks_pvalue']:.2f}",
            f"{r['paired_ks_pvalue']:.2f}", difference, f"{r['sign_flip_pvalue']:.2f}", f"{r['wasserstein']:.2f}",
            f"{r['rank_correlation']:.2f}",
        ])  # fmt: skip
    return _table(head, rows)


def _spaces(spaces):
    head = ["path", "median Vanilla", "median ResNet", "median DARTS", "KS D", "p", "diverged", "CPU seconds in all"]
    rows = [
        [NAMES[kind], f"{r['median Vanilla']:.2f}", f"{r['median ResNet']:.2f}", f"{r['median DARTS']:.2f}",
         f"{r['ks']:.2f}",
         f"{r['ks_pvalue']:.0e}", r["diverged"], f"{r['cpu_seconds']:.0f}"]
        for kind, r in spaces.items()
    ]  # fmt: skip
    return _table(head, rows)


def _verdict(pairs):
    sentences = []
    for kind in ("fast", "bf16"):
        if (r := pairs.get(f"{kind}, all")) is None:
            continue
        pvalues = [pairs[name][key] for name in pairs if name.startswith(kind)
                   for key in ("ks_pvalue", "paired_ks_pvalue", "sign_flip_pvalue")]  # fmt: skip
        seen = "no test sees a difference" if min(pvalues) > 0.05 else "a difference is seen"
        limit = max(abs(r["lower"]), abs(r["upper"]))
        sentences.append(
            f"{NAMES[kind].capitalize()}: {seen} (lowest of {len(pvalues)} p-values {min(pvalues):.2f}); a mean shift "
            f"of more than {limit:.1f} points of error is excluded at 95 %, a smaller one is not."
        )
    if "again, all" in pairs:
        r, fast = pairs["again, all"], pairs["fast, all"]
        sentences.append(
            f"Yardstick: two trials of one network differ by {fast['median_absolute_difference']:.1f} points in the "
            f"median between the paths, by {r['median_absolute_difference']:.1f} between two seeds of the plain loop."
        )
    return "\n\n".join(sentences)
