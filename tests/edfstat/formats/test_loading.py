"""Reading published files: every value compared with what `json` finds in the same file."""

from __future__ import annotations

import gzip
import json
import math
import os
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

import edfstat
from edfstat.errors import FormatError, InputError
from edfstat.formats import published
from edfstat.notes import notes_of
from edfstat.population import build_population
from edfstat.records import make_record
from tests.edfstat.formats.published_files import job, write

SAMPLES = Path(__file__).parents[2] / "data" / "published"
NAMES = ["DARTS", "DARTS_in", "ResNeXt-A", "ResNet"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("piece", [1 << 20, 3000])
def test_every_value_is_that_of_the_file(name: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "PIECE", piece)
    path = SAMPLES / f"{name}.json"
    jobs = json.loads(path.read_text())
    ds = edfstat.load(path, curves=True)
    assert ds["params"].values.tolist() == [j["params"] for j in jobs]
    assert ds["flops"].values.tolist() == [j["flops"] for j in jobs]
    assert ds["error"].values.tolist() == [j["min_test_top1"] for j in jobs]
    assert ds["final_error"].values.tolist() == [j["test_ep_top1"][-1] for j in jobs]
    assert ds["lr"].values.tolist() == [j["optim"]["base_lr"] for j in jobs]
    assert ds["job_id"].values.tolist() == [str(j["job_id"]) for j in jobs]
    assert ds["net"].values.tolist() == [json.dumps(j["net"], sort_keys=True) for j in jobs]
    for key, variable in (
        ("train_ep_loss", "train_loss"),
        ("train_ep_top1", "train_error"),
        ("test_ep_top1", "test_error"),
    ):
        np.testing.assert_array_equal(ds[variable].values, [j[key] for j in jobs])
    diverged = [any(math.isnan(x) for x in j["train_ep_loss"]) for j in jobs]
    assert (ds["status"].values == "diverged").tolist() == diverged
    assert ds["space"].values[0] == name.removesuffix("_in")
    assert set(ds["dataset"].values) == {"imagenet" if name.endswith("_in") else "cifar10"}
    without = edfstat.load(path)
    assert without.equals(ds.drop_dims("epoch"))


@pytest.mark.parametrize("name", ["ResNet.json", "ResNet_reruns.json", "ResNet.jsonl"])
def test_a_mark_of_the_order_of_bytes_is_no_part_of_a_file(name: str, tmp_path: Path) -> None:
    """As some editors put before UTF-8."""
    lines = name.endswith("l")
    text = json.dumps(make_record(edfstat.Trial("ResNet", {"ds": [1]}), min_test_top1=5.0)) if lines else None
    content = text.encode() if text else (SAMPLES / name).read_bytes()
    (tmp_path / name).write_bytes(content)
    marked = tmp_path / "marked" / name
    marked.parent.mkdir()
    marked.write_bytes(b"\xef\xbb\xbf" + content)
    assert edfstat.load(marked).equals(edfstat.load(tmp_path / name))


@pytest.mark.parametrize("piece", [1 << 20, 100])
def test_a_bad_job_is_counted_within_its_list(piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "PIECE", piece)
    lists = {"top": [job(job_id=i) for i in range(5)], "mid": [job(job_id=7), job(job_id=8, params="many"), job()]}
    with pytest.raises(FormatError, match="job 1 of 'mid', key 'params'"):
        edfstat.load(write(tmp_path / "ResNet_reruns.json", lists))


def test_reruns_keep_their_lists() -> None:
    lists = json.loads((SAMPLES / "ResNet_reruns.json").read_text())
    ds = edfstat.load(SAMPLES / "ResNet_reruns.json")
    for group, jobs in lists.items():
        errors = ds["error"].values[ds["group"].values == group]
        assert errors.tolist() == [j["min_test_top1"] for j in jobs]


def test_folder_zip_and_several_files_give_the_same(tmp_path: Path) -> None:
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in SAMPLES.iterdir():
            file.write(path, f"nds_data/{path.name}")
    before = set(tmp_path.rglob("*"))
    from_zip = edfstat.load(archive, curves=True)
    assert set(tmp_path.rglob("*")) == before  # nothing was unpacked
    assert from_zip.identical(edfstat.load(SAMPLES, curves=True))
    several = edfstat.load([SAMPLES / "DARTS.json", SAMPLES / "ResNet.json"])
    assert several.sizes["model"] == 80
    assert [entry["file"] for entry in json.loads(several.attrs["sources"])] == ["DARTS.json", "ResNet.json"]


def test_a_file_fetched_beside_the_archive_does_not_hide_what_is_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
        for path in SAMPLES.iterdir():
            file.write(path, f"nds_data/{path.name}")
    (tmp_path / "checksums.json").write_text("{}")
    whole = edfstat.load(tmp_path)
    assert whole.sizes == edfstat.load(SAMPLES).sizes
    (tmp_path / "ResNet.json").write_bytes((SAMPLES / "ResNet.json").read_bytes())
    beside = edfstat.load(tmp_path)
    assert beside.sizes == whole.sizes
    assert sorted(beside["job_id"].values) == sorted(whole["job_id"].values)


def test_an_archive_got_by_hand_is_what_its_folder_holds(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"holds no results file \(.*\.sqlite.*data\.zip\)"):
        edfstat.load(tmp_path)
    (tmp_path / "data.zip").write_bytes(b"half of it")
    with pytest.raises(FormatError, match=r"data\.zip is no readable zip"):
        edfstat.load(tmp_path)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
        for path in SAMPLES.iterdir():
            file.write(path, f"nds_data/{path.name}")
    assert edfstat.load(tmp_path).sizes == edfstat.load(SAMPLES).sizes


def test_whatever_is_read_by_its_name_is_read_in_its_folder(tmp_path: Path) -> None:
    ds = build_population({"error": [5.0], "space": ["A"]})
    made = []
    for suffix in (".nc", ".nc4", ".NETCDF", ".parquet", ".PQ", ".csv", ".JSON", ".jsonl", ".jsonl.gz", ".zarr"):
        path = edfstat.save(ds.assign_coords(space=("model", [suffix])), tmp_path / f"x{suffix}")
        made.append(path)
    (tmp_path / "y.CSV.GZ").write_bytes(gzip.compress(b"space,error\n.csv.gz,5\n"))
    (tmp_path / "y.tsv").write_text("space\terror\n.tsv\t5\n")
    with closing(sqlite3.connect(tmp_path / "y.SQLITE3")) as base, base:
        base.executescript(
            "CREATE TABLE studies (study_id, study_name); INSERT INTO studies VALUES (1, '.sqlite3');"
            "CREATE TABLE trials (trial_id, number, study_id, state); INSERT INTO trials VALUES (1, 0, 1, 'COMPLETE');"
            "CREATE TABLE trial_values (trial_id, objective, value); INSERT INTO trial_values VALUES (1, 0, 5);"
            "CREATE TABLE trial_user_attributes (trial_id, key, value_json);"
            "CREATE TABLE trial_params (trial_id, param_name, param_value, distribution_json);"
        )
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    named = edfstat.load([*made, *(tmp_path / f"y{end}" for end in (".CSV.GZ", ".tsv", ".SQLITE3"))])
    found = edfstat.load(tmp_path)
    assert sorted(found["space"].values) == sorted(named["space"].values)
    assert found.sizes["model"] == 13
    with zipfile.ZipFile(tmp_path / "z.ZIP", "w") as file:
        for name in ("x.JSON", "x.csv", "y.tsv"):
            file.write(tmp_path / name, f"deep/{name}")
    assert sorted(edfstat.load(tmp_path / "z.ZIP")["space"].values) == [".JSON", ".csv", ".tsv"]


def test_a_space_is_named_by_its_file_without_the_suffix_of_either_case(tmp_path: Path) -> None:
    (tmp_path / "mine.CSV.gz").write_bytes(gzip.compress(b"error\n5\n"))
    assert edfstat.load(tmp_path)["space"].values.tolist() == ["mine"]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "null"])
