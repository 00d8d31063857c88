"""The devices a user signs in from, and how far they are trusted."""
