"""What goes wrong with a remote system, in words that name no patient."""


class PacsError(Exception):
    """A remote could not be asked, or answered with a failure. Another attempt may go well."""


class Refused(PacsError):
    """The remote refused, or its row here is wrong: another attempt would end in the same way."""
