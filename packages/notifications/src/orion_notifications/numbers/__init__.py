"""Numbers: what became of messages, by channel, provider, template and category, and how soon they left."""
