"""Provider accounts: through whom messages leave."""
