"""What the services of studies refuse. The message says what, and what to do."""


class Refused(Exception):
    """It cannot be done as things are."""
