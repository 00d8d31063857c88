"""What a user does with his own devices."""
