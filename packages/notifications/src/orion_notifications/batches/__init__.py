"""Batches: one message to many people."""
