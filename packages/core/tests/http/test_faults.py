"""Whatever a shape finds wrong is told in our words, under our code, at the place where it stands in the body."""

from collections.abc import Callable
from datetime import date
from enum import Enum
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
from fastapi import APIRouter, FastAPI
from pydantic import AfterValidator, Field, HttpUrl, IPvAnyNetwork, StringConstraints
from pydantic_core import PydanticCustomError

from orion_core.http.shapes import Moment, RequestShape


class Colour(Enum):
    RED = "RED"
    BLUE = "BLUE"


class Circle(RequestShape):
    kind: Literal["circle"]
    radius: int


class Square(RequestShape):
    kind: Literal["square"]
    side: int


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("must be even; add one")
    return number


def _common(word: str) -> str:
    if word == "secret":
        raise PydanticCustomError("word_common", "Everybody uses this word; choose another.")
    return word


class Everything(RequestShape):
    """A field for each kind of fault."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=5)] = "-"
    pin: str = Field("0000", pattern="^[0-9]{4}$")
    number: int = Field(1, ge=1, le=9)
    share: float = Field(0.5, gt=0, lt=1)
    even: Annotated[int, AfterValidator(_even)] = 0
    word: Annotated[str, AfterValidator(_common)] = "-"
    yes: bool = True
    colour: Colour = Colour.RED
    level: Literal["LOW", "HIGH"] = "LOW"
    id: UUID | None = None
    day: date | None = None
    moment: Moment | None = None
    site: HttpUrl | None = None
    network: IPvAnyNetwork = IPv4Network("192.0.2.0/24")
    names: list[str] = Field(["-"], min_length=1, max_length=2)
    by_name: dict[Annotated[str, StringConstraints(max_length=3)], int] = Field({})
    figure: Annotated[Circle | Square, Field(discriminator="kind")] | None = None
    circle: Circle | None = None


JSON = {"Content-Type": "application/json"}

FAULTS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"circle": {"kind": "circle"}}, "/circle/radius", "missing", "Must be given."),
    ({"txet": 1}, "/txet", "unknown_field", "No such field here; correct its name, or leave it out."),
    ({"text": 1}, "/text", "wrong_type", "Must be a text."),
    ({"number": "one"}, "/number", "wrong_type", "Must be a whole number."),
    ({"number": 1.5}, "/number", "wrong_type", "Must be a whole number."),
    ({"share": "half"}, "/share", "wrong_type", "Must be a number."),
    ({"yes": "perhaps"}, "/yes", "wrong_type", "Must be true or false."),
    ({"names": "a"}, "/names", "wrong_type", "Must be a list."),
    ({"names": [1]}, "/names/0", "wrong_type", "Must be a text."),
    ({"by_name": []}, "/by_name", "wrong_type", "Must be an object."),
    ({"circle": []}, "/circle", "wrong_type", "Must be an object."),
    ({"text": ""}, "/text", "too_short", "Must not be empty."),
    ({"names": []}, "/names", "too_short", "Must not be empty."),
    ({"text": "too long"}, "/text", "too_long", "Must have at most 5 characters."),
    ({"names": ["a", "b", "c"]}, "/names", "too_long", "Must have 2 or fewer entries."),
    ({"by_name": {"long": 1}}, "/by_name/long", "too_long", "Must have at most 3 characters."),
    ({"pin": "abcd"}, "/pin", "wrong_form", "Must have the form ^[0-9]{4}$ (a regular expression)."),
    ({"id": "7"}, "/id", "wrong_form", "Must be a UUID, such as 0195f1c8-7c00-7000-8000-000000000001."),
    ({"day": "soon"}, "/day", "wrong_form", "Must be a date, such as 2026-11-26."),
    ({"site": "soon"}, "/site", "wrong_form", "Must be an address, such as https://example.com."),
    ({"network": "home"}, "/network", "wrong_form", "Must be a network, such as 192.0.2.0/24 or 2001:db8::/32."),
    ({"colour": "GREEN"}, "/colour", "unknown_value", "Must be 'RED' or 'BLUE'."),
    ({"level": "MIDDLE"}, "/level", "unknown_value", "Must be 'LOW' or 'HIGH'."),
    ({"figure": {"kind": "line"}}, "/figure", "unknown_value", "'kind' must be 'circle', 'square'."),
    ({"figure": {"kind": "circle", "radius": []}}, "/figure/radius", "wrong_type", "Must be a whole number."),
    ({"figure": {"kind": "circle"}}, "/figure/radius", "missing", "Must be given."),
    ({"figure": {}}, "/figure", "missing", "Must say of which kind it is, in 'kind'."),
    ({"number": 0}, "/number", "too_small", "Must be 1 or more."),
    ({"number": 10}, "/number", "too_large", "Must be 9 or less."),
    ({"share": 0}, "/share", "too_small", "Must be more than 0.0."),
    ({"share": 1}, "/share", "too_large", "Must be less than 1.0."),
    ({"even": 3}, "/even", "invalid_value", "Must be even; add one."),
    (
        {"moment": 7},
        "/moment",
        "invalid_value",
        "A moment is written with its zone (RFC 3339), such as 2026-11-26T12:00:00Z.",
    ),
    ({"word": "secret"}, "/word", "word_common", "Everybody uses this word; choose another."),
]

WHOLE: list[tuple[dict[str, Any], int, str, str]] = [
    ({"json": []}, 422, "wrong_type", "The body must be a JSON object."),
    ({"json": "text"}, 422, "wrong_type", "The body must be a JSON object."),
    ({}, 422, "missing", "The body is missing: send JSON, with Content-Type: application/json."),
]

UNREAD: list[tuple[dict[str, Any], int, str, str]] = [
    ({"content": "{'text': 1}", "headers": JSON}, 400, "invalid_json", "not valid JSON, from its character 2 on"),
    ({"content": b'{"text": "\xff"}', "headers": JSON}, 400, "bad_request", "is not UTF-8"),
    ({"data": {"text": "a"}}, 415, "unsupported_media_type", "send it with Content-Type: application/json."),
    ({"content": "{}"}, 415, "unsupported_media_type", "send it with Content-Type: application/json."),
]


async def test_every_kind_of_fault_has_a_code_and_words_of_ours(make_application: Callable[..., FastAPI]) -> None:
    router = APIRouter(prefix="/sample/v1")

    @router.post("/everything")
    async def everything(_: Everything) -> None:
        pass

    @router.get("/moments")
    async def moments(after: Moment, limit: int = 1) -> None:
        assert after and limit

    application = make_application(None, router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://s/sample/v1") as http:
        for body, field, code, detail in FAULTS:
            answer = await http.post("/everything", json=body)
            told = {"field": field, "code": code, "detail": detail}
            assert (answer.status_code, answer.json()["errors"]) == (422, [told]), body
        for sent, status, code, detail in WHOLE:
            answer = await http.post("/everything", **sent)
            told = {"field": "", "code": code, "detail": detail}
            assert (answer.status_code, answer.json()["errors"]) == (status, [told]), sent
        for sent, status, code, detail in UNREAD:
            answer = await http.post("/everything", **sent)
            assert (answer.status_code, answer.json()["code"]) == (status, code), sent
            assert detail in answer.json()["detail"]
        wrong = (await http.get("/moments?limit=x")).json()["errors"]
    assert wrong == [
        {"field": "after", "code": "missing", "detail": "Must be given."},
        {"field": "limit", "code": "wrong_type", "detail": "Must be a whole number."},
    ]
