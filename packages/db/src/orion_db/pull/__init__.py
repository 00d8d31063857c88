"""Models read back from a live database."""

from orion_db.pull.read_back import Pull, pull

__all__ = ["Pull", "pull"]
