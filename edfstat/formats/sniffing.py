"""Which program wrote a JSON file, by the keys of its first entry."""

from __future__ import annotations

import json
import re
from typing import Literal

from edfstat.formats.sources import Source

__all__ = ["json_kind"]

Kind = Literal["published", "pycls", "wandb", "optuna", "record"]
HEAD = 1 << 18
_LISTS = re.compile(r'\{\s*"(top|mid)"\s*:')


def json_kind(source: Source) -> Kind:
    """Format of a JSON file: published unless its first entry has the marks of another program's."""
    with source.open() as stream:
        head = stream.read(HEAD)
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if text[:1] == "{":
        if '"trials"' in text[:2000]:
            return "optuna"
        return "record" if '"trial_id"' in text and not _LISTS.match(text) else "published"
    try:
        first, _ = json.JSONDecoder().raw_decode(text[1:].lstrip())
    except (ValueError, RecursionError):  # longer than the head, or broken: the reader will say
        return "pycls" if '"log_file"' in text or '"train_epoch"' in text else "published"
    keys = set(first) if isinstance(first, dict) else set()
    if keys & {"min_test_top1", "test_ep_top1"}:
        return "published"
    if keys & {"log_file", "test_epoch", "train_epoch"}:
        return "pycls"
    if keys & {"summary", "summaryMetrics", "summary_metrics", "_wandb"}:
        return "wandb"
    if {"number", "state"} <= keys:
        return "optuna"
    return "published"
