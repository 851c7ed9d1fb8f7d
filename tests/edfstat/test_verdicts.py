"""The verdict says what was built into the data, and says what it cannot tell."""

import numpy as np
import pytest
import scipy.stats

from edfstat import InputError, compare, verdict
from edfstat.evidence import format_p
from edfstat.population import build_population
from edfstat.verdicts import findings


def population(shifts, n=150, seed=0, sizes=None, slope=0.0):
    rng = np.random.default_rng(seed)
    names = [chr(ord("A") + i) for i in range(len(shifts))]
    columns = {"error": [], "space": [], "params": []}
    for place, (name, shift) in enumerate(zip(names, shifts, strict=True)):
        low, high = sizes[place] if sizes else (1000, 9000)
        params = rng.integers(low, high, n)
        columns["error"] += list(20 + shift - slope * params / 1000 + rng.gamma(2, 0.5, n))
        columns["space"] += [name] * n
        columns["params"] += list(params)
    return build_population(columns)


def test_a_clear_winner_is_named_first():
    text = verdict(compare(population([0.0, 1.0]), rng=0))
    assert text.splitlines()[0] == "A is better than B at equal params, and also as the models are."
    assert "A above" in text
    assert "D = " in text
    assert "(Holm)" in text


def test_no_sentence_comes_twice():
    for shifts in ([0.0, 1.0], [0.0, 0.0], [0.0, 1.0, 2.0]):
        lines = [line for line in verdict(compare(population(shifts), rng=0)).splitlines() if line]
        assert len(lines) == len(set(lines))
        assert all(line.startswith("  - ") for line in lines[1:3]) == (len(shifts) == 2)


def test_no_difference_is_not_called_one():
    text = verdict(compare(population([0.0, 0.0]), rng=0))
    assert text.splitlines()[0].startswith("No difference between A and B is demonstrated at equal params.")
    assert "better" not in text[: text.index("What the words mean")]
    assert "models per group" in text
    assert "samples of this size show a D of about" in text


def test_what_samples_can_show_allows_for_the_pairs():
    """Three pairs: Kolmogorov's law at 0.05 / 3, sqrt(ln(2 / 0.01667) / 150) = 0.179; unadjusted it would be 0.157."""
    text = verdict(compare(population([0.0, 0.0, 0.0]), complexity="none"))
    assert text.count("samples of this size show a D of about 0.18 or more") == 3


def test_models_that_would_show_a_difference_allow_for_the_pairs():
    """D = 0.5: (c sqrt 2 + 0.8416 sqrt(0.375))^2 / 0.25 with c^2 = ln(2 / level) / 2, level 0.05 / pairs."""
    models = {"A": [1.0, 2.0, 3.0, 4.0], "B": [3.0, 4.0, 5.0, 6.0], "C": [1.0, 2.0, 3.0, 4.0]}
    for names, expected in (("AB", 24), ("ABC", 30)):
        ds = build_population({"error": [e for n in names for e in models[n]], "space": np.repeat(list(names), 4)})
        assert compare(ds)["sample_size"].values[0, 0] == expected


def test_complexity_that_reverses_the_order_is_told():
    ds = population([0.0, 0.8], n=800, sizes=[(1000, 9000), (4000, 12000)], slope=0.6)
    text = verdict(compare(ds, rng=0))
    assert text.startswith(
        "A is better than B at equal params, though the raw comparison favours B: complexity reversed"
    )


def test_complexity_that_makes_the_whole_difference_is_told():
    ds = population([0.0, 0.0], n=400, sizes=[(1000, 9000), (4000, 12000)], slope=0.6)
    text = verdict(compare(ds, rng=0))
    assert text.startswith("No difference between A and B is demonstrated at equal params.")
    assert "The raw difference (B is better) may be one of complexity." in text


def test_crossing_curves_have_no_winner():
    rng = np.random.default_rng(1)
    error = np.r_[rng.normal(20, 0.3, 300), rng.normal(20, 3, 300)]
    ds = build_population({"error": error, "space": ["narrow"] * 300 + ["wide"] * 300})
    found = findings(compare(ds))
    assert found.pairs[0].kind == "crossing"
    assert "neither is better throughout" in found.headline


def test_the_best_of_several_is_named():
    found = findings(compare(population([1.0, 0.0, 2.0]), rng=0))
    assert found.headline == "B is better than each of the 2 others at equal params; all 3 pairs are decided."
    assert [pair.winner for pair in found.pairs] == ["B", "A", "B"]


def test_several_without_a_single_best():
    found = findings(compare(population([0.0, 0.0, 2.0]), rng=0))
    assert found.headline == (
        "No single group is better than all others at equal params; none is shown to be better than A or B; "
        "of 3 pairs, 1 shows no difference."
    )


