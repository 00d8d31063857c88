"""What a user has chosen: language, time zone, notices, privacy, display, security."""
