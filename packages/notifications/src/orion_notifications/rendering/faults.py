"""What a template can be blamed for."""


class TemplateFaultError(Exception):
    """A template cannot be rendered with what it was given. The message holds no value of a variable."""
