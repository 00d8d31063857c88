"""How unlike its owner a sign-in is, from 0 to 100, and why."""
