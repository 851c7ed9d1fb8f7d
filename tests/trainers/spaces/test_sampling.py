"""Uniform samples, caps, replacement, seeds; and spaces that users define."""

import numpy as np
import pytest
from scipy import stats

from trainers.spaces import (
    CIFAR_CAPS,
    SPACES,
    ArchitectureError,
    GeneratedSpace,
    StageArchitecture,
    complexity,
    from_dict,
    log_uniform,
    sample_settings,
    space_named,
    trials,
)

SMALL = from_dict({"name": "small", "block": "bottleneck", "stages": 2, "depth": [1, 2], "width": [16, 24],
                   "ratio": [1, 4], "groups": [1, 4]})  # fmt: skip


def test_groups_that_do_not_divide_are_left_out_of_size_and_sample() -> None:
    # By hand: inner widths 16, 4 (width 16) and 24, 6 (width 24); 4 groups divide all but 6: 7 shapes.
    assert SMALL.size == (2 * 7) ** 2
    members = list(SMALL)
    assert len(set(members)) == SMALL.size
    assert all(SMALL.contains(arch) for arch in members)
    assert not any((24, 0.25, 4) in zip(a.widths, a.multipliers, a.groups) for a in members)


def test_sampling_is_uniform_over_a_whole_space() -> None:
    position = {arch: i for i, arch in enumerate(SMALL)}
    counts = np.bincount([position[arch] for arch in SMALL.sample(20_000, rng=7)], minlength=SMALL.size)
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("name", SPACES)
def test_every_choice_of_a_large_space_is_uniform(name: str) -> None:
    space = SPACES[name]
    table = space.sample(20_000, rng=11)
    if name in ("NASNet", "Amoeba", "PNAS", "ENAS", "DARTS"):
        columns = [table.width, table.depth]
        columns += [table.operations[:, c, e] * 10 + table.inputs[:, c, e] for c in (0, 1) for e in (0, 3, 7)]
        options = [3, 5] + [len(space.operations) * inputs for inputs in (2, 3, 5)] * 2
    else:
        columns = [table.depths[:, 1], table.widths[:, 2]]
        options = [len(space.depth), len(space.width)]
        if space.block == "bottleneck":
            columns.append(table.multipliers[:, 0] * 100 + table.groups[:, 0])
            options.append(len(space.ratio) * len(space.groups))
    for column, count in zip(columns, options):
        seen = np.unique(column, return_counts=True)[1]
        assert len(seen) == count
        assert stats.chisquare(seen).pvalue > 1e-4


def test_a_capped_sample_is_uniform_over_what_the_caps_leave() -> None:
    members = list(SMALL)
    params = complexity(members)["params"]
    cap = int(np.median(params))
    left = [arch for arch, count in zip(members, params) if count <= cap]
    position = {arch: i for i, arch in enumerate(left)}
    sample = SMALL.sample(10_000, rng=3, max_params=cap)
    counts = np.bincount([position[arch] for arch in sample], minlength=len(left))
    assert stats.chisquare(counts).pvalue > 0.001
    assert sample.drawn_per_accepted == pytest.approx(len(members) / len(left), rel=0.05)


@pytest.mark.parametrize("require", ["any", "all"])
def test_a_sample_within_bands_is_uniform_over_what_they_leave(require: str) -> None:
    members = list(SMALL)
    counts = complexity(members)
    ends = {key: np.quantile(values, (0.3, 0.6), method="nearest") for key, values in counts.items()}
    inside = [(ends[key][0] <= counts[key]) & (counts[key] <= ends[key][1]) for key in ("params", "flops")]
    within = (np.any if require == "any" else np.all)(inside, axis=0)
    assert 10 < within.sum() < 0.6 * SMALL.size
    position = {members[place]: row for row, place in enumerate(np.flatnonzero(within))}
    (min_params, max_params), (min_flops, max_flops) = ends["params"], ends["flops"]
    sample = SMALL.sample(
        10_000, rng=3, min_params=min_params, max_params=max_params, min_flops=min_flops, max_flops=max_flops,
        require=require,
    )  # fmt: skip
    drawn = np.bincount([position[arch] for arch in sample], minlength=len(position))
    assert stats.chisquare(drawn).pvalue > 0.001


def test_a_regime_of_flops_within_one_percent() -> None:
    counts = SPACES["ResNet"].complexity(SPACES["ResNet"].sample(100, rng=0, min_flops=99e6, max_flops=101e6))
    assert len(counts["flops"]) == 100
    assert counts["flops"].min() >= 99e6
    assert counts["flops"].max() <= 101e6
    assert np.ptp(counts["params"]) > 100_000


