"""A small trial on digits, and what of its record does not depend on the clock."""

from typing import Any

from edfstat import Trial

NET = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [16, 16, 16, 16], "ss": [1, 1, 2, 2]}


def trial(epochs: int = 3, **changes: Any) -> Trial:
    settings: dict[str, Any] = {
        "net": NET, "dataset": "digits", "optim": {"max_ep": epochs}, "options": {"train_images": 400},
    }  # fmt: skip
    return Trial("ResNet", **{**settings, **changes})


def outcome(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in ("provenance", "iter_time")}
