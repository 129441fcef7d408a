"""Tells when a process of the portal died, once for each time."""

from collections.abc import Iterator

from portal.demo.supervisor import State, Supervisor


class Watch:
    """Compares the processes with what they were at the last look."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._seen: dict[str, State] = {}

    def news(self) -> Iterator[str]:
        """One line for each process that stopped since the last look. Raises Refused when the supervisor is gone."""
        for state in self._supervisor.states():
            before = self._seen.get(state.name)
            self._seen[state.name] = state
            if before is None:
                continue
            if state.is_failing and not before.is_failing:
                yield _says(state)
            elif state.pid and before.pid and state.pid != before.pid and not before.is_failing:
                yield f"{state.name} stopped and was started again. Its log: {state.log}"

    def failing(self) -> str | None:
        """A line about a process that ends as soon as it starts, or None. Raises Refused as `news` does."""
        return next((_says(state) for state in self._supervisor.states() if state.is_failing), None)


def _says(state: State) -> str:
    return f"{state.name} stops as soon as it starts and is tried again and again. Its log says why: {state.log}"