def test_bare_words_are_read_and_mark_divergence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ResNet.json"
    path.write_text(json.dumps([job(train_ep_loss=[1.5, 0.0])]).replace("0.0]", f"{text}]"))
    ds = edfstat.load(path, curves=True)
    assert ds["status"].item() == "diverged"
    np.testing.assert_array_equal(ds["train_loss"].values, [[1.5, np.nan]])
    assert edfstat.load(path)["status"].item() == "diverged"


def test_words_within_strings_stay(tmp_path: Path) -> None:
    text = json.dumps([job(job_id='a, NaN, "Infinity": [NaN]', train_ep_loss=[math.nan], net={"x": "NaN"})])
    path = tmp_path / "ResNet.json"
    path.write_text(text)
    ds = edfstat.load(path)
    assert ds["job_id"].item() == 'a, NaN, "Infinity": [NaN]'
    assert json.loads(ds["net"].item()) == {"x": "NaN"}


@pytest.mark.parametrize(
    "net", [{"a": 1e-7}, {"a": 1e22}, {"é": "ü"}, {"a": 12345678901234567}, {"b": {}, "a": []}, {"a": "\n\\"}]
)
def test_nets_are_spelled_as_json_does(tmp_path: Path, net: Any) -> None:
    ds = edfstat.load(write(tmp_path / "ResNet.json", [job(net=net), job()]))
    assert ds["net"].values[0] == json.dumps(net, sort_keys=True)


