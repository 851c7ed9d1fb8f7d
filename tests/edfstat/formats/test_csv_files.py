"""CSV files as people write them."""

from pathlib import Path

import numpy as np
import pytest

import edfstat
from edfstat.errors import FormatError


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


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding, newline="")
    return path


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_decimal_commas(tmp_path: Path, mark: str, encoding: str) -> None:
    """As spreadsheets write in most of Europe."""
    text = "space;error;params;lr;epochs;latency;note\r\nä;7,75;300000;0,1;90;1,5;a,b\r\nB;6;200;1e-3;90;;1.5\r\n"
    found = edfstat.load(write(tmp_path / "a.csv", text.replace(";", mark), encoding))
    assert found["space"].values.tolist() == ["ä", "B"]
    assert found["error"].values.tolist() == [7.75, 6.0]
    assert found["params"].values.tolist() == [300000, 200]
    assert found["lr"].values.tolist() == [0.1, 0.001]
    np.testing.assert_array_equal(found["latency"].values, [1.5, np.nan])
    assert found["note"].values.tolist() == ["a,b", "1.5"]


def test_decimal_commas_of_accuracies_in_quotes(tmp_path: Path) -> None:
    found = edfstat.load(write(tmp_path / "a.csv", 'val_acc,k\n"92,25","0,5"\n90,1\n'))
    assert found["error"].values.tolist() == [7.75, 10.0]
    assert found["k"].values.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("cells", ["7,75;310.000", "7,75;1.234,5", "7,75;1,5"])
def test_points_among_decimal_commas_are_no_decimals(tmp_path: Path, cells: str) -> None:
    """They part thousands: 310.000 is no count of 310."""
    path = write(tmp_path / "a.csv", f"error;params\n{cells}\n5,5;2\n")
    with pytest.raises(FormatError, match=r"row 0, column 'params'"):
        edfstat.load(path)
    assert edfstat.load(path, errors="skip")["params"].values.tolist() == [2]


def test_without_a_decimal_comma_in_an_error_commas_are_text(tmp_path: Path) -> None:
    found = edfstat.load(write(tmp_path / "a.csv", "error;k\n7.75;1,234\n6;2,5\n"))
    assert found["k"].values.tolist() == ["1,234", "2,5"]
    with pytest.raises(FormatError, match=r"row 0, column 'error': '7.75' cannot be read as a number, as commas"):
        edfstat.load(write(tmp_path / "b.csv", "error;k\n7.75;1\n6,5;2\n"))


def test_what_spreadsheets_add(tmp_path: Path) -> None:
    """A first line that says the mark, columns without a name, rows without a cell."""
    found = edfstat.load(write(tmp_path / "a.csv", "sep=;\r\n;error;space\r\n0;7,75;A\r\n1;8;B,C\r\n;;\r\n"))
    assert found["error"].values.tolist() == [7.75, 8.0]
    assert found["space"].values.tolist() == ["A", "B,C"]
    assert found["Unnamed: 0"].values.tolist() == [0, 1]
    edfstat.save(found, tmp_path / "a.nc")


def test_another_encoding_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"is no UTF-8 .*save it again as CSV UTF-8"):
        edfstat.load(write(tmp_path / "a.csv", "error;space\n5;ä\n", "cp1252"))
