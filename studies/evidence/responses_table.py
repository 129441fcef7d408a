"""Every response of a study's readers as one tidy table: a row is one answer, and says whose and of what it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from feedback.form_schema import FormDefinition
from feedback.forms import definition_of
from feedback.models import Form, Response
from feedback.questions import Annotation, Region, Text
from portal.access import Capability, roles_with
from studies.evidence import arms
from studies.evidence.answers import Given, given
from studies.evidence.arms import BETWEEN, Makers
from studies.evidence.cells import Value
from studies.evidence.scope import Scope, cases_in
from studies.evidence.tables import Row, Table, column
from studies.models import Case, Membership, Read, ReadResponse

_AT_ONCE = 500

COLUMNS = (
    column("study", "Short name of the study", "key"),
    column("protocol_version", "Version of the protocol under which the answer was given", "whole"),
    column("is_pilot", "Whether case and read belong to the pilot", "flag"),
    column("case", "Number of the case in the study", "whole"),
    column("exam", "Pseudonym of the case's exam, the same in all tables of the study", "key"),
    column("patient", "Pseudonym of the exam's patient; exams of one patient are not independent", "key"),
    column("place", "Where it was answered: `read`, or `result-page` in a study whose readers are open", "key"),
    column("read", "The read in which it was answered; empty for a result's page", "key"),
    column("read_kind", "`read`, `adjudication`, `panel` or `annotation`; empty for a result's page", "key"),
    column("condition", "What tells the reader's reads of the case apart: an arm's key, or `unaided`, `aided`", "key"),
    column("condition_label", "The same in words"),
    column("occasion", "1, or 2 for a read that was repeated", "whole"),
    column("position", "Place of the read in its reader's order", "whole"),
    column("arm", "Keys of the arms judged, in the order shown, `|` between; images alone: the reader's own", "key"),
    column("arm_label", "The same in words"),
    column("pipeline", "Name of the pipeline whose finding was shown, for each arm; empty where none made it", "key"),
    column("pipeline_version", "Its version", "key"),
    column("pipeline_digest", "Its digest, SHA-256 over definition, operators and models", "digest"),
    column("reader", "Who answered: a pseudonym or a user name, as the protocol has it", "key"),
    column("reader_role", "The protocol's kind of reader, such as expert, that the reader has", "text"),
    column("form", "Name of the form", "key"),
    column("form_version", "Its version", "whole"),
    column("section", "Heading under which the question stands", "text"),
    column("group", "Key of the group that the question belongs to; empty for a question by itself", "key"),
    column("item", "Of a group: key of the finding or segment that the answer is about, or its number", "key"),
    column("item_label", "The same in words"),
    column("question", "Key of the question", "key"),
    column("question_label", "The question in words"),
    column("question_type", "Its kind, such as `scale`, `single-choice` or `number`", "key"),
    column("answer", "A number, the key of a choice, several with `|` between, text, a day, or JSON", "value"),
    column("answer_label", "The answer in words"),
    column("unit", "Unit of a number"),
    column("response", "The response that the answer belongs to", "key"),
    column("counts", "Whether it is the reader's last word; false where an amendment replaced it", "flag"),
    column("amends", "The response that it amended; empty for a first one", "key"),
    column("amendment_reason", "Why it was amended, as the reader wrote"),
    column("opened_at", "When the read was first opened", "time"),
    column("submitted_at", "When the response was submitted", "time"),
    column("seconds", "From opening to submitting; empty for an amendment", "number", "s"),
    column("active_seconds", "Those of them in which the page was in front and its reader not idle", "number", "s"),
)  # fmt: skip


def rows(scope: Scope) -> Iterator[Row]:
    """By case, then by read and by time of the response; answers in the order of their form."""
    makers = Makers.of(scope)
    for one in reads_of(scope).iterator(chunk_size=_AT_ONCE):
        about = _of_read(one, makers, scope)
        yield from _answers(one.response, about, one.read.case, scope)
    cases = {case.exam_id: case for case in scope.study.cases.filter(is_pilot=scope.is_pilot).select_related("exam")}
    for response in on_pages_of(scope).iterator(chunk_size=_AT_ONCE):
        assert response.result is not None
        case = cases[response.result.exam_id]
        yield from _answers(response, _of_page(response, case, scope), case, scope)


def reads_of(scope: Scope) -> QuerySet[ReadResponse]:
    """The responses to reads, first ones and amendments."""
    found = ReadResponse.objects.filter(cases_in(scope, "read__case__"), read__is_pilot=scope.is_pilot)
    related = ("read__case__exam", "response__form", "response__author", "response__amended_by")
    return found.select_related(*related).order_by(
        "read__case__number", "read__kind", "read__condition", "read__occasion", "read__reader_id", "read_id",
        "response__submitted_at", "pk",
    )  # fmt: skip


def on_pages_of(scope: Scope) -> QuerySet[Response]:
    """The responses that the study's readers gave on the pages of its cases' results, to a form of the study."""
    cases = Case.objects.filter(study=scope.study, is_pilot=scope.is_pilot, exam=OuterRef("result__exam"))
    readers = Membership.objects.filter(study=scope.study, role__in=roles_with(Capability.GIVE_FEEDBACK))
    found = Response.objects.filter(
        Exists(cases),
        sitting="",
        author__in=readers.values("user"),
        form__slug__in=forms_asked(scope).values("slug"),
    )
    return (
        found.select_related("form", "author", "result__job__pipeline", "amended_by")
        .annotate(number=cases.values("number")[:1])
        .order_by(F("number"), "author_id", "submitted_at", "pk")
    )


def forms_asked(scope: Scope) -> QuerySet[Form]:
    """Every version of a form that the study's protocol asked at some time, and the study's own."""
    frozen = scope.study.protocols.values("forms")
    answered = ReadResponse.objects.filter(read__study=scope.study).values("response__form")
    return Form.objects.filter(Q(pk=scope.study.form_id) | Q(pk__in=frozen) | Q(pk__in=answered))


def _of_read(one: ReadResponse, makers: Makers, scope: Scope) -> dict[str, Value]:
    read: Read = one.read
    shown = arms.arms_of_read(read, scope)
    return {
        **_of_case(read.case, scope),
        "protocol_version": scope.protocols[one.protocol_id].number,
        "place": "read",
        "read": str(read.pk),
        "read_kind": read.kind,
        "condition": read.condition,
        "condition_label": arms.condition_in_words(read.condition, scope),
        "occasion": read.occasion,
        "position": read.position,
        **_arm_columns(shown, scope),
        **arms.joined(makers.shown(read)),
        "opened_at": read.opened_at,
    }


def _of_page(response: Response, case: Case, scope: Scope) -> dict[str, Value]:
    assert response.result is not None
    return {
        **_of_case(case, scope),
        "protocol_version": scope.protocols[case.protocol_id].number,
        "place": "result-page",
        "read": "",
        "read_kind": "",
        "condition": "",
        "condition_label": "",
        "occasion": 1,
        "position": None,
        **_arm_columns(arms.arms_of_result(response.result, scope), scope),
        **arms.joined([arms.maker_of(response.result)]),
        "opened_at": None,
    }


def _of_case(case: Case, scope: Scope) -> dict[str, Value]:
    return {
        "study": scope.study.slug,
        "is_pilot": case.is_pilot,
        "case": case.number,
        "exam": scope.exam(case.exam),
        "patient": scope.patient(case.exam),
    }


def _arm_columns(keys: list[str], scope: Scope) -> dict[str, Value]:
    return {"arm": BETWEEN.join(keys), "arm_label": BETWEEN.join(scope.arms.get(key, key) for key in keys)}


def _answers(response: Response, about: dict[str, Value], case: Case, scope: Scope) -> Iterator[Row]:
    said = about | _of_response(response, case, scope)
    for one in given(_definition(response.form), response.answers):
        yield said | _of_answer(one, case, scope)


def _of_response(response: Response, case: Case, scope: Scope) -> dict[str, Value]:
    return {
        "reader": scope.person(response.author),
        "reader_role": scope.roles.get(response.author_id, ""),
        "form": response.form.slug,
        "form_version": response.form.version,
        "response": str(response.pk),
        "counts": not hasattr(response, "amended_by"),
        "amends": str(response.amends_id or ""),
        "amendment_reason": scope.free(response.reason, case.exam),
        "submitted_at": response.submitted_at,
        "seconds": response.seconds,
        "active_seconds": response.active_seconds,
    }


def _of_answer(one: Given, case: Case, scope: Scope) -> dict[str, Value]:
    value, words = one.value, one.words
    if isinstance(one.question, Annotation | Region):
        value = scope.drawn(value, case.exam)
        words = one.question.say(value)
    elif isinstance(one.question, Text):
        value = words = scope.free(value, case.exam)
    return {
        "section": one.section,
        "group": one.group,
        "item": one.item,
        "item_label": one.item_label,
        "question": one.question.key,
        "question_label": one.question.label,
        "question_type": one.question.type,
        "answer": value,
        "answer_label": words,
        "unit": one.unit,
    }


@lru_cache(maxsize=64)
def _definition(form: Form) -> FormDefinition:
    """What the form asks: a version that was answered never changes."""
    return definition_of(form)


RESPONSES = Table(
    file="responses.csv",
    title="Responses",
    one_row="One answer to one question of one response. Amended responses stay; `counts` tells the last word.",
    columns=COLUMNS,
    rows=rows,
)
