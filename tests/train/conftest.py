"""Fixtures of the training tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from threads import one_thread as one_thread  # every test of this folder


@pytest.fixture(scope="session")
def flickr_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of drawn photos in Flickr8k's own layout: 8 training, 4 validation and 2 test images."""
    from tiny_tasks import write_flickr

    folder = tmp_path_factory.mktemp("flickr")
    write_flickr(folder)
    return folder
