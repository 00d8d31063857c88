"""Profiles: who somebody is to everyone else."""
