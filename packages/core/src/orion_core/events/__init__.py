"""How services tell each other what happened: an outbox, a feed of it over HTTP, and followers that apply it once."""