def test_limits_that_nothing_meets_say_what_there_is() -> None:
    most = int(complexity(list(SMALL))["flops"].max())
    said = (
        rf"flops >= {most + 1:,} let 0 of [\d,]+ candidates pass, 50 are wanted; widen the limits .* to {most:,} flops"
    )
    with pytest.raises(ArchitectureError, match=said):
        SMALL.sample(50, rng=0, min_flops=most + 1)
    with pytest.raises(ArchitectureError, match=r"params >= 5 and flops <= 1; the smallest has"):
        SMALL.sample(1, rng=0, min_params=5, max_flops=1, require="all")
    assert len(SMALL.sample(1, rng=0, min_params=5, max_flops=1)) == 1
    with pytest.raises(ArchitectureError, match=r"min_params is 9, above max_params, 8"):
        SMALL.sample(1, rng=0, min_params=9, max_params=8)


@pytest.mark.parametrize("require", ["any", "all"])
def test_caps_are_inclusive_and_any_or_all(require: str) -> None:
    space = SPACES["ResNeXt-B"]
    sample = space.sample(2000, rng=2, max_params=856_000, max_flops=129_000_000, require=require)
    counts = space.complexity(sample)
    below = np.stack([counts["params"] <= 856_000, counts["flops"] <= 129_000_000])
    assert (below.any(axis=0) if require == "any" else below.all(axis=0)).all()
    assert below.all() == (require == "all")
    exact = int(complexity(list(SMALL))["params"].min())
    assert complexity(SMALL.sample(20, rng=0, max_params=exact))["params"].tolist() == [exact] * 20


