"""The feedback side of the result page: an open form, what was saved, or why neither is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from django.http import QueryDict

from feedback import stopwatch
from feedback.forms import describe, form_for, questions_of
from feedback.models import Form, Response
from feedback.questions import MultipleChoice, Question, Scale, SingleChoice, Text
from feedback.responses import current_version_of, latest_for, may_answer, waiting_results
from inference.models import Result
from portal.models import User

PREFIX = "answer-"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One thing to choose; `digit` and `letter` are the keys that choose it."""

    value: str
    label: str
    is_chosen: bool
    digit: str = ""
    letter: str = ""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A question as it stands on the page, with what was answered and what is wrong with that."""

    question: Question
    options: tuple[Option, ...] = ()
    text: str = ""
    error: str = ""

    @property
    def name(self) -> str:
        return PREFIX + self.question.key

    @property
    def template(self) -> str:
        return f"feedback/fields/{self.question.type}.html"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What the reader is shown: `fields` while there is a form to answer, else `saved`, else neither."""

    result: Result
    form: Form | None = None
    fields: tuple[Field, ...] = ()
    opened: str = ""
    amends: Response | None = None
    problem: str = ""
    saved: Response | None = None
    saved_answers: Sequence[tuple[str, str]] = ()
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


def panel_for(result: Result, reader: User, *, amend: bool = False) -> Panel:
    """What `reader` finds on opening the page of `result`; with `amend`, the form over what they said before."""
    replacement = current_version_of(result)
    if not may_answer(reader, result):
        return Panel(result=result, may_answer=False, replacement=replacement)
    latest = latest_for(result, reader)
    if latest is not None and not (amend and replacement == result):
        return saved_panel(latest, reader)
    if replacement != result:
        return Panel(result=result, replacement=replacement)
    answers = latest.answers if latest else {}
    return open_panel(result, reader, Attempt(answers=answers, amends=latest))


def saved_panel(response: Response, reader: User) -> Panel:
    """The reader's saved response, and where to go from there."""
    return Panel(
        result=response.result,
        saved=response,
        saved_answers=describe(response.form, response.answers),
        next_result=waiting_results(reader).exclude(pk=response.result_id).first(),
        replacement=current_version_of(response.result),
    )


def open_panel(result: Result, reader: User, attempt: Attempt) -> Panel:
    """The form with the answers of `attempt` in it. Without its token, the time is counted from now."""
    form = form_for(result.exam, reader)
    return Panel(
        result=result,
        form=form,
        fields=tuple(
            _field(question, attempt.answers.get(question.key), error=attempt.errors.get(question.key, ""))
            for question in questions_of(form)
        ),
        opened=attempt.opened or stopwatch.start(result=result, form=form, reader=reader),
        amends=attempt.amends,
        problem=attempt.problem,
        replacement=current_version_of(result),
    )


def posted_answers(form: Form, posted: QueryDict) -> dict[str, object]:
    """What a browser sent, question by question, unchecked."""
    return {q.key: q.read(posted.getlist(PREFIX + q.key)) for q in questions_of(form)}


def _field(question: Question, answer: object, *, error: str) -> Field:
    match question:
        case Scale():
            return Field(question=question, options=_steps(question, answer), error=error)
        case SingleChoice() | MultipleChoice():
            return Field(question=question, options=_choices(question, answer), error=error)
        case Text():
            return Field(question=question, text=str(answer or ""), error=error)
    assert_never(question)


def _steps(question: Scale, answer: object) -> tuple[Option, ...]:
    return tuple(
        Option(
            value=str(value),
            label=question.label_of(value),
            is_chosen=answer == value,
            digit=str(value) if 0 <= value <= 9 else "",
        )
        for value in question.values
    )


def _choices(question: SingleChoice | MultipleChoice, answer: object) -> tuple[Option, ...]:
    chosen = answer if isinstance(answer, list) else [answer]
    takes_digits = isinstance(question, MultipleChoice)
    return tuple(
        Option(
            value=choice.value,
            label=choice.label,
            is_chosen=choice.value in chosen,
            letter=choice.shortcut,
            digit=str(place) if takes_digits and place <= 9 else "",
        )
        for place, choice in enumerate(question.choices, start=1)
    )
