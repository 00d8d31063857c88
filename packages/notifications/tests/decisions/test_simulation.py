"""What a simulation says is what is decided, and what then happens."""

from random import Random
from string import Formatter
from typing import TYPE_CHECKING

from packages.notifications.tests.decisions.cases import Cases

from orion_core.database import Database
from orion_core.testing import MovableClock
from orion_notifications.decisions.rules import Step, Verdict
from orion_notifications.decisions.shapes import WORDS, decisions_of, in_words

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query

    from orion_notifications.desk import Desk


async def test_what_is_simulated_is_what_is_decided_and_what_happens(
    database: Database, desk: "Desk", clock: MovableClock, query: "Query"
) -> None:
    await query("INSERT INTO throttles (type, most, window_seconds) VALUES ('chat.message', 2, 600)")
    assert await Cases(database, desk, clock, Random(7)).differences(120) == []
    outcomes = await query("SELECT DISTINCT status::text, decisions -> 0 ->> 'outcome' FROM notifications")
    queued = [("QUEUED", outcome) for outcome in ("DEFER", "DIGEST", "SEND")]
    assert sorted(outcomes) == [*queued, ("REJECTED", "REJECTED")]


def test_every_kept_decision_has_its_words() -> None:
    for step, code in WORDS:
        names = [name for _, name, _, _ in Formatter().parse(WORDS[step, code]) if name is not None]
        details = dict.fromkeys(names, "x")
        (decision,) = decisions_of([[step.value, Verdict.PASS.value, code, details]])
        assert in_words(decision)
        assert decision.step is Step(step.value)
