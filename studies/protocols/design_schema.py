"""What a protocol says of the reading design, one shape for each. How each is carried out: `studies/designs/`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Days = Annotated[int, Field(ge=0, le=3650)]


class _Design(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def arms_named(self) -> tuple[str, ...]:
        return ()

    @property
    def forms_named(self) -> tuple[str, ...]:
        return ()

    @property
    def roles_named(self) -> tuple[str, ...]:
        return ()


class Standalone(_Design):
    """The findings of one or more arms against the reference standard; nobody reads."""

    kind: Literal["standalone"] = "standalone"
    arms: tuple[Key, ...] = ()

    @property
    def arms_named(self) -> tuple[str, ...]:
        return self.arms


class Shadow(_Design):
    """Prospective shadow mode: the pipelines run on every exam that enters, and nobody is shown what they find."""

    kind: Literal["shadow"] = "shadow"
    arms: tuple[Key, ...] = ()

    @property
    def arms_named(self) -> tuple[str, ...]:
        return self.arms


class _Read(_Design):
    form: Key
    reader_role: Key | Literal[""] = ""
    """Who reads; empty: every reader."""
    due_days: Days = 0
    """Within how many days a read is expected, once it may be opened; 0: no date."""

    @property
    def forms_named(self) -> tuple[str, ...]:
        return (self.form,)

    @property
    def roles_named(self) -> tuple[str, ...]:
        return (self.reader_role,)


class _ReadOfArms(_Read):
    arms: Annotated[tuple[Key, ...], Field(min_length=1)]

    @property
    def arms_named(self) -> tuple[str, ...]:
        return self.arms


class Independent(_ReadOfArms):
    """Each case is read in each arm by some readers, who know nothing of each other.

    readers_per_case: how many read each; 0: all.
    """

    kind: Literal["independent"] = "independent"
    readers_per_case: Annotated[int, Field(ge=0, le=500)] = 0


class UnaidedAided(_Read):
    """The same reader without and then with the findings of an arm.

    In one sitting the unaided answer is locked before the findings are revealed; in the crossover half of the readers
    begin aided, and the other condition follows after the washout.
    """

    kind: Literal["unaided-aided"] = "unaided-aided"
    aid: Key
    order: Literal["one-sitting", "crossover"] = "one-sitting"
    washout_days: Days = 28

    @property
    def arms_named(self) -> tuple[str, ...]:
        return (self.aid,)


class MultiReader(_ReadOfArms):
    """Multi-reader multi-case: fully crossed, every reader reads every case in every arm; or split-plot, readers and
    cases are divided into blocks, and within a block everything is crossed. Arms are a washout apart."""

    kind: Literal["multi-reader"] = "multi-reader"
    layout: Literal["fully-crossed", "split-plot"] = "fully-crossed"
    blocks: Annotated[int, Field(ge=1, le=50)] = 1
    washout_days: Days = 28


class Preference(_Read):
    """Findings of two or more arms side by side, on sides drawn for each read; the reader says which is better."""

    kind: Literal["preference"] = "preference"
    arms: Annotated[tuple[Key, ...], Field(min_length=2)]

    @property
    def arms_named(self) -> tuple[str, ...]:
        return self.arms


class BlindScoring(_Read):
    """Segmentations of several arms, such as expert, novice and AI, scored one at a time in an order drawn anew."""

    kind: Literal["blind-scoring"] = "blind-scoring"
    arms: Annotated[tuple[Key, ...], Field(min_length=2)]

    @property
    def arms_named(self) -> tuple[str, ...]:
        return self.arms


class Repeat(_ReadOfArms):
    """Independent reads, of which a share is read once more by the same reader after the washout."""

    kind: Literal["repeat"] = "repeat"
    share_percent: Annotated[int, Field(ge=1, le=100)] = 20
    washout_days: Days = 28


Design = Annotated[
    Standalone | Shadow | Independent | UnaidedAided | MultiReader | Preference | BlindScoring | Repeat,
    Field(discriminator="kind"),
]