def test_measures_that_disagree():
    found = compare(population([0.0, 1.0]).assign(flops=("model", np.arange(300) + 1)), rng=0, complexity=["params"])
    assert findings(found).pairs[0].kind == "better"
    both = compare(population([0.0, 1.0]), rng=0).sel(measure=["none", "params", "params"])
    both = both.assign_coords(measure=["none", "params", "flops"])
    both["dominance"].values = np.array([["a"], ["a"], ["b"]], dtype=object)
    claim = findings(both).pairs[0]
    assert claim.kind == "depends"
    assert "depends on the measure of complexity" in claim.claim
    assert "at equal params, A is better; at equal flops, B is better" in claim.claim


def test_one_group_has_nothing_to_be_compared_with():
    ds = build_population({"error": [5.0, 6.0, 7.0], "space": ["A"] * 3})
    assert verdict(compare(ds)).startswith("There is one group, A (median error 6 %), so there is nothing")


def test_limits_are_part_of_it():
    ds = build_population(
        {"error": [5.0, np.nan, 6.0, 7.0], "status": ["ok", "lost", "ok", "ok"], "space": ["A", "A", "B", "B"]}
    )
    text = verdict(compare(ds))
    assert "What limits this:" in text
    assert "A: 1 of 2 models (50.0%) were lost to accidents (1 lost)" in text
    assert "Small samples: A has 1 and B has 2 models" in text


def test_search_costs_are_in_draws():
    """Half of A is at 5: 5 draws reach it with 95 % (1 - 1/2^5 = .97); a tenth of B: ln .05 / ln .9 = 28.4."""
    ds = build_population(
        {"error": [5.0] * 50 + [9.0] * 50 + [5.0] * 10 + [9.0] * 90, "space": ["A"] * 100 + ["B"] * 100}
    )
    text = verdict(compare(ds))
    # The interval of F, Clopper and Pearson's of 50 and 10 in 100, mapped the same way.
    low, high = scipy.stats.binomtest(10, 100).proportion_ci(0.95)
    draws = [int(np.ceil(np.log(0.05) / np.log1p(-share))) for share in (high, low)]
    assert "5 [4, 6] in A, 29 [" in text
    assert f"29 [{draws[0]}, {draws[1]}] in B" in text


def test_a_comparison_that_went_through_a_file(tmp_path):
    import xarray as xr

    for shifts in ([0.0, 1.0], [0.0]):
        found = compare(population(shifts), rng=0)
        found.to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
        assert verdict(xr.load_dataset(tmp_path / "c.nc", engine="h5netcdf")) == verdict(found)


def test_something_else_is_refused():
    with pytest.raises(InputError, match="what compare\\(\\) returned"):
        verdict(population([0.0]))


@pytest.mark.parametrize(
    ("p", "said"), [(0.5, "= 0.500"), (0.031, "= 0.031"), (0.00123, "= 0.0012"), (1e-9, "< 1e-06"), (np.nan, "unknown")]
)
def test_pvalues_are_written_readably(p, said):
    assert format_p(p) == said


def test_a_raw_comparison_claims_no_more_than_it_shows():
    rng = np.random.default_rng(0)
    apart = build_population({
        "error": np.r_[rng.normal(10, 1, 100), rng.normal(12, 1, 100)], "space": ["A"] * 100 + ["B"] * 100,
        "params": np.r_[np.arange(100), np.arange(500, 600)],
    })  # fmt: skip
    text = verdict(compare(apart, rng=0))
    assert text.startswith("A is better than B as the models are; complexity was not taken out.")
    assert "Not compared under params: the groups share no range" in text


def test_few_models_and_no_spread_are_not_given_an_interval():
    few = verdict(compare(build_population({"error": [5.0, 8.0], "space": ["A", "B"]})))
    assert few.startswith("No difference between A and B is demonstrated")
    assert "no interval: too few models or no spread" in few
    assert "so few models can hardly show any difference" in few
    same = verdict(compare(build_population({"error": [7.0] * 60, "space": ["A", "B"] * 30})))
    assert "D = 0.000, p = 1.000 (Holm); AUC difference (A minus B) +0.000 (no interval" in same


def test_different_shares_of_failures_have_no_finite_distance():
    error = np.r_[np.linspace(5, 6, 100), np.linspace(5, 6, 60), [np.nan] * 40]
    status = ["ok"] * 160 + ["diverged"] * 40
    text = verdict(compare(build_population({"error": error, "status": status, "space": ["A"] * 100 + ["B"] * 100})))
    assert text.startswith("A is better than B")
    assert "infinitely far apart on average, since different shares failed" in text
    assert "count as worse than any other: B 40 of 100" in text


