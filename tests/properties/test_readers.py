"""Readers meet anything: they give a valid population or one clear refusal, never another error."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import edfstat
from edfstat.errors import FormatError

SAMPLE = (Path(__file__).parents[1] / "data" / "published" / "ResNet.json").read_bytes()[:4000]
KEYS = st.sampled_from(
    ["params", "flops", "net", "optim", "min_test_top1", "test_ep_top1", "train_ep_loss", "job_id", "status"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | KEYS, inner, max_size=4),
    max_leaves=8,
)


def attempt(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        for errors in ("raise", "skip"):
            try:
                edfstat.validate(edfstat.load(path, curves=True, errors=errors))
            except FormatError as refused:
                said = str(refused)
            else:
                said = name
            assert name in said


@settings(max_examples=60)
@given(jobs=st.lists(st.dictionaries(KEYS, VALUES, max_size=9), max_size=4))
def test_any_jobs(jobs: list[Any]) -> None:
    attempt("ResNet.json", json.dumps(jobs).encode())
    attempt("r.jsonl", b"\n".join(json.dumps(job).encode() for job in jobs))


@settings(max_examples=60)
@given(at=st.integers(0, len(SAMPLE)), cut=st.integers(0, 20), new=st.binary(max_size=6))
def test_damaged_files(at: int, cut: int, new: bytes) -> None:
    attempt("ResNet.json", SAMPLE[:at] + new + SAMPLE[at + cut :])
