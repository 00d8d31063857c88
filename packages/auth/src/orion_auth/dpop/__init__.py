"""Proofs of keys with which tokens were got: each once (RFC 9449)."""
