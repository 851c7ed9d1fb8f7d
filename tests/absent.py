"""What a test needs and this machine may lack."""

import os
from typing import NoReturn

import pytest

__all__ = ["absent"]


def absent(kind: str, reason: str) -> NoReturn:
    """Skip a test, or fail it where what it needs is required: EDFSTAT_REQUIRE_<kind> is 1, as in CI."""
    if os.environ.get(f"EDFSTAT_REQUIRE_{kind}") == "1":
        pytest.fail(f"{reason}, and EDFSTAT_REQUIRE_{kind} is 1")
    pytest.skip(reason)
