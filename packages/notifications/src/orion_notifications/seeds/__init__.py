"""What a new notification database is filled with: templates, rules, and sample users on developers' machines.

Seeding again adds what is new and touches nothing else: a template that an operator has edited, renamed or put away is
known by its id and stays as it is.
"""

from dataclasses import asdict
from datetime import UTC, datetime, time
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.seeds import SAMPLE_USERS, Profile, SampleUser, SeedReport
from orion_core.tables import table_of
from orion_notifications.event_rules.delivered import RULES
from orion_notifications.event_rules.tables import NotificationRule
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.preferences.tables import UserPreference
from orion_notifications.seeds.template_files import SeedTemplate, load_templates
from orion_notifications.templates.tables import Template, TemplateVersion

FIRST_VERSION = 1
ID_TIME = bytes.fromhex("018900000000")
"""The time in the UUIDv7 of every seeded row; that of `SAMPLE_USERS`."""


async def seed(connection: AsyncConnection, profile: Profile) -> SeedReport:
    """Insert the rows of `profile` that are missing, inside the caller's transaction."""
    report = SeedReport()
    templates = load_templates()
    await report.insert(connection, table_of(Template), [_template(template) for template in templates])
    await _versions(connection, report, templates)
    rules = [{"id": seed_id(f"rule:{rule.name}"), **rule.values()} for rule in RULES]
    await report.insert(connection, table_of(NotificationRule), rules)
    if profile == "development":
        await report.insert(connection, table_of(UserPreference), [_preferences(user) for user in SAMPLE_USERS])
    return report


async def _versions(connection: AsyncConnection, report: SeedReport, templates: list[SeedTemplate]) -> None:
    """First versions of our templates; not where an operator's own template has taken the name before us."""
    statement = select(Template.id).where(Template.id.in_([seed_id(_key(template)) for template in templates]))
    there = set((await connection.execute(statement)).scalars())
    rows = [_version(template) for template in templates if seed_id(_key(template)) in there]
    await report.insert(connection, table_of(TemplateVersion), rows)


def _template(template: SeedTemplate) -> dict[str, Any]:
    return {
        "id": seed_id(_key(template)),
        "name": template.name,
        "display_name": template.display_name,
        "description": template.description,
        "category": Category[template.category],
        "channel": Channel[template.channel],
        "priority": Priority[template.priority],
        "default_locale": template.default_locale,
        "variables": template.variables,
        "published_version": FIRST_VERSION,
        "tags": list(template.tags),
    }


def _version(template: SeedTemplate) -> dict[str, Any]:
    return {
        "id": seed_id(f"{_key(template)}:{FIRST_VERSION}"),
        "template_id": seed_id(_key(template)),
        "version": FIRST_VERSION,
        "locales": {locale: asdict(content) for locale, content in template.locales.items()},
        "changelog": "As Orion is delivered.",
        "published_at": datetime.now(UTC),
    }


def _preferences(user: SampleUser) -> dict[str, Any]:
    """The administrator hears everything at any hour; the user's nights are quiet, and no SMS comes."""
    is_admin = user.role == "super_admin"
    return {
        "id": seed_id(f"preferences:{user.username}"),
        "user_id": user.id,
        "name": user.name,
        "email": user.email,
        "locale": user.locale,
        "timezone": user.timezone,
        "email_enabled": True,
        "sms_enabled": is_admin,
        "push_enabled": True,
        "in_app_enabled": True,
        "category_channels": {} if is_admin else {"MARKETING": {"EMAIL": False}},
        "quiet_hours_enabled": not is_admin,
        "quiet_hours_start": time(22),
        "quiet_hours_end": time(7),
        "quiet_hours_timezone": user.timezone,
    }


def _key(template: SeedTemplate) -> str:
    return f"template:{template.name}:{template.channel}"


def seed_id(key: str) -> UUID:
    """The id that the seeded row called `key` has on every machine: a UUIDv7 whose random bits are a hash of `key`."""
    bits = bytearray(ID_TIME + sha256(key.encode()).digest()[:10])
    bits[6] = bits[6] & 0x0F | 0x70
    bits[8] = bits[8] & 0x3F | 0x80
    return UUID(bytes=bytes(bits))