def test_missing_keys(tmp_path: Path) -> None:
    jobs = [job(min_test_top1=..., test_ep_top1=[9.0, 6.5, 7.0]), job(iter_time=0.5, job_id=...)]
    ds = edfstat.load(write(tmp_path / "ResNet.json", jobs))
    assert ds["error"].values.tolist() == [6.5, 7.5]
    assert ds["iter_time"].values.tolist()[1] == 0.5
    assert "lr" not in ds
    assert ds["job_id"].values.tolist() == ["1", ""]
    assert edfstat.load(write(tmp_path / "ResNet.json", jobs), curves=True)["test_error"].values[
        1
    ].tolist() == pytest.approx([np.nan] * 3, nan_ok=True)


CORRUPT = [
    ({"min_test_top1": -1.0}, "min_test_top1"),
    ({"min_test_top1": 100.5}, "min_test_top1"),
    ({"min_test_top1": ...}, "min_test_top1"),
    ({"min_test_top1": "low"}, "min_test_top1"),
    ({"params": -5}, "params"),
    ({"params": 1.5}, "params"),
    ({"params": 10**30}, "params"),
    ({"net": [1, 2]}, "net"),
    ({"optim": {"base_lr": [1]}}, "optim.base_lr"),
    ({"status": "fine"}, "status"),
    ({"rng_seed": "one"}, "rng_seed"),
]


@pytest.mark.parametrize(("change", "key"), CORRUPT)
def test_corrupt_job_is_named_by_index_and_key(tmp_path: Path, change: dict[str, Any], key: str) -> None:
    path = write(tmp_path / "ResNet.json", [job(), job(), job(**change), job()])
    with pytest.raises(FormatError, match=rf"ResNet.json: job 2, key '{key}'"):
        edfstat.load(path)
    ds = edfstat.load(path, errors="skip")
    assert ds.sizes["model"] == 3
    assert ds.attrs["skipped"] == 1
    assert f"job 2, key '{key}'" in json.loads(ds.attrs["skipped_jobs"])[0]


def test_of_several_files_those_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "ResNet.json", [job(), job(params=-1)])
    for name, text in {"Cut.json": '[{"params": 1, ', "Empty.json": "", "Other.json": '{"a": 1}', "X.nc": "no"}.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match=r"Cut\.json"):
        edfstat.load(tmp_path)
    ds = edfstat.load(tmp_path, errors="skip")
    assert ds.sizes["model"] == 1
    assert ds.attrs["skipped"] == 1
    said = notes_of(ds)
    assert [name for text in said for name in ("Cut", "Empty", "Other", "X") if f"{name}." in text] == [
        "Cut", "Empty", "Other", "X",
    ]  # fmt: skip
    with pytest.raises(FormatError, match=r"Cut\.json"):
        edfstat.load(tmp_path / "Cut.json", errors="skip")
    with pytest.raises(FileNotFoundError):
        edfstat.load([tmp_path / "ResNet.json", tmp_path / "Missing.json"], errors="skip")


def test_corrupt_job_in_a_later_piece_has_its_index_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "PIECE", 500)
    path = write(tmp_path / "ResNet.json", [job(params=-1 if i == 77 else i) for i in range(100)])
    with pytest.raises(FormatError, match="job 77, key 'params'"):
        edfstat.load(path)


