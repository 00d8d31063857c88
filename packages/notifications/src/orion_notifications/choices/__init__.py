"""Choices: what somebody wants to hear, when signed in or by the link in a mail, and the record of that."""
