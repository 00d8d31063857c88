"""Argon2id with the parameters of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane."""

from argon2 import PasswordHasher

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)
"""Costs about 20 ms of one core and 19 MiB per call, so the running service calls it through `lane` only."""