@pytest.mark.parametrize("piece", [300, 1 << 20])
def test_jobs_without_a_count_that_others_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(published, "PIECE", piece)
    jobs = [job(job_id=i, test_ep_top1=[50.0, 10.0 + i]) for i in range(8)]
    del jobs[2]["params"], jobs[5]["flops"]
    jobs[4]["min_test_top1"] = "low"
    path = write(tmp_path / "ResNet.json", jobs)
    with pytest.raises(FormatError, match="job 4, key 'min_test_top1'"):
        edfstat.load(path)
    jobs[4]["min_test_top1"] = -1
    path = write(tmp_path / "ResNet.json", jobs)
    ds = edfstat.load(path, errors="skip", curves=True)
    assert ds["job_id"].values.tolist() == ["0", "1", "3", "6", "7"]
    assert ds["test_error"].values[:, 1].tolist() == [10.0, 11.0, 13.0, 16.0, 17.0]
    said = json.loads(ds.attrs["skipped_jobs"])
    assert [next(key for key in ("params", "flops", "min_test_top1") if key in text) for text in said] == [
        "min_test_top1", "params", "flops",
    ]  # fmt: skip
    assert "job 5, key 'flops'" in said[2]


def test_progress_names_every_file(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write(tmp_path / f"{name}.json", [job(job_id=name)])
    heard: list[tuple[str, int, int]] = []
    edfstat.load(tmp_path, progress=lambda *news: heard.append(news))
    assert heard == [("A.json", 1, 2), ("B.json", 2, 2)]


def test_corrupt_curve(tmp_path: Path) -> None:
    path = write(tmp_path / "ResNet.json", [job(), job(test_ep_top1=[9.0, 101.0, 8.0])])
    with pytest.raises(FormatError, match=r"job 1, key 'test_ep_top1\[1\]'"):
        edfstat.load(path, curves=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"), ("hello", "starts with"), ("[]", "no jobs"), ("{}", "keys"), ('{"a": 1}', "keys"),
        ('[{"job_id": 1,', "broken JSON"), ("[1, 2]", "job 0"), ('[{"a": 1}] x', "broken JSON"),
        ("[" * 100_000, "job 0"), ('[{"a": ' + "[" * 100_000, "nested too deeply"), ('{"top": [], "mid": {}}', "mid"),
    ],
)  # fmt: skip
def test_files_of_another_shape(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "ResNet.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=says) as caught:
        edfstat.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nested_lists_of_objects_do_not_confuse_the_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "PIECE", 300)
    jobs = [job(job_id=i, more=[{"job_id": 1}, {"job_id": 2, "t": "}, {"}]) for i in range(50)]
    ds = edfstat.load(write(tmp_path / "ResNet.json", jobs))
    assert ds["job_id"].values.tolist() == [str(i) for i in range(50)]


def test_records_skip_a_torn_line_and_repeats(tmp_path: Path) -> None:
    lines = [json.dumps(job(trial_id=name, space="A", dataset="digits")) for name in ("x", "y", "x")]
    (tmp_path / "one.jsonl").write_text("\n".join(lines) + '\n{"job_id": 5, "par')
    (tmp_path / "two.jsonl").write_text(
        json.dumps(job(trial_id="y", space="B")) + "\n" + json.dumps(job(space="C")) + "\n"
    )
    ds = edfstat.load(tmp_path)
    assert ds["space"].values.tolist() == ["A", "A", "C"]
    assert ds.attrs["skipped"] == 3


def test_a_broken_line_within_a_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(job()) + "\n{oops\n" + json.dumps(job()) + "\n")
    with pytest.raises(FormatError, match="record 1 is broken JSON"):
        edfstat.load(path)
    assert edfstat.load(path, errors="skip").sizes["model"] == 2


def test_a_sweep_folder_is_its_records(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "trials.jsonl").write_text("{}\n")
    (tmp_path / "records" / "w1.jsonl").write_text(json.dumps(job(space="A")) + "\n")
    assert edfstat.load(tmp_path)["space"].item() == "A"


