"""The record of every attempt to sign in."""
