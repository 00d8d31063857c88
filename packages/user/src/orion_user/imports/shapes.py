"""What one line of an import says of one user, and what becomes of it. docs/users.md explains it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_user.imports.rules import ImportFormat
from orion_user.users.shapes import Bio, Line, Metadata, SocialLinks, Url

TIME_ZONES = frozenset(available_timezones())


def _known_time_zone(name: str) -> str:
    if name not in TIME_ZONES:
        raise ValueError("not a name of the IANA time zone database, such as Europe/Berlin")
    return name


Outcome = Literal["CREATED", "EXISTS", "REFUSED"]


class ImportedUser(BaseModel):
    """One user of another system. Unknown fields are refused, so that nothing is lost by a misspelling."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=255)]
    email_verified: bool = False
    """Whether the other system knows that the address is the user's own; if not, it is verified before they sign in."""
    username: (
        Annotated[str, StringConstraints(to_lower=True, pattern=r"^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,48}[a-zA-Z0-9])?$")]
        | None
    ) = None
    name: Line | None = None
    bio: Bio | None = None
    location: Line | None = None
    website: Url | None = None
    avatar_url: Url | None = None
    social_links: SocialLinks = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$", max_length=35)] = (
        "en"
    )
    timezone: Annotated[str, AfterValidator(_known_time_zone)] = "UTC"


COLUMNS = frozenset(ImportedUser.model_fields)
Column = Annotated[str, StringConstraints(max_length=40)]


class NewImport(RequestShape):
    """An import that is about to begin."""

    format: ImportFormat = ImportFormat.NDJSON
    columns: Annotated[list[Column], Field(max_length=len(COLUMNS))] = Field(
        default_factory=list[str], description="Of a CSV file, in their order; its first line, with them, is not sent."
    )


class LineReport(ResponseShape):
    """What became of a line."""

    line: int
    outcome: Outcome
    user_id: UUID | None
    reason: str | None


class ChunkShape(ResponseShape):
    """What became of some lines."""

    first_line: int
    lines: list[LineReport]

    @classmethod
    def of(cls, first_line: int, report: list[Any]) -> "ChunkShape":
        """The shape of a stored report."""
        lines = [
            LineReport(line=first_line + number, outcome=outcome, user_id=user_id, reason=reason)
            for number, (outcome, user_id, reason) in enumerate(report)
        ]
        return cls(first_line=first_line, lines=lines)


class ImportShape(ResponseShape):
    """An import, and how far it is."""

    id: UUID
    format: ImportFormat
    columns: list[str]
    requested_by: str
    created_at: datetime
    next_line: int = Field(description="The first line that is not done: go on from it after an interruption.")
    created: int
    existing: int
    refused: int
