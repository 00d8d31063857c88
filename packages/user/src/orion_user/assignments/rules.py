"""When and where a grant may hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from orion_user.access.rules import Place
from orion_user.permissions.rules import PermissionEffect, PermissionScope

WIDTH = list(PermissionScope)
"""The widest first."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a field of a request."""

    field: str
    code: str
    detail: str


def fault_of_period(starts_at: datetime | None, expires_at: datetime | None, now: datetime) -> Fault | None:
    """What is wrong with a period; None when a grant may have it.

    It cannot begin in the past: what somebody could do then was so, and is not written anew.
    """
    if starts_at is not None and starts_at < now:
        return Fault("/starts_at", "past", "It cannot begin in the past; leave starts_at out to have it begin now.")
    if expires_at is not None and expires_at <= (starts_at or now):
        return Fault("/expires_at", "not_after_start", "It must end after it begins.")
    return None


def too_wide(widest: PermissionScope, place: Place) -> bool:
    """Whether something that may be given at `widest` at most would reach further at that place."""
    return WIDTH.index(place.scope) < WIDTH.index(widest)


def held_until(effects: Iterable[str], expires_at: datetime | None, now: datetime) -> datetime | None:
    """Until when somebody must hold what he ends. Ending a denial gives, until the end that it had; the rest takes."""
    return expires_at if PermissionEffect.DENY.name in effects else now


@dataclass(frozen=True)
class Said:
    """That something given in a place allows or denies a permission, until a time; None: for good."""

    permission: str
    effect: str
    until: datetime | None


def held_for_move(gained: Iterable[Said], lost: Iterable[Said], now: datetime) -> dict[datetime | None, set[str]]:
    """What somebody must hold who brings a team under what is `gained`, out of what is `lost`; by until when.

    He gives what is allowed then, or is denied no more, until that ends; the rest he takes, which is done at once.
    """
    wanted: dict[datetime | None, set[str]] = {}
    for given, gives in ((gained, PermissionEffect.ALLOW.name), (lost, PermissionEffect.DENY.name)):
        for said in given:
            wanted.setdefault(said.until if said.effect == gives else now, set()).add(said.permission)
    return wanted


def only_denies(effects: Iterable[str]) -> bool:
    """Whether all that is said are denials; not of what says nothing."""
    return set(effects) == {PermissionEffect.DENY.name}


def is_over(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a grant has ended."""
    return expires_at is not None and expires_at <= now
