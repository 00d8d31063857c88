"""Escalations: messages that go through one channel after the other, until one works or somebody has seen it."""
