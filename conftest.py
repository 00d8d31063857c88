"""What holds for every test: it runs on the event loop that the services run on.

anyio's plugin and ours both have a fixture of this name; a conftest settles which of them counts.
"""

import pytest

from orion_core.testing.plugin import anyio_backend

__all__ = ["anyio_backend"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, of which one would be the last of all: no worker ends with it alone."""
    items.sort(key=lambda item: not item.nodeid.startswith(("tests/faults/", "tests/upgrade/")))
