"""Claims read what RFC 9068 allows."""

from orion_contracts.claims import AccessClaims

SERVICE = {"iss": "i", "aud": "orion", "sub": "client", "client_id": "client", "exp": 2, "iat": 1, "jti": "j"}


def test_claims_read_back_equal() -> None:
    claims = AccessClaims.model_validate(
        {**SERVICE, "aud": ["a", "b"], "sid": "s", "scope": "x y", "amr": ["pwd"], "auth_time": 1, "epoch": 3}
    )
    assert AccessClaims.model_validate_json(claims.model_dump_json()) == claims


def test_one_audience_or_several() -> None:
    assert AccessClaims.model_validate(SERVICE).audiences == {"orion"}
    assert AccessClaims.model_validate({**SERVICE, "aud": ["a", "b"]}).audiences == {"a", "b"}


def test_scope_is_a_set_of_words() -> None:
    assert AccessClaims.model_validate(SERVICE).scopes == frozenset()
    assert AccessClaims.model_validate({**SERVICE, "scope": "a:read b:write"}).scopes == {"a:read", "b:write"}


def test_claims_of_others_are_ignored() -> None:
    assert AccessClaims.model_validate({**SERVICE, "roles": ["x"]}).epoch == 0
