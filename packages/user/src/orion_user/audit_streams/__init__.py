"""Handing the audit trail on as it grows, to a webhook or a syslog server."""
