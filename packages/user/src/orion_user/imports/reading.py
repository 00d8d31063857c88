"""Reading the lines of an import: what is wrong with one is said by the names of its fields, never by what it holds."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from pydantic import ValidationError

from orion_core.faults import code_and_words
from orion_core.http.shapes import UNSTORABLE_WORDS, is_storable
from orion_user.imports.rules import LINES_AT_ONCE, ImportFormat
from orion_user.imports.shapes import ImportedUser

LONGEST_LINE = 64 * 1024
OBJECTS = ("social_links", "metadata")
"""Columns of a CSV file that hold JSON."""


@dataclass(frozen=True)
class Read:
    """A line, or why it cannot be taken."""

    number: int
    user: ImportedUser | None = None
    fault: str | None = None


def read_ndjson(number: int, line: bytes) -> Read:
    """One JSON object."""
    if len(line) > LONGEST_LINE:
        return Read(number, fault=f"longer than {LONGEST_LINE} bytes")
    try:
        user = ImportedUser.model_validate_json(line)
    except ValidationError as error:
        return Read(number, fault=_faults(error))
    # What could not be kept is written with an escape, or stands where any JSON may.
    return _read(number, user, user.model_dump() if b"\\u" in line else user.metadata)


def read_csv(number: int, columns: Sequence[str], cells: Sequence[str]) -> Read:
    """One record; an empty cell is as if its column were not there."""
    if len(cells) != len(columns):
        return Read(number, fault=f"{len(cells)} cells, and {len(columns)} columns")
    if sum(map(len, cells)) > LONGEST_LINE or any("\0" in cell for cell in cells):
        return Read(number, fault=f"longer than {LONGEST_LINE} characters, or a NUL character in it")
    try:
        found = {
            name: json.loads(cell) if name in OBJECTS else cell
            for name, cell in zip(columns, cells, strict=True)
            if cell
        }
        user = ImportedUser.model_validate(found)
        return _read(number, user, user.model_dump() if any(name in found for name in OBJECTS) else None)
    except ValidationError as error:
        return Read(number, fault=_faults(error))
    except (ValueError, RecursionError):
        return Read(number, fault=f"{' or '.join(OBJECTS)}: not JSON")


def _read(number: int, user: ImportedUser, suspect: object) -> Read:
    if not is_storable(suspect):
        return Read(number, fault=UNSTORABLE_WORDS)
    return Read(number, user)


def read_all(format_: ImportFormat, columns: Sequence[str], first_line: int, body: bytes) -> list[Read]:
    """The lines of a chunk. UnicodeDecodeError or csv.Error when it cannot be parted into lines."""
    if format_ is ImportFormat.NDJSON:
        return [read_ndjson(number, line) for number, line in enumerate(body.splitlines(), first_line)]
    records = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
    return [read_csv(number, columns, cells) for number, cells in enumerate(records, first_line)]


def chunks_of(format_: ImportFormat, file: BinaryIO) -> tuple[list[str], Iterator[tuple[int, list[Read]]]]:
    """The columns of a file, and its chunks with the numbers of their first lines; of a CSV file the header is none."""
    if format_ is ImportFormat.NDJSON:
        return [], _chunks(read_ndjson(number, line) for number, line in enumerate(file, 1))
    records = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
    columns = next(records, list[str]())
    return columns, _chunks(read_csv(number, columns, cells) for number, cells in enumerate(records, 1))


def _chunks(lines: Iterable[Read]) -> Iterator[tuple[int, list[Read]]]:
    remaining = iter(lines)
    while chunk := list(islice(remaining, LINES_AT_ONCE)):
        yield chunk[0].number, chunk


def _faults(error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False)
    faults = (f"{each['loc'][0] if each['loc'] else 'line'}: {code_and_words(each)[1]}" for each in found)
    return "; ".join(dict.fromkeys(faults))[:500]
