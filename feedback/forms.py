"""Forms: which one a reader answers, what it asks, its versions, and whether answers fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from django.db import IntegrityError, transaction
from django.db.models import Case, Q, When
from django.utils.timezone import now
from pydantic import ValidationError

from feedback import answer_schema as schema
from feedback import form_text, saying
from feedback.answering import Check
from feedback.form_schema import FormDefinition, Section
from feedback.models import Form
from feedback.questions import Answer, JSONSchema
from feedback.subject import Subject
from inference.models import Result
from portal.access import Capability, roles_with
from portal.models import User

QUALITY_SLUG = "segmentation-quality"
EXAMPLES = Path(__file__).parent / "examples"


class MalformedForm(ValueError):
    """A form whose questions cannot be asked."""


class InvalidAnswers(ValueError):
    """Answers that do not fit their form; `messages` has a sentence for each path, see `feedback.answering`."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{key}: {message}" for key, message in messages.items()))
        self.messages = dict(messages)


class UnknownForm(LookupError):
    """A form that is not shipped."""


def definition_of(form: Form) -> FormDefinition:
    """What `form` asks, typed. Raises MalformedForm."""
    parts = form.questions if isinstance(form.questions, dict) else {"sections": [{"questions": form.questions}]}
    return _definition({"name": form.slug, "title": form.title, **parts})


def check_answers(form: Form, answers: Mapping[str, object], *, subject: Subject | None = None) -> dict[str, Answer]:
    """The answers as they are stored: checked, unanswered questions left out. Raises InvalidAnswers.

    subject: the findings and segments of the result that is judged; without it, what the result gives is not checked.
    """
    return checked(definition_of(form), answers, subject=subject)


def checked(
    definition: FormDefinition, answers: Mapping[str, object], *, subject: Subject | None = None
) -> dict[str, Answer]:
    """The same for a form that is not stored. Raises InvalidAnswers."""
    check = Check(subject=subject)
    kept = check.answers(definition.questions, answers, around={})
    if check.messages:
        raise InvalidAnswers(check.messages)
    return kept


def answer_schema(form: Form, *, subject: Subject | None = None) -> JSONSchema:
    """The JSON Schema of the answers that `form` stores."""
    return schema.answer_schema(definition_of(form), subject=subject)


def describe(form: Form, answers: Mapping[str, Answer], *, language: str = "") -> list[tuple[str, str]]:
    """Label and answer in words for each question that was answered, in the form's order."""
    return saying.describe(definition_of(form), answers, language=language)


@transaction.atomic
def register(slug: str, definition: FormDefinition) -> Form:
    """The newest version of the form `slug` if it asks just this, else the next version, made now."""
    newest = Form.objects.select_for_update().filter(slug=slug).order_by("-version").first()
    definition = definition.model_copy(update={"name": slug})
    if newest is not None and definition_of(newest) == definition:
        return newest
    version = newest.version + 1 if newest else 1
    try:
        with transaction.atomic():
            return Form.objects.create(
                slug=slug, version=version, title=definition.title, questions=_stored(definition)
            )
    except IntegrityError:
        return register(slug, definition)  # somebody else registered the same version meanwhile


def freeze(form: Form) -> Form:
    """Keep `form` as it is for ever, as a frozen protocol needs it. Freezing it again changes nothing."""
    Form.objects.filter(pk=form.pk, frozen_at=None).update(frozen_at=now())
    form.refresh_from_db()
    return form


def examples() -> tuple[str, ...]:
    """The names of the forms that are shipped."""
    return tuple(sorted(file.stem for file in EXAMPLES.glob("*.yaml")))


@lru_cache
def example(name: str) -> FormDefinition:
    """The shipped form `name`. Raises UnknownForm with those that there are."""
    if name not in examples():
        raise UnknownForm(f'There is no shipped form "{name}". There are {", ".join(examples())}.')
    file = EXAMPLES / f"{name}.yaml"
    return form_text.load(file.read_text(encoding="utf-8"), file=file)


def form_for(result: Result, reader: User) -> Form:
    """The form of the study in which `reader` reads the result's exam, or of one that the exam is in.

    When there are several: of the study whose AE title the result was made for, then the first by title.
    """
    route = result.job.route
    made_for = Q(studies__ae_title__title=route.called_ae if route else "")
    order = (Case(When(made_for, then=0), default=1), "studies__title")
    enrolled = Form.objects.filter(studies__cases__exam=result.exam).order_by(*order)
    own = Form.objects.filter(
        studies__cases__exam=result.exam,
        studies__memberships__user=reader,
        studies__memberships__withdrawn_at=None,
        studies__memberships__role__in=roles_with(Capability.GIVE_FEEDBACK),
    ).order_by(*order)
    return own.first() or enrolled.first() or quality_form()


def quality_form() -> Form:
    """The form that asks how good a segmentation is, made on first use."""
    return Form.objects.filter(slug=QUALITY_SLUG, version=1).first() or register(QUALITY_SLUG, example(QUALITY_SLUG))


def _definition(document: Mapping[str, object]) -> FormDefinition:
    try:
        return FormDefinition.model_validate(document)
    except ValidationError as fault:
        raise MalformedForm(f"The questions do not make a form: {fault}") from fault


def _stored(definition: FormDefinition) -> Sequence[object] | Mapping[str, object]:
    """The questions alone where that says all, as forms without sections were always stored."""
    written = form_text.plain(definition)
    if written.keys() == {"name", "title", "sections"} and definition.sections == (
        Section(questions=definition.questions),
    ):
        return [question.model_dump(mode="json", exclude_defaults=True) for question in definition.questions]
    return {name: part for name, part in written.items() if name not in {"name", "title"}}
