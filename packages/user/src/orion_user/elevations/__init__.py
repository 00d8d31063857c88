"""Roles for a time: asked for, approved by another, ended by the clock."""
