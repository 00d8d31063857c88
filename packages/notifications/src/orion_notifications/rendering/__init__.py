"""Rendering: Liquid within limits, MJML, layouts and partials, and schemas of what is filled in. No slice, and pure."""
