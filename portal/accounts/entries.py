"""What is known of a person in the directory, whatever library asked for it."""

from dataclasses import dataclass


class DirectoryIsAway(Exception):
    """The directory did not answer, or not as it should. The message says how."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One person in the directory. Groups are DNs as `names.group_key` writes them."""

    dn: str
    groups: frozenset[str]
    is_locked: bool
