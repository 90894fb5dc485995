"""A fixture for folders of tests on tiny models; a conftest.py that imports it has it for all its tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """One thread, for the fixtures of a module too, since tiny models are faster so; OMP_NUM_THREADS may ask
    for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    yield
    torch.set_num_threads(before)
