"""What a user does with his own passkeys."""
