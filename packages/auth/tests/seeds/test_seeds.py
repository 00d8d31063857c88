"""The rows that auth starts with."""

from typing import TYPE_CHECKING

from orion_auth.service import service
from orion_core.seeds import SAMPLE_PASSWORD

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

POLICIES = {  # of the seed document
    ("login", 5, 60),
    ("refresh", 10, 60),
    ("password_reset", 3, 300),
    ("email_verification", 5, 300),
    ("two_factor_verification", 5, 60),
}


async def test_the_policies_of_the_seed_document(auth: "Auth") -> None:
    rows = await auth.rows('SELECT endpoint, "limit", window_seconds FROM rate_limit_policies')
    assert {tuple(row.values()) for row in rows} >= POLICIES
    assert (await auth.counts())["identities"] == 0, "sample users are for development"


async def test_sample_users_sign_in_and_have_trusted_devices(auth: "Auth") -> None:
    async with auth.owner.transaction() as transaction:
        report = await service.seed(transaction.connection, "development")
    assert report.inserted == {"rate_limit_policies": 0, "risk_policies": 0, "identities": 2, "devices": 3}
    for email in ("admin@orion.local", "user@orion.local"):
        assert (await auth.sign_in(email, SAMPLE_PASSWORD)).status_code == 201
    devices = await auth.rows("SELECT fingerprint FROM devices WHERE status = 'TRUSTED' AND verified_at IS NOT NULL")
    assert len({device["fingerprint"] for device in devices}) == 3


async def test_what_an_operator_edited_is_kept(auth: "Auth") -> None:
    async with auth.owner.transaction() as transaction:
        await service.seed(transaction.connection, "development")
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 99')
    await auth.execute("UPDATE identities SET locale = 'fr'")
    before = await auth.rows("SELECT * FROM identities ORDER BY id")
    async with auth.owner.transaction() as transaction:
        report = await service.seed(transaction.connection, "development")
    assert set(report.inserted.values()) == {0}
    assert await auth.rows("SELECT * FROM identities ORDER BY id") == before
    assert await auth.rows('SELECT DISTINCT "limit" FROM rate_limit_policies') == [{"limit": 99}]


async def test_a_sample_address_that_somebody_has_is_left_to_him(auth: "Auth") -> None:
    await auth.verified("admin@orion.local")
    async with auth.owner.transaction() as transaction:
        report = await service.seed(transaction.connection, "development")
    assert (report.inserted["identities"], report.inserted["devices"]) == (1, 2)
