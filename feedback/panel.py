"""The feedback side of the result page: an open form, what was saved, or why neither is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from feedback import stopwatch
from feedback.fields import Field, SectionFields, fields_of
from feedback.forms import definition_of, form_for
from feedback.history import Statement, statements
from feedback.models import Form, Response
from feedback.responses import current_version_of, history_of, latest_for, may_answer, waiting_results
from feedback.subject import subject_of
from feedback.wording import best_language, in_language
from inference.models import Result
from portal.models import User

__all__ = ["Attempt", "Field", "Panel", "open_panel", "panel_for", "saved_panel"]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What the reader is shown: `sections` while there is a form to answer, else `saved`, else neither."""

    result: Result
    form: Form | None = None
    title: str = ""
    sections: tuple[SectionFields, ...] = ()
    language: str = ""
    languages: tuple[str, ...] = ()
    opened: str = ""
    amends: Response | None = None
    reason: str = ""
    active: float = 0.0
    problem: str = ""
    saved: Response | None = None
    statements: Sequence[Statement] = ()
    next_result: Result | None = None
    may_answer: bool = True
    replacement: Result | None = None

    @property
    def is_superseded(self) -> bool:
        return self.replacement != self.result


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Answers that were posted and could not be saved, to be shown again."""

    answers: Mapping[str, object]
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    opened: str = ""
    amends: Response | None = None
    reason: str = ""
    active: float = 0.0
    languages: Sequence[str] = ()


def panel_for(result: Result, reader: User, *, amend: bool = False, languages: Sequence[str] = ()) -> Panel:
    """What `reader` finds on opening the page of `result`; with `amend`, the form over what they said before.

    languages: those that the reader wants, the most wanted first.
    """
    replacement = current_version_of(result)
    if not may_answer(reader, result):
        return Panel(result=result, may_answer=False, replacement=replacement)
    latest = latest_for(result, reader)
    if latest is not None and not (amend and replacement == result):
        return saved_panel(latest, reader, languages=languages)
    if replacement != result:
        return Panel(result=result, replacement=replacement)
    answers = latest.answers if latest else {}
    return open_panel(result, reader, Attempt(answers=answers, amends=latest, languages=languages))


def saved_panel(response: Response, reader: User, *, languages: Sequence[str] = ()) -> Panel:
    """The reader's saved response with what it amends, and where to go from there."""
    result = response.result
    assert result is not None  # the page is a result's
    language = best_language(definition_of(response.form), *languages)
    return Panel(
        result=result,
        saved=response,
        statements=statements(history_of(response), language=language),
        next_result=waiting_results(reader).exclude(pk=result.pk).first(),
        replacement=current_version_of(result),
    )


def open_panel(result: Result, reader: User, attempt: Attempt) -> Panel:
    """The form with the answers of `attempt` in it. Without its token, the time is counted from now."""
    form = form_for(result, reader)
    definition = definition_of(form)
    language = best_language(definition, *attempt.languages)
    subject = subject_of(result, definition)
    return Panel(
        result=result,
        form=form,
        title=in_language(definition, language).title,
        sections=fields_of(definition, attempt.answers, attempt.errors, language, subject=subject),
        language=language,
        languages=definition.languages if definition.translations else (),
        opened=attempt.opened or stopwatch.start(result=result, form=form, reader=reader),
        amends=attempt.amends,
        reason=attempt.reason,
        active=attempt.active,
        problem=attempt.problem,
        replacement=current_version_of(result),
    )
