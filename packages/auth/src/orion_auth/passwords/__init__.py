"""Setting a new password when the old one is lost."""