@pytest.mark.parametrize("skip", ["raise", "skip"])
@pytest.mark.parametrize("left", ["", '{"trial_id": "y", "par'])
@pytest.mark.parametrize("name", ["w0.jsonl", "w2.jsonl"])
def test_a_sweep_whose_worker_was_killed_before_its_first_record(
    tmp_path: Path, name: str, left: str, skip: Literal["raise", "skip"]
) -> None:
    records = tmp_path / "records"
    records.mkdir()
    (records / name).write_text(left)
    with pytest.raises(FormatError, match=f"no model in {tmp_path}"):
        edfstat.load(tmp_path, errors=skip)
    (records / "w1.jsonl").write_text(json.dumps(job(trial_id="x", space="A")) + "\n")
    assert edfstat.load(tmp_path, errors=skip)["space"].values.tolist() == ["A"]
    with pytest.raises(FormatError, match=f"{name} holds no records"):  # named, it should hold something
        edfstat.load(records / name, errors=skip)
    if skip == "raise":
        with pytest.raises(FormatError, match=f"{name} holds no records"):
            edfstat.load([records / "w1.jsonl", records / name])
    else:
        both = edfstat.load([records / "w1.jsonl", records / name], errors="skip")
        assert (both.sizes["model"], f"{name} holds no records" in notes_of(both)[0]) == (1, True)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("skip", ["raise", "skip"])
def test_a_record_alone_is_read_as_a_line_of_it_is(
    tmp_path: Path, indent: int | None, skip: Literal["raise", "skip"]
) -> None:
    trial = edfstat.Trial(space="A", net={"ds": [1, 2]}, dataset="digits")
    record = make_record(trial, min_test_top1=7.5, params=10, test_ep_top1=[9.0, 7.5])
    alone, line = tmp_path / "record.json", tmp_path / "record.jsonl"
    alone.write_text(json.dumps(record, indent=indent))
    line.write_text(json.dumps(record) + "\n")
    ds = edfstat.load(alone, curves=True, errors=skip)
    assert ds.drop_vars("source").equals(edfstat.load(line, curves=True).drop_vars("source"))
    assert edfstat.load([line, alone], errors=skip).sizes["model"] == 1  # of one trial the first record counts
    alone.write_text(json.dumps({**record, "params": -1}))
    says = "job 0, key 'params'" if skip == "raise" else "holds no records"
    with pytest.raises(FormatError, match=says):
        edfstat.load(alone, errors=skip)


def test_the_folder_of_a_training_is_read_by_its_record(tmp_path: Path) -> None:
    trial = edfstat.Trial(space="A", net={"ds": [1, 2]}, dataset="digits")
    (tmp_path / "record.json").write_text(json.dumps(make_record(trial, min_test_top1=7.5)))
    (tmp_path / "progress.jsonl").write_text('{"epoch": 1, "train_loss": 0.5}\n')
    assert edfstat.load(tmp_path)["error"].values.tolist() == [7.5]


@pytest.mark.parametrize("content", [b"no zip", None])
def test_an_archive_that_no_download_left_is_none_of_the_results(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "mine.csv").write_text("space,error\nA,5\nA,6\n")
    if content is None:
        with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
            file.writestr("annotations/train.json", "{}")
    else:
        (tmp_path / "data.zip").write_bytes(content)
    assert edfstat.load(tmp_path).sizes["model"] == 2
    with pytest.raises(FileNotFoundError, match=r"there is no file \S+missing\.json"):
        edfstat.load(tmp_path / "missing.json")


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([[5.0, 1, 2], [6.0, 1, 2]], columns=["error", "params", "params"])
    with pytest.raises(FormatError, match="two columns named 'params'"):
        edfstat.load(frame)


@pytest.mark.parametrize("suffix", ["", ".json", ".csv"])
def test_a_pipe_is_refused_before_anything_is_read_of_it(tmp_path: Path, suffix: str) -> None:
    pipe = tmp_path / f"pipe{suffix}"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=f"pipe{suffix} is a pipe or a device, .* save it to a file first"):
        edfstat.load(pipe)


def test_archives_that_lead_out_or_unfold_too_far_are_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as file:
        file.writestr("../ResNet.json", "[]")
    with pytest.raises(FormatError, match="leads out"):
        edfstat.load(evil)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("ResNet.json", b"[" + b" " * (100 << 20))
    with pytest.raises(FormatError, match="unfolds to more"):
        edfstat.load(bomb)
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(FormatError, match="no readable zip"):
        edfstat.load(tmp_path / "no.zip")


def test_one_very_long_curve_cannot_ask_for_a_huge_table(tmp_path: Path) -> None:
    jobs = [job(test_ep_top1=[5.0] * 300_000)] + [job(test_ep_top1=[5.0]) for _ in range(3000)]
    with pytest.raises(FormatError, match="far more than"):
        edfstat.load(write(tmp_path / "ResNet.json", jobs), curves=True)


