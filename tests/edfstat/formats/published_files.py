"""Small files of the published form."""

import json
from pathlib import Path
from typing import Any


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def job(**changes: Any) -> dict[str, Any]:
    made = {"job_id": 1, "params": 10, "flops": 20, "net": {"ds": [1, 2]}, "min_test_top1": 7.5}
    return {key: value for key, value in (made | changes).items() if value is not ...}
