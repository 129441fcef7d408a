"""What a reading design is asked, and what it answers. Plain values: nothing here knows a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from studies.protocols.protocol_schema import Arm, PeopleFindings

Sitting = tuple[str, int]
"""Condition and occasion: what tells one reader's reads of one case apart."""

Given = tuple[int, Sitting]
"""A reader's key, and which of their reads of the case."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A reader as a design sees one. `seed` is what everything of theirs is drawn from."""

    key: int
    seed: str
    role: str = ""
    block: int = 0


@dataclass(frozen=True, kw_only=True)
class Deal:
    """One case that is to be dealt out.

    case: its number in the study. seed: the study's own. load: how many open reads each reader has, by key.
    given: what readers were given of the case before, and whether it stands; else it was withdrawn.
    """

    case: int
    readers: tuple[Reader, ...]
    arms: Mapping[str, Arm]
    seed: str
    load: Mapping[int, int] = field(default_factory=dict)
    given: Mapping[Given, bool] = field(default_factory=dict)

    def readers_with(self, role: str) -> tuple[Reader, ...]:
        """The readers of that role; with an empty one, all."""
        return tuple(reader for reader in self.readers if role in ("", reader.role))

    def readers_in(self, arm: str, role: str) -> tuple[Reader, ...]:
        """Who reads in `arm`: where the answers of a certain role are its findings, those; else those with `role`."""
        findings = self.arms[arm].findings
        of_arm = findings.reader_role if isinstance(findings, PeopleFindings) and not findings.are_drawn else ""
        return self.readers_with(of_arm or role)


def shown_in(arm: Arm) -> tuple[str, ...]:
    """What a reader who reads in `arm` is shown: its findings, or the images alone where the answer is the finding."""
    return () if arm.is_answered else (arm.key,)


@dataclass(frozen=True, kw_only=True)
class PlannedRead:
    """One read that a design asks for.

    arms: those whose findings are shown, in the order in which they are. follows: the reader's read of this case that
    has to be submitted before; washout_days pass between the two, or with `same_sitting` nothing comes between them.
    """

    case: int
    reader: int
    condition: str
    form: str
    arms: tuple[str, ...] = ()
    occasion: int = 1
    follows: Sitting | None = None
    washout_days: int = 0
    same_sitting: bool = False

    @property
    def given(self) -> Given:
        return self.reader, self.sitting

    @property
    def sitting(self) -> Sitting:
        return self.condition, self.occasion
