"""Migrations applied and taken back: in steps, under a lock, whatever cuts them off."""
