"""A fixture for folders of tests on tiny models; a conftest.py that imports it has it for all its tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """One thread, for the fixtures of a module too: tiny models are faster so, and results compare to the
    last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
