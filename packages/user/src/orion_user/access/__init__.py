"""What a user may do, and by what."""
