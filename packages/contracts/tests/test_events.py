"""Every event survives its wire form, takes what newer producers add, and refuses what breaks the contract."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orion_contracts.access_events import (
    ElevationChanged,
    MembershipChanged,
    OrganizationChanged,
    PermissionChanged,
    PermissionGranted,
    PermissionGrantEnded,
    RoleAssigned,
    RoleAssignmentEnded,
    RoleChanged,
    SeparationRuleChanged,
    TeamChanged,
)
from orion_contracts.account_messages import AccountMessageRequested, SecurityNoticeRaised
from orion_contracts.api_keys import ApiKeyChanged, ApiKeyEnded, ApiKeyUsed, NotificationsApiKeyUsed
from orion_contracts.audit import AuthAuditRecorded, NotificationsAuditRecorded
from orion_contracts.erasures import IdentityErased, MessagesErased
from orion_contracts.event import Event
from orion_contracts.events import (
    EVENTS,
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    IdentityProfileChanged,
    IdentityRegistered,
    IdentityReinstated,
    IdentitySuspended,
    NotificationSent,
    PhoneChanged,
    SecurityEpochRaised,
    SessionEnded,
    SessionProved,
    SessionStarted,
    SignInFailed,
    UserCreated,
    UsernameChanged,
    VerificationSecrets,
)
from orion_contracts.imports import IdentitiesImported, ImportedIdentity
from orion_contracts.invitations import (
    ExpiryTold,
    InvitationExpired,
    InvitationMailRequested,
    InvitationSecrets,
    InvitationsForgotten,
)
from orion_contracts.user_events import (
    ErasureRequested,
    LocaleChanged,
    NotificationPreferencesChanged,
    SecurityPreferencesChanged,
    SessionEndRequested,
    UserDeleted,
    UserReinstated,
    UserRestored,
    UserSuspended,
)

USER = UUID("01890000-0000-7000-8000-000000000001")
OTHER = UUID("01890000-0000-7000-8000-000000000002")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

GIVEN = {"user_id": USER, "grant_id": OTHER, "scope": "GLOBAL", "starts_at": NOON, "by": OTHER}

EXAMPLES: list[tuple[Event, str]] = [
    (
        IdentityRegistered(
            user_id=USER, email="a@b.example", phone="+4930123456", locale="de", timezone="UTC", registered_at=NOON
        ),
        str(USER),
    ),
    (
        EmailVerificationRequested(
            user_id=USER, email="a@b.example", locale="de", requested_at=NOON, expires_at=NOON, secrets="sealed"
        ),
        str(USER),
    ),
    (IdentityProfileChanged(user_id=USER, provider="example", name="Ada", changed_at=NOON), str(USER)),
    (EmailChanged(user_id=USER, email="b@b.example", previous="a@b.example", changed_at=NOON), str(USER)),
    (PhoneChanged(user_id=USER, phone="+4930123456", changed_at=NOON), str(USER)),
    (EmailVerified(user_id=USER, email="a@b.example", verified_at=NOON), str(USER)),
    (
        SessionStarted.model_validate(
            {"session_id": OTHER, "user_id": USER, "ip_address": "::1", "started_at": NOON, "expires_at": NOON}
        ),
        str(OTHER),
    ),
    (
        SessionEnded(session_id=OTHER, user_id=USER, reason="SIGNED_OUT", ended_at=NOON, tokens_expire_at=NOON),
        str(OTHER),
    ),
    (
        SessionProved(session_id=OTHER, user_id=USER, proved_at=NOON, tokens_expire_at=NOON),
        str(OTHER),
    ),
    (
        SecurityEpochRaised(user_id=USER, epoch=1, reason="REVOKED", raised_at=NOON, tokens_expire_at=NOON),
        str(USER),
    ),
    (
        AuthAuditRecorded.model_validate(
            {
                "audit_id": OTHER,
                "actor_type": "USER",
                "actor_id": USER,
                "user_id": USER,
                "action": "password.changed",
                "resource_type": "user",
                "resource_id": str(USER),
                "new": {"details": {"sessions_ended": 2}},
                "ip_address": "::1",
                "occurred_at": NOON,
            }
        ),
        str(OTHER),
    ),
    (
        NotificationsAuditRecorded(
            audit_id=OTHER,
            actor_type="SERVICE",
            actor_name="operator",
            action="template.update",
            resource_type="template",
            old={"name": "a"},
            new={"name": "b"},
            occurred_at=NOON,
        ),
        str(OTHER),
    ),
    (IdentitySuspended(user_id=USER, suspended_at=NOON), str(USER)),
    (ErasureRequested(user_id=USER, erasure_id=OTHER, requested_at=NOON), str(USER)),
    (IdentityErased(user_id=USER, erasure_id=OTHER, counts={"devices": 2}, erased_at=NOON), str(USER)),
    (MessagesErased(user_id=USER, erasure_id=OTHER, counts={}, erased_at=NOON), str(USER)),
    (
        IdentitiesImported(
            import_id=OTHER,
            identities=[
                ImportedIdentity(user_id=USER, email="a@b.example", is_verified=True, locale="de", timezone="UTC")
            ],
            imported_at=NOON,
        ),
        str(OTHER),
    ),
    (UsernameChanged(user_id=USER, username="ada", changed_at=NOON), str(USER)),
    (SignInFailed(user_id=USER, failed_at=NOON), str(USER)),
    (UserSuspended(user_id=USER, by=str(OTHER), suspended_at=NOON), str(USER)),
    (UserReinstated(user_id=USER, by=str(OTHER), reinstated_at=NOON), str(USER)),
    (UserDeleted(user_id=USER, by="operator", deleted_at=NOON, purge_after=NOON), str(USER)),
    (UserRestored(user_id=USER, by="operator", is_suspended=True, restored_at=NOON), str(USER)),
    (SessionEndRequested(user_id=USER, session_id=OTHER, by=str(USER), requested_at=NOON), str(USER)),
    (
        SecurityPreferencesChanged(user_id=USER, requires_second_factor=True, sign_in_notices="EVERY", changed_at=NOON),
        str(USER),
    ),
    (
        NotificationPreferencesChanged(
            user_id=USER, email=True, sms=False, push=True, in_app=True, muted_categories=["SOCIAL"], changed_at=NOON
        ),
        str(USER),
    ),
    (LocaleChanged(user_id=USER, locale="de", timezone="Europe/Berlin", changed_at=NOON), str(USER)),
    (
        InvitationMailRequested(
            message_id=USER,
            membership_id=OTHER,
            organization_id=USER,
            organization="Acme",
            recipient="a@b.example",
            locale="de",
            requested_at=NOON,
            expires_at=NOON,
            secrets="sealed",
        ),
        str(OTHER),
    ),
    (
        InvitationExpired(
            user_id=USER,
            membership_id=OTHER,
            organization_id=OTHER,
            organization="Acme",
            email="a@b.example",
            expired_at=NOON,
        ),
        str(USER),
    ),
    (
        InvitationsForgotten(
            user_id=USER,
            message_ids=[OTHER],
            expiries=[ExpiryTold(membership_id=OTHER, expired_at=NOON)],
            forgotten_at=NOON,
        ),
        str(USER),
    ),
    (IdentityReinstated(user_id=USER, reinstated_at=NOON), str(USER)),
    (
        AccountMessageRequested(
            user_id=USER,
            message_id=OTHER,
            purpose="PASSWORD_RESET",
            channel="EMAIL",
            recipient="a@b.example",
            locale="de",
            requested_at=NOON,
            expires_at=NOON,
            secrets="sealed",
        ),
        str(USER),
    ),
    (
        SecurityNoticeRaised(
            user_id=USER, notice_id=OTHER, notice="token.reused", email="a@b.example", locale="de", occurred_at=NOON
        ),
        str(USER),
    ),
    (UserCreated(user_id=USER, email="a@b.example", locale="de", timezone="UTC", created_at=NOON), str(USER)),
    (OrganizationChanged(organization_id=OTHER, slug="acme", change="CREATED", changed_at=NOON), str(OTHER)),
    (TeamChanged(team_id=OTHER, organization_id=USER, change="CREATED", changed_at=NOON), str(OTHER)),
    (
        MembershipChanged(
            membership_id=OTHER, organization_id=USER, email="a@b.example", change="INVITED", changed_at=NOON
        ),
        str(OTHER),
    ),
    (SeparationRuleChanged(rule_id=OTHER, name="pay", change="CREATED", changed_at=NOON), str(OTHER)),
    (
        ElevationChanged(
            user_id=USER, elevation_id=OTHER, role_id=OTHER, scope="GLOBAL", change="REQUESTED", changed_at=NOON
        ),
        str(USER),
    ),
    (RoleChanged(role_id=OTHER, name="clerk", change="CREATED", changed_at=NOON), str(OTHER)),
    (PermissionChanged(name="invoice:approve", change="CREATED", changed_at=NOON), "invoice:approve"),
    (RoleAssigned.model_validate(GIVEN | {"role_id": OTHER, "role": "clerk"}), str(USER)),
    (RoleAssignmentEnded.model_validate(GIVEN | {"role_id": OTHER, "role": "clerk"}), str(USER)),
    (PermissionGranted.model_validate(GIVEN | {"permission": "content:read", "effect": "DENY"}), str(USER)),
    (PermissionGrantEnded.model_validate(GIVEN | {"permission": "content:read", "effect": "DENY"}), str(USER)),
    (
        ApiKeyChanged(
            key_id=OTHER,
            change="ISSUED",
            name="export",
            prefix="Abc123Abc123",
            key_hash="0" * 64,
            user_id=USER,
            scopes=["content:read"],
            changed_at=NOON,
        ),
        str(OTHER),
    ),
    (ApiKeyEnded(key_id=OTHER, reason="REVOKED", ended_at=NOON, tokens_expire_at=NOON), str(OTHER)),
    (ApiKeyUsed(key_id=OTHER, count=3, last_used_at=NOON), str(OTHER)),
    (NotificationsApiKeyUsed(key_id=OTHER, user_id=OTHER, count=3, last_used_at=NOON), str(OTHER)),
    (
        NotificationSent(notification_id=OTHER, notification_type="account.welcome", channel="IN_APP", sent_at=NOON),
        str(OTHER),
    ),
]


def test_every_event_has_an_example() -> None:
    assert {type(event) for event, _ in EXAMPLES} == set(EVENTS.values())


@pytest.mark.parametrize(("event", "subject"), EXAMPLES, ids=lambda value: getattr(value, "type", ""))
def test_wire_form_reads_back_equal(event: Event, subject: str) -> None:
    data = event.data()
    assert type(event).read(data) == event
    assert event.subject == subject
    assert None not in data.values()


@pytest.mark.parametrize(("event", "_subject"), EXAMPLES, ids=lambda value: getattr(value, "type", ""))
def test_fields_of_a_newer_producer_are_ignored(event: Event, _subject: str) -> None:
    assert type(event).read({**event.data(), "added_later": 1}) == event


def test_what_breaks_the_contract_is_refused() -> None:
    with pytest.raises(ValidationError):
        IdentityRegistered.read({})


def test_events_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        EXAMPLES[2][0].user_id = OTHER  # pyright: ignore[reportAttributeAccessIssue]


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        EmailVerified.read({"user_id": USER, "email": "a@b.example", "verified_at": "2026-03-01T12:00:00"})


def test_secrets_are_bound_to_type_and_user_and_stay_out_of_logs() -> None:
    assert EmailVerificationRequested.associated_data(USER) != EmailVerificationRequested.associated_data(OTHER)
    assert EmailVerificationRequested.type in EmailVerificationRequested.associated_data(USER)
    assert "sealed" not in repr(EXAMPLES[1][0])
    assert "123456" not in repr(VerificationSecrets(link="https://a.example/123456", code="123456"))
    assert "123456" not in repr(InvitationSecrets(link="https://a.example/#invitation=123456"))


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))])))
def test_moments_keep_their_microseconds(moment: datetime) -> None:
    event = EmailVerified(user_id=USER, email="a@b.example", verified_at=moment)
    assert EmailVerified.read(event.data()) == event


@given(st.text(alphabet="abcABC@.ÄÖ", min_size=3, max_size=40))
def test_addresses_arrive_in_lower_case(email: str) -> None:
    assert EmailVerified(user_id=USER, email=email, verified_at=NOON).email == email.lower()
