"""Authoring: what writers of templates do, see and are told before anybody else reads it."""
