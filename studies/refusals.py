"""What a study's services refuse; the message says why and what to do."""


class ProtocolRefused(Exception):
    """The protocol cannot be changed so."""


class Refused(Exception):
    """It cannot be done as things are: to a case, a screening, a finding or the truth."""
