"""The testing kit: a real PostgreSQL once per run, a database of its own for every test, a clock to move, a mailbox."""

from orion_core.testing.clock import MovableClock
from orion_core.testing.databases import TestDatabase
from orion_core.testing.nobody import client_of_nobody
from orion_core.testing.rights import UserRights

__all__ = ["MovableClock", "TestDatabase", "UserRights", "client_of_nobody"]
