"""Short decimals are read as Python's own reader reads them, and nothing else is taken for one."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from edfstat.formats.curves import curve_table
from edfstat.formats.decimals import short_decimals

SHORT = st.from_regex(r"(0|[1-9][0-9]{0,5})\.[0-9]{1,6}", fullmatch=True).filter(lambda text: len(text) <= 8)
LISTS = st.lists(st.lists(SHORT, min_size=1, max_size=8), min_size=1, max_size=6)


@given(LISTS, st.sampled_from([",", ", "]))
def test_every_short_decimal_is_the_nearest_double(lists: list[list[str]], comma: str) -> None:
    text = "".join(f"[{comma.join(numbers)}]" for numbers in lists)
    found = short_decimals(text.encode())
    assert found is not None
    values, counts = found
    assert values.tolist() == [float(number) for numbers in lists for number in numbers]
    assert counts.tolist() == [len(numbers) for numbers in lists]


@given(st.text(alphabet='0123456789.,[] -eE+N"', max_size=40))
@example("[1.5]")
@example("[01.5]")
@example("[1.5.5]")
@example("[1.]")
@example("[.5]")
@example("[1.5,]")
@example("[1.5][]")
@example("[1.5,2.5")
@example("[[1.5]]")
@example("[1.5]]")
@example("[123456.78]")
@example("[1.5,  2.5]")
@example("[ 1.5]")
@example("1.5,2.5]")
@example("[1.5][2.5,[3.5]")
@example("[1.5]2.5]")
@example("[1.5]]2.5]")
@example("[1.5, [2.5]")
def test_what_is_taken_is_json(text: str) -> None:
    found = short_decimals(text.encode())
    if found is not None:
        lists = json.loads(f"[{text.replace('][', '],[')}]")
        assert [len(values) for values in lists] == found[1].tolist()
        assert [value for values in lists for value in values] == found[0].tolist()


NUMBERS = st.one_of(
    st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 3)),
    st.floats(0, 100, allow_nan=False),
    st.integers(0, 100),
    st.just(float("nan")),
    st.none(),
)


@given(st.lists(st.lists(NUMBERS, max_size=6), min_size=1, max_size=40))
def test_a_table_holds_every_value_in_its_place(rows: list[list[float | None]]) -> None:
    table = curve_table([json.dumps(row).encode() for row in rows], "test_ep_top1")
    assert table.shape == (len(rows), max(map(len, rows)))
    for row, values in zip(rows, table.tolist(), strict=True):
        expected = [float("nan") if value is None else float(value) for value in row]
        padded = expected + [float("nan")] * (table.shape[1] - len(expected))
        assert [str(value) for value in values] == [str(value) for value in padded]
