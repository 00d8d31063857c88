"""Organizations, their teams, and who belongs to them."""
