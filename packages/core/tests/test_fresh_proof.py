"""Who changes what is not his own has proved lately who he is; programs, which prove nothing anew, are not asked."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from orion_contracts.claims import AccessClaims
from orion_core.errors import Problem
from orion_core.http.context import EXCHANGE, Exchange, RequestContext
from orion_core.ids import uuid7
from orion_core.rights.circumstances import circumstances
from orion_core.rights.fresh_proof import ADMINISTRATION, require_fresh_proof, with_second_factor

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PERSON: dict[str, Any] = {"sub": str(uuid7()), "client_id": "orion", "sid": "s"}
STALE = int((NOW - ADMINISTRATION).timestamp()) - 1


def claims(**more: Any) -> AccessClaims:
    return AccessClaims(iss="i", aud="orion", exp=2**31, iat=0, jti="1", **(PERSON | more))


def ask(method: str, shown: AccessClaims, permission: str = "user:update") -> None:
    context = RequestContext("1", ip_address("192.0.2.1"), None, method)
    EXCHANGE.set(Exchange(context, claims=shown))
    require_fresh_proof(shown, permission, NOW)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "ANYTHING"])
def test_a_change_by_a_person_takes_a_proof_that_is_not_old(method: str) -> None:
    ask(method, claims(auth_time=STALE + 1))
    stale = claims(auth_time=STALE)
    for shown in (stale, claims(), claims(auth_time=STALE, scope="user:update orn_x"), claims(sid=None)):
        with pytest.raises(Problem) as refused:
            ask(method, shown)
        assert (refused.value.status, refused.value.code) == (401, "reauthentication_required")
        assert 'max_age="1800"' in refused.value.headers["WWW-Authenticate"]


def test_outside_of_a_request_it_is_asked_too() -> None:
    EXCHANGE.set(None)
    with pytest.raises(Problem):
        require_fresh_proof(claims(), "user:update", NOW)


def test_reading_takes_none() -> None:
    for method in ("GET", "HEAD"):
        ask(method, claims(auth_time=STALE))
    ask("POST", claims(auth_time=STALE), "permission:read")
    with pytest.raises(Problem):
        ask("POST", claims(auth_time=STALE), "system:audit")


def test_programs_have_nothing_to_prove() -> None:
    ask("POST", claims(client_id="orn_live_abc"))
    ask("POST", claims(sub="service:shop", client_id="orn_live_abc"))
    ask("POST", claims(sub="operator", client_id="operator", sid=None, scope="auth:admin"))


def test_conditions_find_how_and_when_somebody_proved_who_he_is() -> None:
    own = {"type": "user", "id": PERSON["sub"]}
    shown = claims(auth_time=int((NOW - timedelta(minutes=7)).timestamp()), amr=["pwd", "otp"])
    assert circumstances(shown, NOW).subject == own | {"amr": ["pwd", "otp"], "proof_age": 420, "is_bound": False}
    assert circumstances(claims(client_id="orn_live_abc"), NOW).subject == own


def test_a_second_factor_may_be_what_people_lack_who_have_shown_none() -> None:
    proved = with_second_factor(claims(auth_time=STALE, amr=["pwd"]), NOW)
    assert proved is not None
    told = circumstances(proved, NOW).subject
    assert (told["amr"], told["proof_age"]) == (["pwd", "mfa"], 0)
    program = claims(client_id="orn_live_abc", amr=["pwd"])
    assert [with_second_factor(each, NOW) for each in (claims(), claims(amr=["otp", "mfa"]), program)] == [None] * 3
