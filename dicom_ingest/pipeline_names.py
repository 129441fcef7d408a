"""Which pipelines there are, by name. `inference` registers the answer at start-up; until then every name is taken."""

import difflib
from collections.abc import Callable


class _Provider:
    names: Callable[[], list[str]] | None = None


def register(names: Callable[[], list[str]]) -> None:
    """Let `inference` answer."""
    _Provider.names = staticmethod(names)


def known() -> list[str]:
    """The names of the pipelines of this installation."""
    return _Provider.names() if _Provider.names else []


def problem(name: str) -> str | None:
    """What is wrong with `name`, in words; None when there is such a pipeline, or nobody can tell."""
    if _Provider.names is None or name in (names := known()):
        return None
    close = difflib.get_close_matches(name, names, n=1)
    hint = f'Did you mean "{close[0]}"?' if close else f"There are: {', '.join(names)}."
    return f'There is no pipeline "{name}". {hint}'