def test_cache_gives_the_same_and_follows_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edfstat.formats.cache.SMALLEST", 1)
    path = tmp_path / "ResNet.json"
    path.write_bytes((SAMPLES / "ResNet.json").read_bytes())
    first = {curves: edfstat.load(path, curves=curves) for curves in (True, False)}
    assert list((tmp_path / "cache").glob("*.columns"))
    monkeypatch.setattr("edfstat.formats.loading.read_published", None)  # reading the file again would fail
    for curves, population in first.items():
        assert edfstat.load(path, curves=curves).identical(population)
    monkeypatch.undo()
    monkeypatch.setenv("EDFSTAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("edfstat.formats.cache.SMALLEST", 1)
    write(path, [job()])
    assert edfstat.load(path).sizes["model"] == 1
    for entry in (tmp_path / "cache").glob("*.columns"):
        entry.write_bytes(entry.read_bytes()[:-40])
    assert edfstat.load(path).sizes["model"] == 1


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        edfstat.load(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match="errors is 'ignore'"):
        edfstat.load(SAMPLES / "ResNet.json", errors="ignore")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least one"):
        edfstat.load([])
    for given in (None, 5, b"/x", ["a.json", None], {"a": 1}):
        with pytest.raises(InputError, match="give a path, several in a list, or a DataFrame"):
            edfstat.load(given)  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="no results file"):
        edfstat.load(tmp_path)
    assert set(edfstat.load(SAMPLES / "ResNet.json", space="mine")["space"].values) == {"mine"}


def test_the_convention_of_flops_is_told_where_there_are_flops(tmp_path: Path) -> None:
    told = edfstat.load(SAMPLES / "ResNet.json").attrs["flops_convention"]
    assert "5 x batch-norm outputs" in told
    assert edfstat.load([SAMPLES / "ResNet.json", SAMPLES / "DARTS.json"]).attrs["flops_convention"] == told
    silent = write(tmp_path / "ResNet.json", [job(flops=...)])
    assert "flops_convention" not in edfstat.load(silent).attrs


def test_databases_of_other_programs_beside_results_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("error,space\n5.0,A\n6.0,A\n")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("create table runs (x)")
        database.commit()
    assert edfstat.load(tmp_path).sizes["model"] == 2
    with pytest.raises(FormatError, match="no Optuna storage"):
        edfstat.load(tmp_path / "mlflow.db")


def test_a_mark_of_utf_8_before_records(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(json.dumps(job(job_id=i)).encode() for i in range(2)))
    assert edfstat.load(path)["job_id"].values.tolist() == ["0", "1"]


def test_extra_variables_do_not_replace_those_of_the_data_model(tmp_path: Path) -> None:
    path = write(tmp_path / "one.json", [job(), job(extra={"mine": 1, "error": 99.0})])
    with pytest.raises(FormatError, match=r"job 1, key 'extra.error': error is a variable of the data model"):
        edfstat.load(path)


def test_what_every_population_has_is_never_absent(tmp_path: Path) -> None:
    found = edfstat.load(write(tmp_path / "A.json", [job(absent=["space", "error", "status", "net"])]))
    assert found["error"].values.tolist() == [7.5]
    assert found["space"].values.tolist() == ["A"]
    assert "net" not in found


def test_a_table_with_a_column_epoch_beside_curves(tmp_path: Path) -> None:
    """Such as the epoch of the best error; curves have a dimension of that name."""
    (tmp_path / "a.csv").write_text("error,epoch\n5,90\n")
    write(tmp_path / "b.json", [job(test_ep_top1=[9.0, 7.5])])
    for order in (("a.csv", "b.json"), ("b.json", "a.csv")):
        found = edfstat.load([tmp_path / name for name in order], curves=True).sortby("error")
        np.testing.assert_array_equal(found["epoch"].values, [90, np.nan])
        np.testing.assert_array_equal(found["test_error"].values, [[np.nan, np.nan], [9.0, 7.5]])
        assert edfstat.load(edfstat.save(found, tmp_path / "c.nc"), curves=True).equals(found)
        (tmp_path / "c.nc").unlink()


def test_no_name_is_not_the_folder_here() -> None:
    with pytest.raises(InputError, match="name of a file is empty"):
        edfstat.load("")