def test_the_same_seed_gives_the_same_sample_everywhere() -> None:
    """PCG64 streams are fixed by NumPy; these four architectures pin ours on every platform and Python."""
    sample = SPACES["ResNeXt-A"].sample(300, rng=42, **CIFAR_CAPS)
    assert sample == SPACES["ResNeXt-A"].sample(300, rng=np.random.default_rng(42), **CIFAR_CAPS)
    assert SPACES["ResNeXt-A"].sample(40, rng=42, **CIFAR_CAPS) == sample[:40]
    assert sample != SPACES["ResNeXt-A"].sample(300, rng=43, **CIFAR_CAPS)
    drawn = np.random.default_rng(42).integers(0, [5, 45] * 3, size=(1, 6), dtype=np.int64)[0]
    first = SPACES["ResNeXt-A"].sample(1, rng=42)[0]
    assert first.depths == tuple((1, 2, 4, 8, 16)[i] for i in drawn[::2])
    assert first.widths == tuple((16, 32, 64, 128, 256)[i // 9] for i in drawn[1::2])


def test_without_replacement_nothing_comes_twice() -> None:
    everything = SMALL.sample(SMALL.size, rng=0, replace=False)
    assert set(everything) == set(SMALL)
    with pytest.raises(ArchitectureError, match=f"{SMALL.size + 1}.*holds {SMALL.size}"):
        SMALL.sample(SMALL.size + 1, rng=0, replace=False)
    for name in ("ResNeXt-B", "DARTS", "ResNet"):
        assert len(set(SPACES[name].sample(5000, rng=0, replace=False))) == 5000
    cap = int(np.sort(complexity(list(SMALL))["params"])[9])
    few = int((complexity(list(SMALL))["params"] <= cap).sum())
    assert len(set(SMALL.sample(few, rng=0, max_params=cap, replace=False))) == few
    with pytest.raises(ArchitectureError, match=f"leaves {few} of the {SMALL.size}"):
        SMALL.sample(few + 1, rng=0, max_params=cap, replace=False)


@pytest.mark.parametrize("name", SPACES)
def test_a_cap_that_leaves_nothing_says_so_with_the_smallest(name: str) -> None:
    space = SPACES[name]
    with pytest.raises(ArchitectureError, match=rf"no architecture of {name} has params <= 100") as caught:
        space.sample(1, rng=0, max_params=100)
    smallest = int(str(caught.value).split("smallest has ")[1].split(" params")[0].replace(",", ""))
    assert complexity(space.sample(3000, rng=1))["params"].min() >= smallest
    assert complexity(space._cheapest())["params"].min() == smallest


def test_bad_requests_are_named() -> None:
    caps = (({"n": 1, "max_params": "1M"}, "max_params is '1M'"), ({"n": 1, "max_flops": np.nan}, "max_flops is nan"))
    for options, word in (({"n": -1}, "n is -1"), ({"n": 1, "require": "both"}, "both"), *caps):
        with pytest.raises(ArchitectureError, match=word):
            SMALL.sample(**{"rng": 0, **options})
    for options, word in (({"flops": "gmacs"}, "gmacs"), ({"stem": "tiny"}, "tiny"), ({"image_size": 0}, "image_size")):
        with pytest.raises(ArchitectureError, match=word):
            complexity(SMALL.sample(1, rng=0), **options)


def test_definitions_go_through_plain_values() -> None:
    for space in (*SPACES.values(), SMALL, SPACES["PNAS"].fixed(width=24, depth=12)):
        again = from_dict(space.to_dict())
        assert again.size == space.size
        assert again.sample(20, rng=1) == space.sample(20, rng=1)
    assert from_dict({"base": "ResNet", "name": "deep", "stages": 4, "depth": [1, 2]}).sample(1, rng=0)[0].strides == (
        1, 2, 2, 2,
    )  # fmt: skip
    with pytest.raises(ArchitectureError, match=r"unknown: \['dept'\], missing: \['depth'\]"):
        from_dict({"name": "x", "block": "basic", "dept": [1], "width": [8]})
    with pytest.raises(ArchitectureError, match=r"Nasnet.*NASNet"):
        space_named("Nasnet")
    with pytest.raises(ArchitectureError, match="must divide"):
        from_dict({"name": "x", "block": "bottleneck", "depth": [1], "width": [16], "groups": [3]})


def test_a_rule_makes_a_space_of_its_distinct_architectures() -> None:
    def rule(width: int, growth: float) -> StageArchitecture | None:
        return StageArchitecture("basic", (1, 1), (width, int(width * growth))) if width * growth < 60 else None

    space = GeneratedSpace("grown", rule, {"width": [16, 32], "growth": [1, 1.01, 1.5, 2]})
    # By hand: 16 -> 16, 16, 24, 32; 32 -> 32, 32, 48, (64 is out): five distinct.
    assert space.size == 5
    assert len(set(space.sample(5, rng=0, replace=False))) == 5
    assert not space.contains(StageArchitecture("basic", (1, 1), (8, 8)))
    regnets = from_dict({"name": "R", "rule": "trainers.spaces.parametrized:regnet", "parameters": {
        "depth": [12, 16], "w0": [24, 48], "wa": [10.0, 24.0], "wm": [2.0, 2.5], "group_width": [8]}})  # fmt: skip
    table = list(regnets)
    assert regnets.size == len(table) > 4
    assert regnets.sample(3, rng=0, stem="simple", max_params=10**9)


def test_settings_are_log_uniform_within_the_papers_bounds() -> None:
    settings = sample_settings(5000, rng=4)
    rates = np.log10([s["base_lr"] for s in settings])
    decays = np.log10([s["wd"] for s in settings])
    assert stats.kstest(rates, stats.uniform(-3, 3).cdf).pvalue > 0.001
    assert stats.kstest(decays, stats.uniform(-5, 3).cdf).pvalue > 0.001
    assert abs(stats.spearmanr(rates, decays).statistic) < 0.05
    assert settings == sample_settings(5000, rng=4)
    with pytest.raises(ArchitectureError, match="positive"):
        log_uniform(3, 0.0, 1.0)


def test_trials_pair_architectures_with_seeds_and_settings() -> None:
    sample = SPACES["ResNet"].sample(3, rng=0)
    planned = trials("ResNet", sample, seeds=[1, 2], settings=sample_settings(3, rng=0), optim={"max_ep": 5})
    assert len({trial.id for trial in planned}) == 6
    assert [trial.net for trial in planned[::2]] == sample.to_nets()
    assert planned[0].optim == planned[1].optim != planned[2].optim
    assert set(planned[0].optim) == {"base_lr", "wd", "max_ep"}
    with pytest.raises(ArchitectureError, match="2 settings for 3"):
        trials("ResNet", sample, settings=sample_settings(2, rng=0))
    with pytest.raises(ArchitectureError, match="each once"):
        trials("ResNet", sample, seeds=[1, 1])


def test_a_space_too_large_to_count_in_64_bits_can_be_asked_and_walked() -> None:
    space = SPACES["NASNet"]
    assert space
    assert space.size > 2**64
    walk = iter(space)
    first, second = next(walk), next(walk)
    assert (first.depth, second.depth) == (4, 8)
    assert first.normal == second.normal == (("skip_connect", 0),) * 10
    assert first in space


def test_nothing_asked_is_nothing_given() -> None:
    empty = SPACES["ResNet"].sample(0, rng=0)
    assert list(empty) == []
    assert complexity(empty)["params"].shape == (0,)
    assert complexity([])["params"].shape == (0,)
