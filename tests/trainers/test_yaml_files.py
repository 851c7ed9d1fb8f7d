"""Files that are no settings are refused at once, whatever they would unfold to."""

import math
from datetime import date
from pathlib import Path

import pytest

from edfstat.errors import InputError
from trainers.yaml_files import MAX_BYTES, read_yaml

# A thousand million values in nine lines: each names the one before ten times.
BOMB = "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10))])

CHAIN = "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 60))])


def file(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "more than 200,000 values (line"),
        ("a: " + "[" * 41 + "]" * 41, "nested more than 40 deep (line 1)"),
        ("[" * 5000 + "]" * 5000, "nested more than 40 deep"),
        (CHAIN, "nested more than 40 deep (line 4"),
        ("a: &a [*a]", "nested more than 40 deep"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key a is there twice"),
        ("a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("a: 2026-13-45", "month must be in 1..12"),
        ("a: \0", "is not YAML"),
        ("#" * (MAX_BYTES + 1), "more than 4 MiB"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        read_yaml(file(tmp_path, text))
    assert said in str(refused.value)
    assert "settings.yaml" in str(refused.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match="is not text"):
        read_yaml(path)


def test_aliases_in_reason_and_all_kinds_of_values_are_read(tmp_path: Path) -> None:
    text = (
        "caps: &caps {max_flops: 1.0e+8}\nspaces: [{caps: *caps}, {<<: *caps, count: 2}]\nday: 2026-11-27\nleft: null"
    )
    caps = {"max_flops": 1e8}
    assert read_yaml(file(tmp_path, text)) == {
        "caps": caps, "spaces": [{"caps": caps}, {**caps, "count": 2}], "day": date(2026, 11, 27), "left": None,
    }  # fmt: skip
    assert read_yaml(file(tmp_path, "")) is None


def test_numbers_with_an_exponent_need_no_point(tmp_path: Path) -> None:
    """YAML 1.1 takes them for text."""
    text = "wd: 5e-4\nlr: [1E-1, -2e+3, 1.5e2]\nname: e5\nhex: 0x1e3\nversion: 1e5x"
    assert read_yaml(file(tmp_path, text)) == {
        "wd": 5e-4, "lr": [0.1, -2000.0, 150.0], "name": "e5", "hex": 0x1E3, "version": "1e5x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:00:00", "12:00:00"), ("1:30", "1:30"), ("010", 10), ("0x1F", 31), ("0o17", 15), ("1_000_000", 1_000_000),
        ("-3", -3), ("1.", 1.0), (".5", 0.5), ("+1.5", 1.5), ("1e3", 1000.0), ("5e-4", 5e-4), ("1.5E+2", 150.0),
        (".inf", math.inf), ("-.inf", -math.inf), ("1_", "1_"), ("e3", "e3"), ("'3'", "3"), ("1.2.3", "1.2.3"),
    ],
)  # fmt: skip
def test_numbers_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    (tmp_path / "x.yaml").write_text(f"a: {text}\n")
    found = read_yaml(tmp_path / "x.yaml")["a"]
    assert found == value
    assert type(found) is type(value)
