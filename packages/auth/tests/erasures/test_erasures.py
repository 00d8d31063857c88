"""Forgetting a person in auth: nothing of theirs stays, nobody else's goes, and asked for twice it is done once."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from orion_auth.base import Table
from orion_auth.erasures import actions, store
from orion_auth.erasures.tables import NAMING
from orion_contracts.api_keys import ApiKeyUsed
from orion_contracts.audit import AuthAuditRecorded
from orion_contracts.erasures import IdentityErased
from orion_contracts.events import EVENTS
from orion_contracts.user_events import ErasureRequested
from orion_core.ids import uuid7
from orion_core.personal_data import hidden_columns, tables_of_a_person

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


async def erase(auth: "Auth", user_id: UUID) -> None:
    wired = auth.application.state.components
    event = ErasureRequested(user_id=user_id, erasure_id=uuid7(), requested_at=auth.clock())
    async with wired.database.transaction() as transaction:
        await actions.erase(transaction, wired.outbox, event, auth.clock())


async def everything(auth: "Auth") -> str:
    """All rows of all tables, as text."""
    found: list[Any] = []
    for table in Table.metadata.sorted_tables:
        found += await auth.rows(f"SELECT to_jsonb(t) AS row FROM {table.name} AS t")
    return str(found)


async def test_nothing_of_the_person_stays_and_nobody_else_loses_anything(auth: "Auth") -> None:
    ada, eve = await auth.verified(username="lovelace"), await auth.verified("eve@example.com", username="moneypenny")
    await auth.sign_in(password="not this one")
    session = (await auth.sign_in()).json()
    await auth.http.post("/auth/v1/password-resets", json={"email": "ada@example.com"})
    assert "ada@example.com" in await everything(auth)
    await auth.execute("TRUNCATE rate_limits")
    await erase(auth, ada)
    left = await everything(auth)
    assert [word for word in ("ada@example.com", "lovelace") if word in left] == []
    assert (await auth.refresh(session["refresh_token"])).status_code == 400
    headers = auth.as_bearer(session["access_token"])
    assert (await auth.http.get("/auth/v1/sessions", headers=headers)).status_code == 401
    assert (await auth.rows("SELECT id FROM identities")) == [{"id": eve}]
    assert (await auth.sign_in("eve@example.com")).status_code == 201


async def test_it_is_told_with_counts_and_nothing_else_and_again_for_somebody_who_is_gone(auth: "Auth") -> None:
    ada = await auth.verified()
    for _ in range(2):
        await erase(auth, ada)
    rows = await auth.rows("SELECT data FROM outbox WHERE type = :type ORDER BY sequence", type=IdentityErased.type)
    first, second = (IdentityErased.read(row["data"]) for row in rows)
    assert (first.user_id, first.counts["identities"], first.counts["outbox"] > 0) == (ada, 1, True)
    assert second.counts == {"outbox": 0}


async def test_the_address_can_be_registered_again(auth: "Auth") -> None:
    await erase(auth, await auth.verified())
    assert await auth.verified() is not None


async def test_the_history_of_somebody_who_is_there_cannot_be_erased(auth: "Auth") -> None:
    ada = await auth.verified()
    wired = auth.application.state.components
    for user_id, email in ((ada, "x@example.com"), (uuid7(), "ada@example.com")):
        with pytest.raises(DBAPIError, match="is still there"):
            async with wired.database.transaction() as transaction:
                await store.erase_history(transaction.connection, user_id, email)


async def test_from_where_keys_were_used_is_forgotten_with_their_owner(auth: "Auth") -> None:
    ada, wired = await auth.verified(), auth.application.state.components
    used = ApiKeyUsed.model_validate(
        {"key_id": uuid7(), "user_id": ada, "count": 1, "last_used_at": auth.clock(), "ip_address": "192.0.2.77"}
    )
    async with wired.database.transaction() as transaction:
        await wired.outbox.record(transaction, used, auth.clock())
    await erase(auth, ada)
    assert await auth.rows("SELECT count(*) FROM outbox WHERE type = :type", type=ApiKeyUsed.type) == [{"count": 0}]


async def test_only_user_reads_what_is_known_and_no_secret_is_in_it(auth: "Auth") -> None:
    ada = await auth.verified()
    session = (await auth.sign_in()).json()
    url = f"/auth/v1/users/{ada}/personal-data"
    for token in (session["access_token"], await auth.operator_token()):
        assert (await auth.http.get(url, headers=auth.as_bearer(token))).status_code == 403
    form = {"grant_type": "client_credentials", "scope": "personal_data:read"}
    granted = await auth.http.post("/auth/oauth2/token", data=form, auth=("user", auth.service_key))
    headers = auth.as_bearer(granted.json()["access_token"])
    known = (await auth.http.get(url, headers=headers)).json()
    assert known["identities"][0]["email"] == "ada@example.com"
    assert len(known["login_attempts"]) == 1
    assert "argon2" not in str(known)
    assert (await auth.http.get(f"/auth/v1/users/{uuid7()}/personal-data", headers=headers)).json() == {}
    refused = await auth.http.post("/auth/oauth2/token", data=form, auth=("operator", auth.service_key))
    assert refused.json()["error"] == "invalid_scope"


def test_what_is_sealed_or_hashed_is_hidden_in_every_table() -> None:
    hidden = {name: hidden_columns(table) for name, table in Table.metadata.tables.items()}
    assert "password_hash" in hidden["identities"]
    assert {"totp_secret"} <= set(hidden["two_factor_auth"])
    assert tables_of_a_person(Table.metadata, "identities").keys() >= {"devices", "login_attempts", "security_events"}


def test_every_event_of_auth_that_names_somebody_is_known() -> None:
    words = ("email", "phone", "name", "ip_address", "recipient", "secrets")
    naming = {
        type_
        for type_, event in EVENTS.items()
        if type_.startswith("orion.auth.") and any(word in event.model_fields for word in words)
    }
    assert naming - {AuthAuditRecorded.type} == set(NAMING)
