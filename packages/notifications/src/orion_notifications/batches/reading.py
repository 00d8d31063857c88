"""Reading the lines of an upload: what is wrong with one is said by the names of its fields, never by what it holds."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, TextIO

import orjson
from pydantic import ValidationError

from orion_core.faults import code_and_words
from orion_core.stretches import Stretches
from orion_notifications.batches.rules import LINES_AT_ONCE, MOST_FAULTS_TOLD, MOST_RECIPIENTS, OF_ADDRESSES
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


@dataclass(frozen=True)
class _Broken:
    """A line that cannot even be parted into what it says. No string: a line of JSON may be one."""

    why: str


@dataclass
class Faults:
    """The lines of an upload that cannot be taken: how many, and the first of them."""

    lines: int = 0
    faulty: int = 0
    first: list[Read] = field(default_factory=list[Read])


class UnreadableError(ValueError):
    """The body cannot be parted into lines."""


def read_chunk(kind: str, first_line: int, body: bytes, demands: Demands) -> list[Read]:
    """The lines of a chunk; of CSV each chunk has its header, which is no line. Raises UnreadableError."""
    found = list(islice(_read_all(kind, first_line, io.BytesIO(body), demands), LINES_AT_ONCE + 1))
    if not 0 < len(found) <= LINES_AT_ONCE:
        raise UnreadableError(f"Send between 1 and {LINES_AT_ONCE} lines at once.")
    return found


async def read_file(kind: str, file: BinaryIO, demands: Demands, good: BinaryIO) -> Faults:
    """Look at each line of a file, and write what can be taken into `good`. Raises UnreadableError.

    It takes seconds for many lines, and gives way all the time. In a thread it would hold others up for longer: every
    time that they wait for anything, they would have to wait for the interpreter's lock too.
    """
    faults, stretches = Faults(), Stretches()
    for line in _read_all(kind, 1, file, demands):
        if line.values is not None:
            good.write(orjson.dumps(line.values) + b"\n")
        faults.lines += 1
        note_faults(faults, [line])
        if faults.lines > MOST_RECIPIENTS:
            raise UnreadableError(f"A batch has at most {MOST_RECIPIENTS} recipients; make another one.")
        await stretches.give_way()
    if faults.lines == 0:
        raise UnreadableError("There is no line in it.")
    return faults


def note_faults(faults: Faults, lines: Iterable[Read]) -> None:
    """Count the faulty ones of these lines, and keep the first."""
    faulty = [line for line in lines if line.fault is not None]
    faults.faulty += len(faulty)
    faults.first += faulty[: MOST_FAULTS_TOLD - len(faults.first)]


def slices(good: BinaryIO) -> Iterator[list[dict[str, Any]]]:
    """What `read_file` has written, a thousand lines at a time."""
    while lines := [orjson.loads(line) for line in islice(good, LINES_AT_ONCE)]:
        yield lines


def _read_all(kind: str, first_line: int, file: BinaryIO, demands: Demands) -> Iterator[Read]:
    said = _ndjson(file) if kind == NDJSON else _csv(file)
    try:
        for number, each in enumerate(said, first_line):
            yield _read(number, each, demands)
    except (UnicodeDecodeError, csv.Error):
        raise UnreadableError("The body is not UTF-8, or its quotes do not match.") from None


def _ndjson(file: BinaryIO) -> Iterator[object]:
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield _Broken("longer than 64 KiB")
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            yield _Broken("no JSON")


def _csv(file: BinaryIO) -> Iterator[object]:
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        yield from _records(text)
    finally:
        text.detach()  # else it would close the file


def _records(text: TextIO) -> Iterator[object]:
    records = csv.reader(_bounded(text), strict=True)
    header = next(records, list[str]())
    if len(set(header)) != len(header):
        raise UnreadableError("The header names a column twice.")
    for cells in records:
        if len(cells) != len(header):
            yield _Broken(f"{len(cells)} cells, and {len(header)} columns")
            continue
        named = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        variables = {name: cell for name, cell in named.items() if name not in FIELDS}
        yield {name: cell for name, cell in named.items() if name in FIELDS} | {"variables": variables}


def _bounded(text: TextIO) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise UnreadableError("A line is longer than 64 KiB.")
        yield line


def _read(number: int, said: object, demands: Demands) -> Read:
    if isinstance(said, _Broken):
        return Read(number, fault=said.why)
    try:
        line = RecipientLine.model_validate(said)
        to = line.to()
    except ValidationError as error:
        return Read(number, fault=_faults(error))
    if not to.reaches(demands.channel):
        return Read(number, fault=f"says nothing about {demands.channel.name}")
    if demands.channel in OF_ADDRESSES and to.user_id is not None:
        return Read(number, fault=f"{demands.channel.name} reaches no users: name an address")
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
    found = error.errors(include_input=False, include_url=False)
    faults = (f"{each['loc'][0] if each['loc'] else 'line'}: {code_and_words(each)[1]}" for each in found)
    return "; ".join(dict.fromkeys(faults))[:500]
