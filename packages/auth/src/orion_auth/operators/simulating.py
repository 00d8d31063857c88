"""`orion auth simulate`: a changed policy of risk, tried on what was recorded."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from orion_auth.identities import actions as identities
from orion_auth.operators.desk import Desk, Done, RefusedError
from orion_auth.risk.rules import Policy
from orion_auth.risk.shapes import Difference, PolicyChange, PolicyShape, Simulation
from orion_core.database import Database
from orion_core.faults import code_and_words

Read = Callable[[Database], Awaitable[PolicyShape]]
"""Reads the policy in force."""

Simulate = Callable[[Database, Policy, datetime, datetime, int], Awaitable[Simulation]]
"""Decides again by a policy on what was recorded between two times, and tells so many of those that change."""

MOST_TOLD = 1_000

WORDS = {"ALLOW": "let in", "STEP_UP": "asked for more", "BLOCK": "stopped"}


async def simulate_policy(desk: Desk, text: bytes, days: int, read: Read, simulate: Simulate) -> Done:
    """Say who would have been stopped, or let in, had the policy in `text` been in force in these days."""
    wanted = changed(await read(desk.database), text)
    since = desk.now - timedelta(days=days)
    policy = Policy(wanted.step_up_at, wanted.block_at, wanted.weights)
    found = await simulate(desk.database, policy, since, desk.now, MOST_TOLD)
    differences = sorted(found.differences, key=lambda each: (each.verdict != "BLOCK", each.attempted_at))
    async with desk.database.autocommit() as connection:
        ids = {each.user_id for each in differences if each.user_id is not None}
        emails = await identities.emails(connection, ids)
    facts = found.model_dump(mode="json") | {
        "since": since.isoformat(),
        "policy": wanted.model_dump(),
        "differences": [
            each.model_dump(mode="json") | {"email": emails.get(each.user_id) if each.user_id else None}
            for each in differences
        ],
    }
    return Done("\n".join(_lines(found, differences, emails, days)), facts)


def changed(current: PolicyShape, text: bytes) -> PolicyChange:
    """The policy in force with the changes in `text`; what it does not name stays as it is."""
    try:
        changes: Any = json.loads(text)
    except ValueError as error:
        raise RefusedError("wrong_policy", f"The policy is not JSON: {error}.") from None
    if not isinstance(changes, dict):
        raise RefusedError("wrong_policy", 'The policy is a JSON object, such as {"block_at": 80}.')
    policy: dict[str, Any] = current.model_dump(include=set(PolicyChange.model_fields)) | changes
    if isinstance(policy["weights"], dict):
        policy["weights"] = current.weights | policy["weights"]
    try:
        return PolicyChange.model_validate(policy)
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, each['loc'])) or 'policy'}: {code_and_words(each)[1]}" for each in error.errors()
        )
        raise RefusedError("wrong_policy", f"The policy is wrong: {'; '.join(faults)}.") from None


def _lines(found: Simulation, differences: list[Difference], emails: Mapping[UUID, str], days: int) -> list[str]:
    counts = ", ".join(
        f"{words} {found.recorded.get(verdict, 0)} -> {found.simulated.get(verdict, 0)}"
        for verdict, words in WORDS.items()
    )
    told = [
        f"{each.attempted_at:%Y-%m-%d %H:%M}  {_whose(each, emails)}: {WORDS[each.recorded_verdict]} -> "
        f"{WORDS[each.verdict]} (score {each.recorded_score} -> {each.score}). {' '.join(each.reasons)}".rstrip()
        for each in differences
    ]
    left = found.changed - len(differences)
    return [
        f"Of {found.examined} sign-ins in {days} days, {found.changed} would have been decided otherwise: {counts}.",
        *told,
        *([f"… and {left} more."] if left else []),
    ]


def _whose(difference: Difference, emails: Mapping[UUID, str]) -> str:
    if difference.user_id is None:
        return "nobody known"
    return emails.get(difference.user_id, str(difference.user_id))
