"""Writing populations: what is read back is what was written, or nothing is written at all."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edfstat
from edfstat.errors import FormatError, InputError
from edfstat.population import build_population

SAMPLES = Path(__file__).parents[2] / "data" / "published"
NAMES = ["DARTS", "DARTS_in", "ResNeXt-A", "ResNet"]
EVERY = [".nc", ".zarr", ".parquet", ".csv", ".json", ".jsonl", ".jsonl.gz"]
TABULAR = EVERY[2:]


@pytest.mark.parametrize("suffix", EVERY)
@pytest.mark.parametrize("name", [*NAMES, "ResNet_reruns"])
def test_round_trips_are_exact(tmp_path: Path, suffix: str, name: str) -> None:
    ds = edfstat.load(SAMPLES / f"{name}.json", curves=True).drop_vars("source")
    for _ in range(2):  # the second time replaces the first
        path = edfstat.save(ds, tmp_path / f"copy{suffix}")
    again = edfstat.load(path, curves=True).drop_vars("source")
    assert again.equals(ds)
    if suffix in (".nc", ".zarr", ".parquet"):
        assert again.attrs == ds.attrs
    assert [p.name for p in tmp_path.iterdir()] == [f"copy{suffix}"]


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".parquet", ".csv", ".json", ".jsonl"])
def test_round_trip_of_odd_values(tmp_path: Path, suffix: str) -> None:
    ds = build_population({
        "error": [0.1 + 0.2, np.nan, 5e-324], "status": ["ok", "diverged", "ok"], "space": ["a,\"b'", "", "é\nü"],
        "lr": [np.nan, 1e-5, 1 / 3], "train_loss": [[1.0, np.nan], [np.nan, np.nan], [0.1, 2.0]],
        "net": ["{}", '{"a": 1e-07}', '{"ds": []}'], "mine": [1.5, np.nan, 2.5], "note": ["", "x", "1"],
    })  # fmt: skip
    again = edfstat.load(edfstat.save(ds, tmp_path / f"odd{suffix}"), curves=True)
    assert again.drop_vars("source").equals(ds)


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".parquet", ".csv", ".json", ".jsonl"])
def test_columns_without_a_value(tmp_path: Path, suffix: str) -> None:
    ds = build_population({"error": [5.0, 6.0], "mine": np.full(2, np.nan), "note": np.array(["", ""], dtype=object)})
    again = edfstat.load(edfstat.save(ds, tmp_path / f"x{suffix}"))
    assert again["mine"].dtype == float
    assert again["note"].values.tolist() == ["", ""]
    assert np.isnan(again["mine"].values).all()


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "\r", "\r\n", 'a"\r"'])
def test_ends_of_lines_within_texts(tmp_path: Path, text: str) -> None:
    ds = build_population({"error": [5.0, 6.0], "space": [text, "B"]})
    path = edfstat.save(ds, tmp_path / "x.csv")
    assert edfstat.load(path)["space"].values.tolist() == [text, "B"]
    assert not path.read_bytes().endswith(b"\r\n")


def test_curves_of_ones_own(tmp_path: Path) -> None:
    ds = build_population({
        "error": [5.0, 6.0], "train_loss": [[1.0, 0.5, 0.2], [2.0, 1.0, np.nan]],
        "mine": [[1.0, 2.0, 3.0], [1.0, np.nan, np.nan]],
    })  # fmt: skip
    for suffix in (".nc", ".zarr", ".parquet"):
        path = edfstat.save(ds, tmp_path / f"x{suffix}")
        assert edfstat.load(path, curves=True).drop_vars("source").equals(ds)
        assert "mine" not in edfstat.load(path).variables
    for suffix in (".csv", ".json", ".jsonl"):
        with pytest.raises(InputError, match=r"cannot hold the curves mine.*\.parquet"):
            edfstat.save(ds, tmp_path / f"x{suffix}")


@pytest.mark.parametrize("suffix", EVERY)
def test_one_long_text_takes_its_own_memory_only(tmp_path: Path, suffix: str) -> None:
    texts = np.full(2000, "", dtype=object)
    texts[7] = "x" * 20_000
    ds = build_population({"error": np.full(2000, 5.0), "message": texts})
    tracemalloc.start()
    again = edfstat.load(edfstat.save(ds, tmp_path / f"x{suffix}"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert again["message"].values.tolist() == texts.tolist()
    assert again["message"].dtype == object
    assert peak < 2000 * 20_000  # of as many bytes would be an array of texts of one length, four times over


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    ds = build_population({"error": [5.0, 6, 7, 6, 7, 8], "space": ["A"] * 3 + ["B"] * 3})
    assert edfstat.save(ds, "~/x.csv") == home / "x.csv"
    assert edfstat.load("~/x.csv")["error"].values.tolist() == ds["error"].values.tolist()
    assert edfstat.report(ds, "~/x.md", n_resamples=9, rng=0) == home / "x.md"
    assert sorted(p.name for p in home.iterdir()) == ["x.csv", "x.md"]
    assert not list(elsewhere.iterdir())
    assert edfstat.save(ds, "~$x.csv").absolute() == elsewhere / "~$x.csv"  # no user's home: a file's name
    assert edfstat.load("~$x.csv").sizes["model"] == 6


@pytest.mark.parametrize("suffix", [".csv", ".json", ".nc", ".parquet", ".jsonl"])
def test_a_name_that_is_not_utf_8(tmp_path: Path, suffix: str) -> None:
    ds = edfstat.load(SAMPLES / "ResNet.json")
    path = edfstat.save(ds.drop_vars("source"), tmp_path / f"res{suffix}")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/r\xe9s" + suffix.encode())
    path.rename(odd)
    again = edfstat.load(odd)
    assert set(again["source"].values) == {f"r\ufffds{suffix}"}
    assert again["error"].values.tolist() == ds["error"].values.tolist()
    for kind in (".nc", ".csv", ".html"):
        write_as = edfstat.report if kind == ".html" else edfstat.save
        assert write_as(again, tmp_path / f"out{kind}").exists()
    assert edfstat.save(again, os.fsdecode(os.fsencode(tmp_path) + b"/\xfc" + suffix.encode())).exists()
    with pytest.raises(FileNotFoundError) as caught:
        edfstat.load(os.fsdecode(os.fsencode(tmp_path) + b"/\xe8" + suffix.encode()))
    assert str(caught.value).isprintable()


def test_unwritable_targets(tmp_path: Path) -> None:
    ds = build_population({"error": [1.0]})
    with pytest.raises(InputError, match="no folder"):
        edfstat.save(ds, tmp_path / "missing" / "x.nc")
    with pytest.raises(InputError, match="end it in one of"):
        edfstat.save(ds, tmp_path / "x.xlsx")
    (tmp_path / "x.nc").mkdir()
    with pytest.raises(InputError, match="it is a folder"):
        edfstat.save(ds, tmp_path / "x.nc")


@pytest.mark.parametrize("suffix", EVERY)
def test_files_of_any_two_formats_are_read_as_one(tmp_path: Path, suffix: str) -> None:
    """Also with text that is not of the data model, which stores give back in types of their own."""
    ds = build_population({"error": [5.0, 6], "space": ["A", "A"], "gpu": ["x", "y"]})
    other = build_population({"error": [7.0], "space": ["B"], "gpu": ["z"]})
    paths = [edfstat.save(ds, tmp_path / f"one{suffix}"), edfstat.save(other, tmp_path / "two.csv")]
    assert edfstat.load(paths)["gpu"].values.tolist() == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("suffix", "variable", "said"),
    [
        *[(suffix, (("model", "k"), np.ones((2, 3))), "of dimensions .'model', 'k'.") for suffix in TABULAR],
        *[(suffix, ("epoch", np.arange(3)), "of dimensions .'epoch',.") for suffix in TABULAR],
        *[(suffix, ("model", np.zeros(2, dtype="M8[ns]")), "type datetime64") for suffix in EVERY],
    ],
)
def test_what_a_file_would_lose_is_refused_by_name(tmp_path: Path, suffix: str, variable: Any, said: str) -> None:
    ds = build_population({"error": [5.0, 6], "space": ["A", "A"]}).assign(mine=variable)
    with pytest.raises(InputError, match=f"cannot hold mine, .*{said}"):
        edfstat.save(ds, tmp_path / f"x{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [True, None, {"a": 1}, [1, None], [[1], [1, 2]], ["a", 1], ["a", None]])
def test_attributes_that_netcdf_cannot_hold_are_refused_by_name(tmp_path: Path, value: Any) -> None:
    ds = build_population({"error": [5.0, 6], "space": ["A", "A"]}, {"mine": value})
    with pytest.raises(FormatError, match="the attribute mine is"):
        edfstat.save(ds, tmp_path / "x.nc")
    assert not list(tmp_path.iterdir())
    assert edfstat.load(edfstat.save(ds, tmp_path / "x.parquet")).attrs["mine"] == value


@pytest.mark.parametrize("value", ["text", "", 5, 0.5, ["a", "b"], [1.0, 2.0]])
def test_attributes_come_back_from_netcdf(tmp_path: Path, value: Any) -> None:
    ds = build_population({"error": [5.0, 6], "space": ["A", "A"]}, {"mine": value})
    again = edfstat.load(edfstat.save(ds, tmp_path / "x.nc")).attrs["mine"]
    assert np.asarray(again).tolist() == value


def test_texts_of_any_shape_go_to_zarr(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    ds = build_population({"error": [5.0, 6.0], "test_error": np.array([[9.0, 5.0], [8.0, 6.0]])})
    ds = ds.assign(step=(("model", "epoch"), np.array([["a", "b"], ["c", "d"]], dtype=object))).assign_coords(run="x")
    found = edfstat.load(edfstat.save(ds, tmp_path / "a.zarr"), curves=True)
    assert found["step"].values.tolist() == [["a", "b"], ["c", "d"]]
    assert found["run"].item() == "x"
    again = edfstat.load(edfstat.save(ds, tmp_path / "b.nc"), curves=True)
    assert edfstat.load(edfstat.save(again, tmp_path / "c.zarr"), curves=True)["run"].item() == "x"


def test_curves_that_parquet_would_change_are_refused(tmp_path: Path) -> None:
    ds = build_population({"error": [5.0, 6.0], "mine": np.array([[1, 2], [3, 4]])})
    with pytest.raises(InputError, match=r"cannot hold the curves mine.* save as \.nc or \.zarr"):
        edfstat.save(ds, tmp_path / "a.parquet")
    assert edfstat.load(edfstat.save(ds, tmp_path / "a.nc"), curves=True)["mine"].dtype == np.int64
    empty = build_population({"error": [5.0, 6.0], "mine": np.full((2, 3), np.nan)})
    assert edfstat.load(edfstat.save(empty, tmp_path / "b.parquet"), curves=True).sizes["model"] == 2


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_json_says_what_is_not_known(tmp_path: Path, suffix: str) -> None:
    """Readers would take these errors from the curves, and leave out what no model has."""
    ds = build_population({
        "error": [np.nan, 6.0, np.nan, 5.0], "status": ["diverged", "ok", "lost", "ok"],
        "final_error": [8.0, np.nan, np.nan, 5.0], "lr": np.full(4, np.nan), "net": ["{}", '{"a": 1}', "", "{}"],
        "test_error": [[9.0, 8.0], [6.0, 7.0], [9.0, np.nan], [5.0, np.nan]],
    })  # fmt: skip
    again = edfstat.load(edfstat.save(ds, tmp_path / f"x{suffix}"), curves=True)
    assert again.drop_vars("source").equals(ds)


@pytest.mark.parametrize("suffix", EVERY)
def test_curves_without_an_epoch(tmp_path: Path, suffix: str) -> None:
    ds = build_population({"error": [5.0, 6.0], "train_loss": np.zeros((2, 0)), "test_error": np.zeros((2, 0))})
    again = edfstat.load(edfstat.save(ds, tmp_path / f"x{suffix}"), curves=True)
    assert again.drop_vars("source").equals(ds)


@pytest.mark.parametrize("net", ['"resnet18"', "[1, 2]", "7", "null", "resnet18"])
def test_a_net_that_json_files_would_not_be_read_with_is_refused(tmp_path: Path, net: str) -> None:
    ds = build_population({"error": [5.0, 6.0], "net": ["{}", net]})
    with pytest.raises(FormatError, match="net of model 1 is no JSON object"):
        edfstat.save(ds, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())
    assert edfstat.load(edfstat.save(ds, tmp_path / "x.csv"))["net"].values.tolist() == ["{}", net]


def test_parquet_of_ours_has_our_names(tmp_path: Path) -> None:
    """In any other table these would stand for flops, lr and params."""
    ds = build_population({"error": [5.0, 6.0], "macs": [1, 2], "base_lr": [0.1, 0.2], "parameters": ["a", "b"]})
    assert edfstat.load(edfstat.save(ds, tmp_path / "x.parquet")).drop_vars("source").equals(ds)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize("name", ["val/acc", "", ".", "a\0b"])
def test_names_that_stores_cannot_hold_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    ds = build_population({"error": [5.0, 6.0], name: [1, 2]})
    with pytest.raises(InputError, match="cannot hold a variable named"):
        edfstat.save(ds, tmp_path / f"x{suffix}")
    assert not list(tmp_path.iterdir())
    assert edfstat.load(edfstat.save(ds, tmp_path / "x.parquet"))[name].values.tolist() == [1, 2]


@pytest.mark.parametrize("suffix", EVERY)
@pytest.mark.parametrize("values", [["a", None], ["a", np.nan], ["a", 1], [1, 2], [True, False], [{"a": 1}, {}]])
def test_what_is_no_text_among_texts_is_refused(tmp_path: Path, suffix: str, values: list[Any]) -> None:
    mine = np.empty(2, dtype=object)
    mine[:] = values
    ds = build_population({"error": [5.0, 6.0]}).assign(mine=("model", mine))
    with pytest.raises(InputError, match=r"cannot hold mine, whose type is object and which has .*, no text"):
        edfstat.save(ds, tmp_path / f"x{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", EVERY)
def test_numbers_of_another_byte_order(tmp_path: Path, suffix: str) -> None:
    ds = build_population({"error": [5.0, 6.0], "mine": np.array([1, 2], dtype=">i4"), "half": np.ones(2, "f2")})
    assert edfstat.load(edfstat.save(ds, tmp_path / f"x{suffix}")).drop_vars("source").equals(ds)
    if np.dtype(np.longdouble).itemsize > 8:
        with pytest.raises(InputError, match="cannot hold mine, of type float"):
            edfstat.save(ds.assign(mine=("model", np.ones(2, np.longdouble))), tmp_path / f"y{suffix}")


@pytest.mark.parametrize("suffix", EVERY)
def test_suffixes_of_upper_case(tmp_path: Path, suffix: str) -> None:
    ds = build_population({"error": [5.0, 6.0], "space": ["A", "B"]})
    for _ in range(2):  # the second time replaces the first
        path = edfstat.save(ds, tmp_path / f"X{suffix.upper()}")
    assert edfstat.load(path).drop_vars("source").equals(ds)
