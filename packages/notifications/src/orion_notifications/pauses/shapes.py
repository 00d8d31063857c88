"""Bodies of the routes of channel pauses."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_notifications.labels import ChannelLabel
from orion_notifications.notifications.shapes import Line

LONGEST_REASON = 500


class PauseChange(RequestShape):
    """Why a channel is to send nothing for now."""

    reason: Annotated[Line, Field(min_length=1, max_length=LONGEST_REASON)]


class PauseShape(ResponseShape):
    """A channel that sends nothing for now."""

    channel: ChannelLabel
    reason: str
    paused_by: str
    """Id of a user, or name of a program or operator."""
    paused_at: datetime


class PausesShape(ResponseShape):
    """All channels that send nothing for now."""

    items: list[PauseShape]
