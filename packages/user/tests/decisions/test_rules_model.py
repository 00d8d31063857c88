"""The service decides as a plain model of its rules does, in worlds that Hypothesis draws."""

import asyncpg
from packages.user.tests.decisions.rules_model import agree

from orion_core.database import Database
from orion_core.testing import TestDatabase


async def test_decisions_are_those_of_a_plain_model_of_the_rules(
    database: Database, test_database: TestDatabase
) -> None:
    """Ten worlds; `bench/authz_model.py` draws until there were a million decisions."""
    owner = await asyncpg.connect(test_database.owner_url)
    try:
        assert await agree(database, owner, 10, always_the_same=True) >= 10_000
    finally:
        await owner.close()
