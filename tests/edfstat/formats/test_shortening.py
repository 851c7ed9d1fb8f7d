"""Taking lists out before decoding changes nothing: compared with what `json` finds, in odd files too."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edfstat
from edfstat.formats import published

VARIABLES = {"train_ep_loss": "train_loss", "train_ep_top1": "train_error", "test_ep_top1": "test_error"}
LISTS = (*VARIABLES, "train_it_loss", "train_it_top1")
TRAP = '"train_ep_loss": [1, 2], "net": {"train_it_loss": [3]}, ] [ NaN \\'

percents = st.floats(0, 100) | st.integers(0, 100)
losses = st.floats(0, 50) | st.just(math.nan) | st.none()
values = {key: st.lists(losses if "loss" in key else percents, max_size=5) for key in LISTS}
nets = st.dictionaries(st.sampled_from([*LISTS, "ds", "é", TRAP]), st.lists(st.integers(0, 9)) | st.text(), max_size=3)
jobs = st.fixed_dictionaries(
    {"min_test_top1": percents, "net": nets, "job_id": st.text(max_size=4) | st.just(TRAP)}, optional=values
)
spacings = st.sampled_from([(", ", ": ", None), (",", ":", None), (" , ", " : ", None), (",", ": ", 2)])


def curve(job: dict[str, Any], key: str) -> list[float]:
    return [math.nan if value is None else float(value) for value in job.get(key, [])]


def check(text: str, piece: int) -> None:
    expected = json.loads(text)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "PIECE", piece)
        path = Path(folder, "ResNet.json")
        path.write_text(text, encoding="utf-8")
        with_curves, without = (edfstat.load(path, curves=curves, cache=False) for curves in (True, False))
    assert without.equals(with_curves.drop_dims("epoch", errors="ignore"))
    assert without["error"].values.tolist() == [job["min_test_top1"] for job in expected]
    assert without["job_id"].values.tolist() == [job["job_id"] for job in expected]
    assert [json.loads(net) for net in without["net"].values] == [job["net"] for job in expected]
    last = [(curve(job, "test_ep_top1") or [math.nan])[-1] for job in expected]
    if "final_error" in without:
        np.testing.assert_array_equal(without["final_error"].values, last)
    else:
        assert all(map(math.isnan, last))
    diverged = [any(map(math.isnan, curve(job, "train_ep_loss"))) for job in expected]
    assert (without["status"].values == "diverged").tolist() == diverged
    for key, name in VARIABLES.items():
        for row, job in enumerate(expected):
            found = with_curves[name].values[row].tolist() if name in with_curves else []
            wanted = curve(job, key)
            np.testing.assert_array_equal(found[: len(wanted)], wanted)
            assert all(map(math.isnan, found[len(wanted) :]))


@settings(max_examples=120)
@given(
    jobs=st.lists(jobs, min_size=1, max_size=6),
    order=st.permutations(["min_test_top1", "net", "job_id", *LISTS]),
    spacing=spacings,
    ascii_only=st.booleans(),
    piece=st.sampled_from([300, 1 << 20]),
)
def test_same_as_json(jobs: list[dict[str, Any]], order: list[str], spacing: Any, ascii_only: bool, piece: int) -> None:
    ordered = [{key: job[key] for key in order if key in job} for job in jobs]
    comma, colon, indent = spacing
    check(json.dumps(ordered, separators=(comma, colon), indent=indent, ensure_ascii=ascii_only), piece)


@pytest.mark.parametrize(
    "more",
    [
        '"train_ep_loss": [9.0], "train_ep_loss": [1.0, NaN]',
        '"test_ep_top1": [9.0], "test_ep_top1": [1.0, 2.5], "train_it_loss": [[1], 2]',
        '"train_it_loss": ["a]b", 2], "train_ep_loss": [1.5, 2]',
        '"other": {"train_ep_loss": [1.5, 2], "test_ep_top1": [3]}',
        '"train_ep_top1": [ ], "train_it_top1": [\n1.5,\t2 ]',
        '"test_ep_top1": [12.25, 8.125, 100.0, 3.0625, 12.0000000000000001]',
    ],
)
def test_odd_spellings(more: str) -> None:
    plain = '{"job_id": "x", "net": {}, "min_test_top1": 5.5, "train_ep_loss": [1.25, 2.5], "test_ep_top1": [6, 7.5]}'
    check(f'[{plain}, {{"job_id": "y", "net": {{}}, "min_test_top1": 5.5, {more}}}, {plain}]', 1 << 20)
