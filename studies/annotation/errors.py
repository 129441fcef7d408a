"""What keeps a file from being the mask of an arm."""


class NotAMask(Exception):
    """The file cannot be taken as the mask; the message says what it is, what was expected, and what to do."""
