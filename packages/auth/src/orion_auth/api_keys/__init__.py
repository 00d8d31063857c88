"""The API keys that user tells of, as far as giving tokens for them needs."""
