"""What a study's services refuse; the message says why and what to do."""


class ProtocolRefused(Exception):
    """The protocol cannot be changed so."""
