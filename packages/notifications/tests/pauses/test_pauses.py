"""Pausing a channel: by a route and by a command, told of in the audit trail and in the metrics."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from orion_core.database import Database
from orion_core.metrics import REGISTRY
from orion_core.testing import TestDatabase
from orion_notifications.commands import commands
from orion_notifications.delivery.actions import fault

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Callers, Query

PATH = "/channel-pauses"
AUDITED = """
    SELECT data ->> 'action', data ->> 'resource_id', data -> 'new' ->> 'reason', data ->> 'actor_name' FROM outbox
    WHERE data ->> 'action' LIKE 'channel.%' ORDER BY sequence
"""


def is_paused(channel: str) -> float | None:
    return REGISTRY.get_sample_value("orion_notifications_paused", {"channel": channel})


async def test_a_channel_is_paused_and_resumed_and_both_are_written_down(
    caller: "Callers", database: Database, query: "Query"
) -> None:
    async with caller("key:provider:read provider:configure") as http:
        for reason in ("their server is down", "still down"):
            assert (await http.put(f"{PATH}/EMAIL", json={"reason": reason})).status_code == 204
        (paused,) = (await http.get(PATH)).json()["items"]
        assert (paused["channel"], paused["reason"]) == ("EMAIL", "still down")
        assert await fault(database) is None
        assert (is_paused("EMAIL"), is_paused("SMS")) == (1, 0)
        for wrong in ({}, {"reason": ""}, {"reason": "two\nlines"}):
            assert (await http.put(f"{PATH}/SMS", json=wrong)).status_code == 422, wrong
        assert (await http.put(f"{PATH}/PIGEON", json={"reason": "x"})).status_code == 422
        assert [(await http.delete(f"{PATH}/EMAIL")).status_code for _ in range(2)] == [204, 404]
        assert (await http.get(PATH)).json() == {"items": []}
    assert await fault(database) is None
    assert is_paused("EMAIL") == 0
    told = [(action, channel, reason) for action, channel, reason, _ in await query(AUDITED)]
    assert told == [
        ("channel.pause", "EMAIL", "their server is down"),
        ("channel.pause", "EMAIL", "still down"),
        ("channel.resume", "EMAIL", None),
    ]


@pytest.mark.usefixtures("no_settings")
async def test_operators_do_it_at_the_command_line_with_the_database_and_no_key(
    test_database: TestDatabase, query: "Query", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFICATION_DATABASE_URL", test_database.url)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, commands, list(words))

    for wrong, code in ((("EMAIL",), 2), (("PIGEON", "--reason", "x"), 2), (("EMAIL", "--reason", "two\nlines"), 3)):
        assert (await run("pause", *wrong)).exit_code == code, wrong
    assert await query("SELECT channel::text FROM channel_pauses") == []
    done = await run("pause", "email", "--reason", "their server is down", "--operator", "ada")
    assert (done.exit_code, done.output) == (0, "EMAIL is paused.\n")
    assert await query("SELECT channel::text, reason, paused_by FROM channel_pauses") == [
        ("EMAIL", "their server is down", "ada")
    ]
    assert (await run("resume", "EMAIL", "--operator", "bob")).output == "EMAIL sends again.\n"
    assert (await run("resume", "EMAIL")).output == "EMAIL was not paused; nothing was changed.\n"
    assert await query(AUDITED) == [
        ("channel.pause", "EMAIL", "their server is down", "ada"),
        ("channel.resume", "EMAIL", None, "bob"),
    ]
