"""The four documents of a user's preferences: what may stand in each, and what holds where nothing does.

Each is published as a JSON Schema at `/preferences/{kind}/schema`. Only what was chosen is stored, so a default that is
changed here is changed for everybody who has not chosen otherwise.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints


class Document(BaseModel):
    """One kind of preferences. What it does not name is refused: what is misspelt should not be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Category = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")]


class NotificationPreferences(Document):
    """By which ways the user wants to be told of things; notifications heeds it.

    Messages of the categories SECURITY and TRANSACTIONAL come whatever stands here.
    """

    email: StrictBool = True
    sms: StrictBool = True
    push: StrictBool = True
    in_app: StrictBool = True
    digest: Literal["NONE", "DAILY", "WEEKLY"] = Field(
        "NONE",
        description="Gather what can wait into one mail; what is chosen later by category at notifications holds.",
    )
    muted_categories: Annotated[list[Category], Field(max_length=50)] = Field(default_factory=list[str])


class PrivacyPreferences(Document):
    """What other users see. Administrators see everything."""

    visibility: Literal["USERS", "NOBODY"] = Field("USERS", description="Who finds the profile at all.")
    shows_email: StrictBool = False
    shows_phone: StrictBool = False
    shows_location: StrictBool = True
    shows_social_links: StrictBool = True
    shows_last_active: StrictBool = False


class DisplayPreferences(Document):
    """How the product looks to the user."""

    theme: Literal["SYSTEM", "LIGHT", "DARK", "HIGH_CONTRAST"] = "SYSTEM"
    density: Literal["COMFORTABLE", "COMPACT"] = "COMFORTABLE"
    date_format: Literal["LOCALE", "ISO", "DMY", "MDY"] = "LOCALE"
    clock: Literal["LOCALE", "12H", "24H"] = "LOCALE"
    first_day_of_week: Literal["LOCALE", "MONDAY", "SATURDAY", "SUNDAY"] = "LOCALE"
    reduces_motion: StrictBool = False


class SecurityPreferences(Document):
    """What the user wants of every sign-in; auth heeds it from the next one on."""

    requires_second_factor: StrictBool = Field(
        False, description="Whoever signs in has to show one; whoever has none sets one up first."
    )
    sign_in_notices: Literal["NEW_DEVICE", "EVERY"] = Field(
        "NEW_DEVICE", description="Which sign-ins the user is written to about. Those on new devices always are one."
    )


DOCUMENTS: dict[str, type[Document]] = {
    "notifications": NotificationPreferences,
    "privacy": PrivacyPreferences,
    "display": DisplayPreferences,
    "security": SecurityPreferences,
}


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a document, with its defaults."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **DOCUMENTS[kind].model_json_schema()}
