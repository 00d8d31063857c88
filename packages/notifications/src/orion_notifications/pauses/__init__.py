"""Pauses of channels: what operators do when a whole way out is in trouble."""
