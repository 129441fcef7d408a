"""Forms: which one a reader answers, what it asks, and whether answers fit it."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from dicom_ingest.models import Exam
from feedback.models import Form
from feedback.questions import (
    QUESTIONS,
    Answer,
    BadAnswer,
    Choice,
    MultipleChoice,
    Question,
    Scale,
    SingleChoice,
    Text,
)
from portal.access import Capability, roles_with
from portal.models import User

QUALITY_SLUG = "segmentation-quality"
EMPTY: tuple[object, ...] = (None, "", [])


class MalformedForm(ValueError):
    """A form whose questions cannot be asked."""


class InvalidAnswers(ValueError):
    """Answers that do not fit their form; `messages` has a sentence for each question key."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{key}: {message}" for key, message in messages.items()))
        self.messages = dict(messages)


def checked_questions(questions: object) -> tuple[Question, ...]:
    """The typed questions of a JSON list. Raises MalformedForm when one is wrong, or keys or letters repeat."""
    try:
        typed = QUESTIONS.validate_python(questions)
    except ValidationError as fault:
        raise MalformedForm(f"The questions do not make a form: {fault}") from fault
    _refuse_repeats([question.key for question in typed], what="key")
    letters = [c.shortcut for q in typed if isinstance(q, SingleChoice | MultipleChoice) for c in q.choices]
    _refuse_repeats([letter for letter in letters if letter], what="shortcut")
    return typed


def questions_of(form: Form) -> tuple[Question, ...]:
    """The questions of `form`, in its order. Raises MalformedForm."""
    return checked_questions(form.questions)


def check_answers(form: Form, answers: Mapping[str, object]) -> dict[str, Answer]:
    """The answers as they are stored: checked, unanswered questions left out. Raises InvalidAnswers."""
    questions = {question.key: question for question in questions_of(form)}
    messages = {
        key: f"This form has no such question. It asks {', '.join(questions)}."
        for key in answers
        if key not in questions
    }
    checked: dict[str, Answer] = {}
    for key, question in questions.items():
        try:
            answer = _checked(question, answers.get(key))
        except BadAnswer as fault:
            messages[key] = str(fault)
            continue
        if answer is not None:
            checked[key] = answer
    if messages:
        raise InvalidAnswers(messages)
    return checked


def describe(form: Form, answers: Mapping[str, Answer]) -> list[tuple[str, str]]:
    """Label and answer in words for each question that was answered, in the form's order."""
    return [(q.label, q.say(answers[q.key])) for q in questions_of(form) if q.key in answers]


def form_for(exam: Exam, reader: User) -> Form:
    """The form of the study in which `reader` reads `exam`: the first by title when there are several."""
    enrolled = Form.objects.order_by("studies__title").filter(studies__cases__exam=exam)
    own = Form.objects.order_by("studies__title").filter(
        studies__cases__exam=exam,
        studies__memberships__user=reader,
        studies__memberships__withdrawn_at=None,
        studies__memberships__role__in=roles_with(Capability.GIVE_FEEDBACK),
    )
    return own.first() or enrolled.first() or quality_form()


def quality_form() -> Form:
    """The form that asks how good a segmentation is, made on first use."""
    form, _ = Form.objects.get_or_create(
        slug=QUALITY_SLUG,
        version=1,
        defaults={
            "title": "Quality of the segmentation",
            "questions": [question.model_dump(mode="json") for question in QUALITY_QUESTIONS],
        },
    )
    return form


def _checked(question: Question, answer: object) -> Answer | None:
    if isinstance(answer, str):
        answer = answer.strip()
    if answer not in EMPTY:
        return question.check(answer)
    if question.required:
        raise BadAnswer("Not answered yet.")
    return None


def _refuse_repeats(values: Sequence[str], *, what: str) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise MalformedForm(f"The {what} {', '.join(repeated)} is used twice. Give each its own.")


QUALITY_QUESTIONS: tuple[Question, ...] = (
    Scale(key="quality", label="Overall quality", labels=("Unusable", "Poor", "Fair", "Good", "Excellent")),
    SingleChoice(
        key="verdict",
        label="Verdict",
        choices=(
            Choice(value="accept", label="Accept", shortcut="a"),
            Choice(value="accept-with-edits", label="Accept with edits", shortcut="e"),
            Choice(value="reject", label="Reject", shortcut="r"),
        ),
    ),
    MultipleChoice(
        key="failure-modes",
        label="Failure modes",
        help="All that apply",
        required=False,
        choices=(
            Choice(value="over-segmentation", label="Over-segmentation"),
            Choice(value="under-segmentation", label="Under-segmentation"),
            Choice(value="wrong-structure", label="Wrong structure"),
            Choice(value="wrong-side", label="Wrong side or orientation"),
            Choice(value="image-artefact", label="Image artefact"),
            Choice(value="wrong-series", label="Wrong series"),
            Choice(value="other", label="Other"),
        ),
    ),
    Text(key="comment", label="Comment", required=False),
)
