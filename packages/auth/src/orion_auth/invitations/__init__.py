"""Accounts that an administrator makes: whoever reads the mail sets the password."""
