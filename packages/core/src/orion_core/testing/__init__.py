"""The testing kit: a real PostgreSQL once per run, a database of its own for every test, a clock to move, a mailbox."""

from orion_core.testing.clock import MovableClock
from orion_core.testing.databases import TestDatabase

__all__ = ["MovableClock", "TestDatabase"]
