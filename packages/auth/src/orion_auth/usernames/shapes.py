"""What is sent to change a username."""

from orion_auth.registrations.shapes import Username
from orion_core.http.shapes import RequestShape


class NewUsername(RequestShape):
    """The name that is wanted."""

    username: Username
