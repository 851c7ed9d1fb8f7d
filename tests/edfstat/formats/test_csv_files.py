"""CSV files as people write them."""

from pathlib import Path

import pytest

import edfstat


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("commas.csv", "error,a|b|c|d\n5.5,1\n"),
        ("bars.csv", "error|space, or what\n5.5|A, B\n"),
        ("tabs.tsv", "error\tnet, depth, width, ops\n5.5\tx\n"),
        ("semicolons.csv", "error;a\n5.5;1,5\n"),
    ],
)
def test_a_mark_must_suit_header_and_rows(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = edfstat.load(tmp_path / name)
    assert found["error"].values.tolist() == [5.5]
    assert len(found.variables) >= 2


def test_spaces_around_names_of_ones_own_are_theirs(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("error ,my column \n5.5,1\n")
    found = edfstat.load(tmp_path / "a.csv")
    assert found["error"].item() == 5.5
    assert found["my column "].item() == 1
