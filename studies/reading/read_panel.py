"""The page of one read: its form, or what was answered, or why it is closed. Nothing on it names an arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from feedback.fields import SectionFields, fields_of
from feedback.forms import definition_of, describe
from feedback.models import Form, Response
from feedback.wording import best_language, in_language
from portal.models import User
from studies.blinding import identity, originals
from studies.models import Read, ReadReport
from studies.reading import adjudication, measurements, reading_list, reads
from studies.reading.adjudication import Opinion

PATIENT_ID = "00100020"
State = Read.State
Line = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What stands in the form: answers, what is wrong with them, and in an amendment its reason.

    active: the seconds that the page counted so far.
    """

    answers: Mapping[str, object] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    reason: str = ""
    claim: str = ""
    has_lost_claim: bool = False
    active: float = 0.0
    is_amendment: bool = False
    languages: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ReadPanel:
    """What the reader is shown. `sections` while there is a form to answer; `saved` once it is submitted.

    number, of: which of the reader's reads in the study it is. before: the locked answer that this read follows in the
    same sitting. opinions: what readers said, where this read decides between them. entered: answers that came after
    the read had been submitted elsewhere. report: what was measured in the viewer and saved, the newest.
    """

    read: Read
    number: int
    of: int
    patient: str
    title: str = ""
    sections: tuple[SectionFields, ...] = ()
    language: str = ""
    languages: tuple[str, ...] = ()
    attempt: Attempt = Attempt()
    saved: Response | None = None
    saved_answers: Sequence[Line] = ()
    entered: Sequence[Line] = ()
    before: Sequence[Line] = ()
    opinions: tuple[Opinion, ...] = ()
    locked: str = ""
    closed: str = ""
    beside: Read | None = None
    next: Read | None = None
    report: ReadReport | None = None

    @property
    def wants_images(self) -> bool:
        """Whether the reader looks at the images now."""
        return bool(self.sections)


def panel_for(read: Read, reader: User, *, amend: bool = False, languages: Sequence[str] = ()) -> ReadPanel:
    """What `reader` finds on opening the page of their read; with `amend`, the form over what they said before."""
    if read.state == State.SUBMITTED and (saved := reads.latest_response(read)):
        locked = reads.why_not_amendable(read)
        if amend and not locked:
            attempt = Attempt(answers=originals.as_shown(read, saved.answers), is_amendment=True, languages=languages)
            return replace(_form(_frame(read, reader), saved.form, attempt), saved=saved)
        return saved_panel(read, reader, saved, locked=locked, languages=languages)
    if closed := reads.why_not_open(read):
        return replace(_frame(read, reader), closed=closed, next=reading_list.read_after(read, reader))
    return open_panel(read, reader, Attempt(answers=read.draft, active=read.active_seconds, languages=languages))


def open_panel(read: Read, reader: User, attempt: Attempt) -> ReadPanel:
    """The form with what stands in it."""
    return replace(
        _form(_frame(read, reader), read.form, attempt),
        before=_before(read, attempt.languages),
        opinions=adjudication.opinions(read) if read.kind == Read.Kind.ADJUDICATION else (),
        beside=reading_list.read_beside(read, reader),
    )


def saved_panel(
    read: Read,
    reader: User,
    saved: Response,
    *,
    locked: str = "",
    entered: Mapping[str, object] | None = None,
    languages: Sequence[str] = (),
) -> ReadPanel:
    """What counts as the read's answer, and where to go from there. `entered`: what came too late, to be seen once."""
    language = best_language(definition_of(saved.form), *languages)
    late = {key: answer for key, answer in (entered or {}).items() if answer not in (None, "", [], {})}
    return replace(
        _frame(read, reader),
        title=in_language(definition_of(saved.form), language).title,
        saved=saved,
        saved_answers=describe(saved.form, saved.answers, language=language),
        entered=[(key, str(answer)) for key, answer in late.items()],
        locked=locked,
        next=reading_list.read_after(read, reader),
    )


def _frame(read: Read, reader: User) -> ReadPanel:
    number, of = reading_list.place_of(read, reader)
    report = measurements.reports_of(read).first()
    return ReadPanel(read=read, number=number, of=of, patient=patient_of(read), report=report)


def _form(panel: ReadPanel, form: Form, attempt: Attempt) -> ReadPanel:
    definition = definition_of(form)
    language = best_language(definition, *attempt.languages)
    return replace(
        panel,
        title=in_language(definition, language).title,
        sections=fields_of(definition, attempt.answers, attempt.errors, language),
        language=language,
        languages=definition.languages if definition.translations else (),
        attempt=attempt,
    )


def _before(read: Read, languages: Sequence[str]) -> Sequence[Line]:
    """The reader's own answer that this read follows without a washout."""
    if read.after is None or read.washout_days or (said := reads.latest_response(read.after)) is None:
        return ()
    return describe(said.form, said.answers, language=best_language(definition_of(said.form), *languages))


def patient_of(read: Read) -> str:
    """The patient as the protocol lets readers know them."""
    allowed = read.protocol.content.blinding.patient
    if allowed == "shown":
        return read.case.exam.patient_label
    if allowed == "hidden":
        return "Patient hidden"
    return f"Subject {identity.of(read).attributes[PATIENT_ID]['Value'][0]}"
