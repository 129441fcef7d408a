"""Why a case cannot be shown blind."""


class Unshowable(Exception):
    """Something of a case cannot be shown without telling who the patient is, or who made it.

    `str()` says what and why, for the coordinator: it may name arms, and must not reach a reader.
    """
