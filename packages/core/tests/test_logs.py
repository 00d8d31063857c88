"""Logs tell what happened in one form, and no secret leaves by them, whoever puts it there and however deep."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_core.logs import DEEPEST, _as_json_text, redact
from orion_core.secret_names import without_secret_values

JWT = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"

SECRET_NAMES = [
    "password",
    "new_password",
    "Password",
    "passwd",
    "client_secret",
    "secrets",
    "access_token",
    "refresh_token",
    "Authorization",
    "set-cookie",
    "api_key",
    "apikey",
    "X-Api-Key",
    "private_key",
    "sealing_keys",
    "code",
    "verification_code",
    "link",
    "credentials",
]
SECRET_TEXTS = [
    JWT,
    f"{JWT}.ZW5j.dGFn",
    ARGON2,
    "postgresql://orion:hunter2hunter2@db/orion",
    "postgresql://orion:hunter2@hunter2@db/orion",
    "redis://:hunter2hunter2@cache",
    "Bearer hunter2hunter2",
    "authorization: bearer  hunter2hunter2",
    "Basic aHVudGVyMmh1bnRlcjI=",
    "GET /verify?token=hunter2hunter2&x=1",
    "grant_type=password&password=hunter2hunter2",
    "-----BEGIN EC PRIVATE KEY-----\nhunter2hunter2\n-----END EC PRIVATE KEY-----",
]
TELLTALES = ("hunter2", "aHVudGVy", "c2lnbmF0dXJl", "aGFzaGhhc2g")

SECRET = "Tr0ub4dor&3-correct-horse"


def logged(**event: Any) -> str:
    return _as_json_text(None, "", redact(None, "", event))


def buried(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`inside`, somewhere in dictionaries, lists, tuples and sets."""
    return st.recursive(
        inside,
        lambda children: (
            st.lists(children, min_size=1, max_size=2)
            | st.tuples(children)
            | st.dictionaries(st.sampled_from(["a", "items", "status"]), children, min_size=1, max_size=2)
        ),
        max_leaves=6,
    )


@given(buried(st.sampled_from(SECRET_NAMES).map(lambda name: {name: SECRET, "public": 1})))
def test_what_has_the_name_of_a_secret_is_redacted_at_any_depth(value: Any) -> None:
    assert SECRET not in logged(value=value)


@given(st.sampled_from(SECRET_NAMES), buried(st.just(SECRET) | st.just(SECRET.encode()) | st.just({SECRET: 1})))
def test_nothing_below_the_name_of_a_secret_is_shown(name: str, value: Any) -> None:
    assert SECRET not in logged(**{name: value})


@given(buried(st.sampled_from(SECRET_TEXTS)), st.text(max_size=20), st.text(max_size=20))
def test_what_looks_like_a_secret_is_redacted_at_any_depth(value: Any, before: str, after: str) -> None:
    line = logged(event=f"{before} ", value=value, after=after)
    assert not any(telltale in line for telltale in TELLTALES)


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_a_secret_in_the_middle_of_a_sentence_is_redacted_and_the_rest_is_not(text: str) -> None:
    line = logged(event=f"it failed: {text} , said the server")
    assert "it failed" in line and "said the server" in line and "[redacted]" in line
    assert not any(telltale in line for telltale in TELLTALES)


class Shape:
    """An object that shows its secret when it is turned into text, as a pydantic model does."""

    def __str__(self) -> str:
        return f"Shape(header='{JWT}')"

    __repr__ = __str__


def test_objects_exceptions_bytes_and_keys_are_searched_too() -> None:
    line = logged(shape=Shape(), error=ValueError(JWT), raw=JWT.encode(), by_key={JWT: 1}, several={JWT})
    assert "c2lnbmF0dXJl" not in line and line.count("[redacted]") == 5


def test_numbers_under_secret_names_are_redacted() -> None:
    assert "123456" not in logged(code=123456)


def test_what_only_sounds_secret_is_shown() -> None:
    event = {"status_code": 200, "error_code": "not_found", "token_type": "Bearer", "event": "request", "ok": True}
    assert json.loads(logged(**event)) == event


def test_a_log_line_never_fails() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    line = logged(endless=endless, huge=2**80, lone="\ud800", odd={1: 2, None: object()}, nan=float("nan"))
    assert json.loads(line)["huge"] == 2**80
    assert line.count("again") == DEEPEST


PROGRAM = """
import logging
import structlog
from orion_core.logs import configure_logs
from orion_core.settings import Settings

configure_logs(Settings(), "sample")
structlog.contextvars.bind_contextvars(request_id="r-1", trace="t-1")
structlog.get_logger().info("sample.happened", password="hunter2", count=1)
structlog.get_logger().debug("sample.hidden")
logging.getLogger("library").warning("called %s", "https://me:hunter2@host/")
try:
    password = "hunter2"
    shown = {"any": "hunter2"}
    raise RuntimeError("Bearer hunter2hunter2")
except RuntimeError:
    structlog.get_logger().exception("sample.failed")
    logging.getLogger("library").exception("library failed")
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_process_logs_in_one_form_without_secrets(form: str) -> None:
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, env={"ORION_LOG_FORMAT": form}, capture_output=True, text=True, check=True)
    assert "hunter2hunter2" not in run.stdout and run.stderr == ""
    if form == "text":
        assert "sample.happened" in run.stdout
        return
    happened, called, failed, library = map(json.loads, run.stdout.splitlines())
    assert "hunter2" not in json.dumps([happened, called, failed["exception"][0]["exc_value"], library["event"]])
    assert happened["level"] == "info" and happened["timestamp"].endswith("Z")
    assert {line["service"] for line in (happened, called, failed, library)} == {"sample"}
    assert {line["request_id"] for line in (happened, failed)} == {"r-1"}
    for line in (failed, library):
        (trace,) = line["exception"]
        assert trace["exc_type"] == "RuntimeError" and trace["frames"][0]["name"] == "<module>"
        assert not any(frame.get("locals") for frame in trace["frames"]), "local variables hold secrets"


def test_looking_for_secrets_takes_no_longer_than_reading() -> None:
    """Whoever changes a profile chooses what is looked through, in the loop that answers everybody."""
    began = time.process_time()
    for letters in ("a-", "a ", "token-", "eyJ", "://a:", "bearer ", "-----BEGIN "):
        without_secret_values(f"{letters * 20_000}"[:16_000] + " =:")
    assert time.process_time() - began < 3, "tens of seconds, if each place was looked at from each other"
