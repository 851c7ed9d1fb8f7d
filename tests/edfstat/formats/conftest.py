"""No test of formats reads what another kept."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDFSTAT_CACHE", str(tmp_path / "cache"))
