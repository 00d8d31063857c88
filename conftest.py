"""What holds for every test: it runs on the event loop that the services run on.

anyio's plugin and ours both have a fixture of this name; a conftest settles which of them counts.
"""

from orion_core.testing.plugin import anyio_backend

__all__ = ["anyio_backend"]
