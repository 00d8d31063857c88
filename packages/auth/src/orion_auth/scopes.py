"""What access tokens may be given that auth itself asks for."""

ADMIN_SCOPE = "auth:admin"
"""Administration of all accounts: settings, unlocking, inquiries."""
