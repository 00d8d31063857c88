"""Users of another system, brought over in their millions, and all users given out."""
