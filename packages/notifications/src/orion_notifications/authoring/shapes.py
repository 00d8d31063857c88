"""Templates as their writers send and see them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_notifications.authoring.lint import LOCALE
from orion_notifications.labels import CategoryLabel, ChannelLabel, Label, PriorityLabel, label
from orion_notifications.rendering.engine import LONGEST_SOURCE

KindLabel = Literal["MESSAGE", "LAYOUT", "PARTIAL"]


def _locale(value: str) -> str:
    if not LOCALE.fullmatch(value):
        raise ValueError("a language is named as in BCP 47: en, pt-BR, zh-Hant")
    return value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Text = Annotated[str, StringConstraints(max_length=1_000)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=50)]
Locale = Annotated[str, StringConstraints(max_length=35), AfterValidator(_locale)]
Source = Annotated[str, StringConstraints(max_length=LONGEST_SOURCE)]
Number = Annotated[int, Field(ge=1, le=2_147_483_647)]
Zone = Annotated[str, StringConstraints(max_length=64)]


class NewTemplate(RequestShape):
    """A template to make. It says nothing before a version of it is published."""

    name: Name = Field(description="What programs call it; it stays.", examples=["order_shipped"])
    display_name: Line = Field(examples=["Order shipped"])
    description: Text = ""
    category: CategoryLabel
    channel: ChannelLabel
    kind: KindLabel = Field(default="MESSAGE", description="LAYOUT and PARTIAL become parts of others.")
    priority: PriorityLabel = "NORMAL"
    default_locale: Locale = Field(default="en", description="What readers of all other languages get.")
    tags: list[Tag] = Field(default=[], max_length=20)


class TemplateChanges(RequestShape):
    """What to change; what is left out stays."""

    display_name: Line = ""
    description: Text = ""
    category: CategoryLabel = "SYSTEM"
    priority: PriorityLabel = "NORMAL"
    default_locale: Locale = "en"
    is_active: bool = Field(default=True, strict=True, description="An inactive template sends nothing.")
    tags: list[Tag] = Field(default=[], max_length=20)


class TemplateShape(ResponseShape):
    """A template; its words are in its versions."""

    id: UUID
    name: str
    display_name: str
    description: str
    category: Label
    channel: Label
    kind: Label
    priority: Label
    default_locale: str
    variables: dict[str, Any] = Field(
        description="The JSON Schema of what a message needs: that of the version in force."
    )
    published_version: int | None
    is_active: bool
    tags: list[str]
    created_at: datetime
    updated_at: datetime


class LocaleSource(RequestShape):
    """What is written in one language, in Liquid."""

    subject: Annotated[str, StringConstraints(max_length=20_000)] = ""
    text: Source | None = Field(default=None, description="Null: it is read out of the HTML.")
    html: Source | None = None
    mjml: Source | None = Field(default=None, description="MJML for e-mail, instead of HTML.")


Locales = Annotated[dict[Locale, LocaleSource], Field(min_length=1, max_length=100)]


class NewVersion(RequestShape):
    """A draft."""

    locales: Locales = Field(examples=[{"en": {"subject": "Hello {{ name }}", "text": "Hello {{ name }}!"}}])
    layout: Name | None = Field(default=None, description="The LAYOUT of this channel around it.")
    variables: dict[str, Any] | None = Field(
        default=None, description="JSON Schema 2020-12 of what it needs; null: as the version in force. Without $ref."
    )
    tracks_opens: bool = Field(default=False, strict=True, description="Whether mails tell that they were opened.")
    tracks_clicks: bool = Field(
        default=False, strict=True, description="Whether links in mails are followed through us."
    )
    changelog: Text = ""


class VersionChanges(RequestShape):
    """What to change of a draft; what is left out stays. `locales` are replaced as a whole."""

    locales: Locales = Field(default={})
    layout: Name | None = None
    variables: dict[str, Any] | None = None
    tracks_opens: bool = Field(default=False, strict=True)
    tracks_clicks: bool = Field(default=False, strict=True)
    changelog: Text = ""


class VersionSummary(ResponseShape):
    """A version in a list."""

    version: int
    changelog: str
    created_by: UUID | None
    published_at: datetime | None = Field(description="Null: a draft.")
    locales: list[str]
    created_at: datetime
    updated_at: datetime


class WrittenLocale(ResponseShape):
    """What was written in one language."""

    subject: str = ""
    text: str | None = None
    html: str | None = None
    mjml: str | None = None


class VersionShape(ResponseShape):
    """A version with what was written."""

    template_id: UUID
    version: int
    locales: dict[str, WrittenLocale]
    layout: str | None
    variables: dict[str, Any] | None
    parts: dict[str, int] = Field(description="The versions of layouts and partials that it was published with.")
    tracks_opens: bool
    tracks_clicks: bool
    changelog: str
    created_by: UUID | None
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime


class InForce(RequestShape):
    """The version that messages are to be rendered from: a draft, which is published by that, or an earlier one."""

    version: Number


class Sample(RequestShape):
    """What to fill in; what is left out is taken from the examples of the schema."""

    locale: Locale | None = Field(default=None, description="Null: the template's default.")
    timezone: Zone = "UTC"
    variables: dict[str, Any] = Field(default={})


class Preview(ResponseShape):
    """What a reader would get."""

    locale: str
    subject: str
    text: str
    html: str | None
    bytes: int = Field(description="Of all parts in UTF-8.")
    sms: int | None = Field(description="How many SMS the text takes, where the channel is SMS.")


class FindingShape(ResponseShape):
    """One thing that is wrong. ERROR keeps a version from being published."""

    level: Annotated[Literal["ERROR", "WARNING"], BeforeValidator(label)]
    code: str = Field(examples=["unknown_variable", "insecure_link"])
    locale: str | None
    part: str | None = Field(examples=["html"])
    detail: str


class DifferenceShape(ResponseShape):
    """One part that differs between two versions."""

    locale: str | None
    part: str
    diff: str = Field(description="Unified, as `diff -u` writes it.")


class Trial(ResponseShape):
    """A message that is on its way to whoever asked for it."""

    notification_id: UUID
    recipient: str
