"""What `save` writes, `load` reads back: any texts and numbers in columns of one's own, in every format."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edfstat
from edfstat.population import build_population

MODELS = 3
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=6) | st.sampled_from(
    ["0012345", "", "True", "1_000", " 1", "1e999", "nan", "12", "0.50", "a\rb", "a\nb", '"', ",", ";", "\r", "+1",
     "-0", "123456789012345678901", "False", "-inf"]
)  # fmt: skip
TYPES = ["int8", "uint8", "int32", "int64", "uint64", "float32", "float64", "bool"]


@st.composite
def columns(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """A column of texts or of numbers of some type."""
    if draw(st.booleans()):
        values = np.empty(MODELS, dtype=object)
        values[:] = draw(st.lists(TEXTS, min_size=MODELS, max_size=MODELS))
        return values
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    if dtype.kind == "f":
        cells: Any = st.floats(width=8 * dtype.itemsize)
    elif dtype.kind == "b":
        cells = st.booleans()
    else:
        cells = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    return np.array(draw(st.lists(cells, min_size=MODELS, max_size=MODELS)), dtype=dtype)


def again(values: np.ndarray[Any, Any], suffix: str) -> np.ndarray[Any, Any]:
    ds = build_population({"error": [5.0, 6.0, 7.0], "mine": values})
    with tempfile.TemporaryDirectory() as folder:
        read = edfstat.load(edfstat.save(ds, Path(folder, f"x{suffix}"))).drop_vars("source")
    if suffix in (".nc", ".zarr", ".parquet"):
        assert read["mine"].dtype == values.dtype
    return read["mine"].values


@pytest.mark.parametrize("suffix", [".parquet", ".nc", ".zarr"])
@settings(max_examples=60, deadline=None)
@given(values=columns())
def test_columns_come_back_as_they_are(suffix: str, values: np.ndarray[Any, Any]) -> None:
    np.testing.assert_array_equal(again(values, suffix), values)


def is_number(text: str) -> bool:
    """By Python's own reading of it, and more: what it cannot read is no number in a CSV file either."""
    try:
        float(text)
    except ValueError:
        return False
    return True


@settings(max_examples=200, deadline=None)
@given(values=columns())
def test_columns_come_back_from_csv(values: np.ndarray[Any, Any]) -> None:
    read = again(values, ".csv")
    if values.dtype == object and read.dtype != object:  # only where all that is there is written as numbers are
        texts = [text for text in values if text]
        assert texts
        assert all(map(is_number, texts)) or set(texts) <= {"True", "False"}
        assert not any(text[0] in "0+" and text[1:2].isdigit() for text in texts)
        assert not any(set(text) & set(" _") for text in texts)
        words = {"": "nan", "True": "1", "False": "0"}
        np.testing.assert_array_equal(read.astype(float), [float(words.get(text, text)) for text in values])
    else:
        np.testing.assert_array_equal(read, values)


@settings(max_examples=60, deadline=None)
@given(values=columns())
def test_columns_come_back_from_json(values: np.ndarray[Any, Any]) -> None:
    finite = np.where(np.isfinite(values), values, np.nan) if values.dtype.kind == "f" else values
    np.testing.assert_array_equal(again(values, ".json"), finite)
