"""Call-backs: what providers tell later of messages, and mails that come back."""
