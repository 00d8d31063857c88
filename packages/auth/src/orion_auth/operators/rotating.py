"""`orion auth rotate-keys`: another key for access tokens, and when who sees it."""

from datetime import datetime, timedelta

from orion_auth.operators.desk import Desk, Done, RefusedError
from orion_auth.signing_keys import actions as signing_keys
from orion_auth.signing_keys.actions import KeyPolicy, Rotation
from orion_core.access_tokens import KEYS_LIVE
from orion_core.sealing import SealError


async def rotate_keys(desk: Desk, *, compromised: bool, dry_run: bool) -> Done:
    """Bring in a key; with `compromised`, let those before it be worth nothing from now on."""
    settings = desk.settings
    policy = KeyPolicy(settings.sealing_keys, settings.signing_algorithm, timedelta(days=settings.signing_key_days))
    try:
        rotation = await signing_keys.rotate(
            desk.database, policy, desk.now, operator=desk.operator, compromised=compromised, dry_run=dry_run
        )
    except SealError as error:
        detail = (
            f"AUTH_SEALING_KEYS does not open the present key ({error}), so auth could not open one that is sealed "
            "under it. Give the same value as the service has."
        )
        raise RefusedError("wrong_sealing_keys", detail) from None
    timeline = _timeline(rotation, desk.now, compromised=compromised)
    facts = {
        "kid": None if dry_run else rotation.kid,
        "algorithm": settings.signing_algorithm,
        "signs_from": rotation.signs_from.isoformat(),
        "replaced": list(rotation.replaced),
        "replaced_until": rotation.replaced_until.isoformat(),
        "compromised": compromised,
        "timeline": [{"at": at.isoformat(), "what": what} for at, what in timeline],
        "dry_run": dry_run,
    }
    heading = f"A new {settings.signing_algorithm} key would be made:" if dry_run else f"The new key is {rotation.kid}:"
    lines = [f"{at:%Y-%m-%d %H:%M:%S} UTC  {what}" for at, what in timeline]
    return Done("\n".join([heading, *lines]), facts)


def _timeline(rotation: Rotation, now: datetime, *, compromised: bool) -> list[tuple[datetime, str]]:
    """What happens, in the order of time."""
    old = ", ".join(rotation.replaced) or "none"
    minutes = int(KEYS_LIVE.total_seconds() // 60)
    if compromised:
        return [
            (now, f"The new key is published and signs; each process of auth takes it up within a minute. Old: {old}."),
            (now + KEYS_LIVE, "No service accepts what an old key signed, and clients have to refresh."),
        ]
    if rotation.signs_from == now:
        return [(now, "The new key is published and signs within a minute: there was none that did.")]
    return [
        (now, f"The new key is published; every service has fetched it within {minutes} minutes."),
        (rotation.signs_from, f"Within a minute it signs. Its predecessor only verifies: {old}."),
        (rotation.replaced_until, "The predecessor is no longer published: all that it signed has run out."),
    ]
