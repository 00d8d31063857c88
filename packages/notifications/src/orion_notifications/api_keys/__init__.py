"""The tokens of API keys: from where they are taken, how often, and how often they were."""
