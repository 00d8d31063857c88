"""Assessing a sign-in inside the transaction that decides on it."""

from uuid import UUID

from orion_auth.devices.actions import Recognised
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.risk.rules import Assessment, Policy, Signals, assess
from orion_core.database import Transaction


async def assess_sign_in(transaction: Transaction, user_id: UUID, device: Recognised) -> Assessment:
    """How unlike the user this attempt is."""
    signals = Signals(
        is_new_device=not device.is_known,
        has_signed_in_before=await login_attempts.has_signed_in(transaction.connection, user_id),
    )
    return assess(signals, Policy())
