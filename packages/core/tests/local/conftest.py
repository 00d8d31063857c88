"""Folders that an embedded server can be started in."""

import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Generator[Path]:
    """A folder outside pytest's own: each further pytest of root closes that one to PostgreSQL, which is not root."""
    with tempfile.TemporaryDirectory(prefix="orion-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
