"""Layers in C on one thread, which tests of them need."""

import os
from collections.abc import Iterator

import pytest
import torch

from trainers.nets import cpu


@pytest.fixture
def compiled() -> Iterator[None]:
    """One thread, and a C compiler: without one a test is skipped, or fails where one is required."""
    if not cpu.available():
        if os.environ.get("EDFSTAT_REQUIRE_COMPILER") == "1":
            pytest.fail("there is no C compiler and EDFSTAT_REQUIRE_COMPILER is 1")
        pytest.skip("there is no C compiler")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def compiled_anew(compiled: None) -> Iterator[None]:
    """What was compiled is forgotten before and after."""
    cpu.functions.cache_clear()
    yield
    cpu.functions.cache_clear()
