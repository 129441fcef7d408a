"""Names of the directory, written in one way so that they can be compared."""

import re


def group_key(dn: str) -> str:
    """A DN in lower case, without space around its commas. Directories tell neither apart (RFC 4514)."""
    return re.sub(r"\s*([,=])\s*", r"\1", dn.strip().lower())
