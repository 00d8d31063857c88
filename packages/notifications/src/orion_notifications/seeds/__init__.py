"""What a new notification database is filled with."""
