"""What the command line prints says what was done, in words that hold for a shell too."""

import pytest

from edfstat import compare, verdict
from edfstat.population import build_population
from edfstat.printing import print_comparison


@pytest.fixture
def printed(capsys):
    """Text on both streams of a comparison of two groups with so many params."""

    def run(params, **options):
        count = len(params)
        errors = [5.0 + place % 7 for place in range(2 * count)]
        ds = build_population({"error": errors, "params": list(params) * 2, "space": ["A"] * count + ["B"] * count})
        found = compare(ds, n_resamples=9, rng=0, **options)
        print_comparison(found, verdict(found))
        return "".join(capsys.readouterr())

    return run


def test_a_single_bin_is_not_called_a_normalization(printed):
    few = printed(range(10, 20))
    assert "errors in the same range of params\n" in few
    assert "normalized by" not in few
    assert "errors at equal params\n" in printed(range(10, 110))


@pytest.mark.parametrize(
    ("spacing", "remedy"),
    [("uniform", "quantile spacing or a narrower range"), ("quantile", "; a narrower range may")],
)
def test_notes_name_no_keyword_of_python(printed, spacing, remedy):
    text = printed(range(10, 20), spacing=spacing)
    assert remedy in text
    assert "spacing=" not in text


def test_groups_apart_are_noted_without_keywords(capsys):
    ds = build_population({"error": [1.0, 2, 3, 4], "params": [1, 2, 30, 40], "space": list("AABB")})
    found = compare(ds, n_resamples=9, rng=0)
    print_comparison(found, verdict(found))
    err = capsys.readouterr().err
    assert "share no range of params" in err
    assert "complexity=" not in err


def test_the_distance_of_a_pair_is_headed_by_its_unit(printed):
    """It is an area between curves over errors, in error points, as in the reports."""
    (head,) = [line.split() for line in printed(range(10, 20), complexity="none").splitlines() if "KS D" in line]
    assert head[head.index("AUC") - 1] == "points"
