"""Reading the lines of an upload: what is wrong with one is said by the names of its fields, never by what it holds."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from orion_notifications.batches.rules import LINES_AT_ONCE
from orion_notifications.batches.shapes import RecipientLine
from orion_notifications.kinds import Channel
from orion_notifications.rendering.schemas import value_errors
from orion_notifications.templates.rules import misfits

LONGEST_LINE = 64 * 1024
NDJSON, CSV = "application/x-ndjson", "text/csv"
FIELDS = ("user_id", "email", "phone", "address", "locale")
"""Columns of a CSV file that are what they are called; any other one is a variable."""


@dataclass(frozen=True)
class Demands:
    """What a line has to fit."""

    channel: Channel
    schema: Mapping[str, Any]
    """Of the template's variables."""
    variables: Mapping[str, Any]
    """What all recipients have in common."""


@dataclass(frozen=True)
class Read:
    """A line, or why it cannot be taken."""

    number: int
    values: Mapping[str, Any] | None = None
    """Columns of `batch_recipients`."""
    fault: str | None = None


class UnreadableError(ValueError):
    """The body cannot be parted into lines."""


def read_all(kind: str, first_line: int, body: bytes, demands: Demands) -> list[Read]:
    """The lines of a chunk; of CSV each chunk has its header, which is no line. Raises UnreadableError."""
    try:
        found = list(_ndjson(body) if kind == NDJSON else _csv(body.decode("utf-8-sig")))
    except (UnicodeDecodeError, csv.Error):
        raise UnreadableError("The body is not UTF-8, or its quotes do not match.") from None
    if not 0 < len(found) <= LINES_AT_ONCE:
        raise UnreadableError(f"Send between 1 and {LINES_AT_ONCE} lines at once.")
    return [_read(number, said, demands) for number, said in enumerate(found, first_line)]


def _ndjson(body: bytes) -> Iterator[object]:
    for line in body.splitlines():
        try:
            yield "longer than 64 KiB" if len(line) > LONGEST_LINE else json.loads(line)
        except (ValueError, RecursionError):
            yield "no JSON"


def _csv(body: str) -> Iterator[object]:
    records = csv.reader(io.StringIO(body, newline=""), strict=True)
    header = next(records, list[str]())
    if len(set(header)) != len(header):
        raise UnreadableError("The header names a column twice.")
    for cells in records:
        if len(cells) != len(header):
            yield f"{len(cells)} cells, and {len(header)} columns"
            continue
        named = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        variables = {name: cell for name, cell in named.items() if name not in FIELDS}
        yield {name: cell for name, cell in named.items() if name in FIELDS} | {"variables": variables}


def _read(number: int, said: object, demands: Demands) -> Read:
    if isinstance(said, str):
        return Read(number, fault=said)
    try:
        line = RecipientLine.model_validate(said)
        to = line.to()
    except ValidationError as error:
        return Read(number, fault=_faults(error))
    if not to.reaches(demands.channel):
        return Read(number, fault=f"says nothing about {demands.channel.name}")
    if demands.channel is Channel.IN_APP and to.user_id is None:
        return Read(number, fault="an inbox is a user's: name user_id")
    if (fault := unfit(line.variables, demands)) is not None:
        return Read(number, fault=fault)
    recipient = None if to.user_id is not None else to.of(demands.channel)
    values = {"user_id": to.user_id, "recipient": recipient, "locale": line.locale, "variables": line.variables}
    return Read(number, values={"position": number, **values})


def unfit(own: Mapping[str, Any], demands: Demands) -> str | None:
    """Why the variables cannot be rendered; no value is told of."""
    variables = {**demands.variables, **own}
    if names := misfits(demands.schema, variables):
        return f"variables: missing or unknown: {', '.join(sorted(names))}"[:500]
    faults = value_errors(demands.schema, variables) or value_errors({}, variables)
    return f"variables{faults[0].field}: {faults[0].detail}"[:500] if faults else None


def _faults(error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False, include_context=False)
    faults = (f"{each['loc'][0] if each['loc'] else 'line'}: {each['msg']}" for each in found)
    return "; ".join(dict.fromkeys(faults)).replace("Value error, ", "")[:500]
