"""Fixtures of the training tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """One thread, for the fixtures of a module too: tiny models are faster so, and results compare to the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def flickr_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of drawn photos in Flickr8k's own layout: 8 training, 4 validation and 2 test images."""
    from tiny_tasks import write_flickr

    folder = tmp_path_factory.mktemp("flickr")
    write_flickr(folder)
    return folder