def test_more_pairs_than_the_permutations_can_decide_are_told():
    found = compare(population([0.3 * i for i in range(5)], n=60), rng=0, n_resamples=99)
    assert "99 permutations cannot make an adjusted p-value lower than 0.1 for 10 pairs" in verdict(found)
    # Five steps of 10 / (B + 1) up to 0.05 take B = 999.
    assert "n_resamples=999 (on the command line --resamples 999) or more" in verdict(found)
    assert "nothing can be demonstrated" in verdict(found)


@pytest.mark.parametrize(("n_resamples", "warned"), [(199, True), (998, True), (999, False)])
def test_pairs_that_few_permutations_decide_are_told(n_resamples, warned):
    """At 199 the smallest adjusted p-value of 10 pairs is 0.05 itself: one permutation decides."""
    found = compare(population([0.3 * i for i in range(5)], n=20), rng=0, n_resamples=n_resamples)
    said = [w for w in found.attrs["warnings"] if "permutations cannot" in w]
    assert len(said) == warned
    assert all("so a few of them decide" in w and "n_resamples=999" in w for w in said)


def test_groups_that_beat_each_other_in_a_circle():
    found = compare(population([0.0, 0.0, 0.0]), rng=0)
    for measure in range(2):
        found["dominance"].values[measure] = np.array(["a", "b", "a"], dtype=object)
    assert findings(found).headline.startswith("No group is best at equal params: each is worse than some other")


def test_many_pairs_are_told_group_by_group():
    """Each group is 3 points worse than the one before, so all 21 pairs are decided; the file has another order."""
    shifts = [12.0, 0.0, 18.0, 3.0, 15.0, 6.0, 9.0]  # A to G; by error: B, D, F, G, A, E, C
    found = compare(population(shifts, n=60), complexity="none")
    text = verdict(found)
    said = [line for line in text.splitlines() if line.startswith("  - ")][:7]
    assert said == [
        "  - B: better than all 6 others.",
        "  - D: better than A, C, E, F and G; worse than B.",
        "  - F: better than A, C, E and G; worse than B and D.",
        "  - G: better than A, C and E; worse than B, D and F.",
        "  - A: better than C and E; worse than B, D, F and G.",
        "  - E: better than C; worse than A, B, D, F and G.",
        "  - C: worse than all 6 others.",
    ]
    assert text.startswith("B is better than each of the 6 others")
    assert "D = " not in text
    assert "(on the command line" not in text
    assert len(findings(found).pairs) == 21


def test_many_groups_that_are_not_told_apart():
    found = compare(population([0.0] * 6 + [4.0], n=60), complexity="none")
    lines = verdict(found).splitlines()
    assert "  - A: better than G; not told apart from B, C, D, E and F." in lines
    assert "  - G: worse than all 6 others." in lines
    assert "Not told apart from any other" not in verdict(found)
    alike = verdict(compare(population([0.0] * 7, n=60), complexity="none"))
    assert "Group by group" not in alike
    assert "of 21 pairs, 21 show no difference" in alike


def test_what_the_raw_comparison_says_otherwise_of_many_pairs():
    """G's models are larger and so better; at equal params they are not told apart, which 6 pairs are about."""
    sizes = [(1000, 9000)] * 6 + [(4000, 12000)]
    ds = population([0.0] * 7, n=400, sizes=sizes, slope=0.6)
    found = compare(ds, rng=0, n_resamples=999)
    assert (found["pvalue_holm"].sel(measure="none", pair=found["b"] == "G") < 0.05).all()
    assert "Different as the models are, which may be complexity, but not told apart: 6 pairs." in verdict(found)
    few = verdict(compare(ds, rng=0, n_resamples=99))
    assert "So few permutations can show none among so many pairs." in few.splitlines()[0]
    assert "which may be complexity" not in few


def test_a_search_of_many_groups_names_the_easiest():
    """A target that G reaches always, and the others ever more seldom: 1 of 1, 6 of 10 and so on down to 1 of 10."""
    errors = [[5.0] * (i + 1) + [9.0] * (9 - i) for i in range(6)] + [[5.0] * 10]
    ds = build_population({"error": np.concatenate(errors), "space": np.repeat(list("ABCDEFG"), 10)})
    (line,) = [line for line in verdict(compare(ds)).splitlines() if "models to train" in line]
    order = [name for part in line.split(" in ")[1:] for name in part[:1] if name.isupper()]
    assert order == ["G", "F", "E", "D", "C", "B"]
    assert line.endswith("more, or none seen, in 1 other.")


def test_draws_that_nobody_trains_have_no_digits():
    found = compare(build_population({"error": [5.0] * 9 + [9.0] * 9, "space": ["A", "B"] * 9}))
    found["models_needed_upper"].values[:] = [84_332_465_020.0]
    (line,) = [line for line in verdict(found).splitlines() if "models to train" in line]
    assert line.count(", over a million]") == 2
    found["models_needed_upper"].values[:] = [1e6]
    assert verdict(found).count(", 1,000,000]") == 2
