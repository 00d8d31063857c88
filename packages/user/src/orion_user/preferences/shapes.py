"""Preferences as the outside sees them."""

from orion_core.http.shapes import ResponseShape
from orion_user.preferences.documents import (
    DisplayPreferences,
    NotificationPreferences,
    PrivacyPreferences,
    SecurityPreferences,
)


class PreferencesShape(ResponseShape):
    """All that a user has chosen, and the defaults where they have not."""

    locale: str
    timezone: str
    notifications: NotificationPreferences
    privacy: PrivacyPreferences
    display: DisplayPreferences
    security: SecurityPreferences
