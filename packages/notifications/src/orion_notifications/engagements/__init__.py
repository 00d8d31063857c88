"""Engagements: whether mails are read, where their template asks for it and their reader allows it."""
