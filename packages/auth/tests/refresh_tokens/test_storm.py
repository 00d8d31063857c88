"""Nobody is signed out by tabs, lost answers or killed processes, and no copy stays unknown."""

from collections.abc import Awaitable, Callable

import pytest
from packages.auth.tests.conftest import auth_environment
from packages.auth.tests.refresh_tokens.storm import blow
from sqlalchemy import text

from orion_contracts.account_messages import SecurityNoticeRaised
from orion_contracts.events import SessionEnded
from orion_core.database import Database
from orion_core.testing import TestDatabase

ROUNDS = 2
LINES = """
    SELECT session_id, count(*) AS tokens, string_agg(token, ' ') FILTER (WHERE status = 'ACTIVE') AS living
    FROM auth_tokens GROUP BY session_id
"""
ENDED = "SELECT data->>'session_id' AS id, data->>'reason' AS reason FROM outbox WHERE type = :type"
NOTICES = "SELECT count(*) FROM outbox WHERE type = :type AND data->>'notice' = 'token.reused'"


@pytest.mark.slow
async def test_a_storm_signs_nobody_out_and_hides_no_thief(
    make_database: Callable[[str], Awaitable[TestDatabase]],
) -> None:
    database = await make_database("auth")
    storm = await blow(database, auth_environment(database), processes=8, sessions=1000, rounds=ROUNDS, tabs=2, kills=6)
    assert storm.strange == []
    assert storm.killed == 6 and storm.cut > 0 and storm.lost > 0

    owner = Database.connect(database.owner_url, role=None, application="test")
    async with owner.autocommit() as connection:
        lines = {row.session_id: row for row in await connection.execute(text(LINES))}
        ended = (await connection.execute(text(ENDED), {"type": SessionEnded.type})).all()
        notices = (await connection.execute(text(NOTICES), {"type": SecurityNoticeRaised.type})).scalar_one()
    await owner.close()
    stolen = {str(session.id) for session in storm.sessions if session.theft is not None}
    assert len(stolen) == 125
    assert sorted((row.id, row.reason) for row in ended) == sorted((id, "REUSE_DETECTED") for id in stolen)
    assert notices == len(stolen)
    for session in storm.sessions:
        line = lines[session.id]
        if session.theft is not None:
            assert line.living is None
        else:
            assert (line.living, line.tokens) == (session.selector, ROUNDS + 1)
