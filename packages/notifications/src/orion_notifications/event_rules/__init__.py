"""Rules kept in the database: which message follows from which event of auth and user."""
