"""What of a sign-in is kept while its second factor is waited for."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from orion_auth.admission.rules import Proof
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.risk.rules import Assessment
from orion_core.tables import IpAddress


@dataclass(frozen=True)
class FirstHalf:
    """How somebody began to come in."""

    method: LoginMethod
    email: str | None
    device_id: str | None
    fingerprint: str | None
    proof: Proof
    assessment: Assessment
    remember: bool = True
    ip_address: IpAddress | None = None
    user_agent: str | None = None


_JSON = TypeAdapter(FirstHalf)


def write(first: FirstHalf) -> dict[str, Any]:
    """As JSON."""
    return {"first": _JSON.dump_python(first, mode="json")}


def read(context: dict[str, Any]) -> FirstHalf:
    """What `write` wrote."""
    return _JSON.validate_python(context["first"])
