"""Who has been given which role or permission, where, from when until when."""
