"""Responses: who may give one, how it is kept, and who may see it."""

from collections.abc import Mapping

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet

from dicom_ingest.models import Exam
from feedback.forms import check_answers
from feedback.models import Form, Response
from inference.models import Job, Result
from portal.access import Capability, Viewer
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User


class NotAccepted(Exception):
    """A response that cannot be kept as it is; the text says why and what to do."""


class Superseded(NotAccepted):
    """The result was replaced by a newer run."""


class AlreadyAnswered(NotAccepted):
    """The reader has answered since; `latest` is what counts now, and what an amendment has to name."""

    def __init__(self, latest: Response) -> None:
        super().__init__(
            f"You answered this result already, at {latest.submitted_at:%Y-%m-%d %H:%M} UTC. "
            f"What you give now was not saved. To let it replace that answer, submit it as an amendment of {latest.pk}."
        )
        self.latest = latest


def may_answer(user: User, result: Result) -> bool:
    """Whether a study lets `user` give feedback on the exam of `result`."""
    return Exam.objects.visible_to(user, Capability.GIVE_FEEDBACK).filter(pk=result.exam_id).exists()


@transaction.atomic
def submit(
    *,
    result: Result,
    author: User,
    form: Form,
    answers: Mapping[str, object],
    seconds: float | None,
    amends: Response | None = None,
    source: Response.Source = Response.Source.PAGE,
) -> Response:
    """Keep what `author` says of `result`, answered within `seconds`.

    A reader has one first response to a result; every later one names in `amends` the one that counted until then.
    Raises PermissionDenied, InvalidAnswers, Superseded, AlreadyAnswered.
    """
    if not may_answer(author, result):
        raise PermissionDenied("Feedback on this exam is given by the readers of its study.")
    checked = check_answers(form, answers)
    _hold_current(result)
    latest = latest_for(result, author)
    if latest is not None and latest != amends:
        raise AlreadyAnswered(latest)
    if latest is None and amends is not None:
        raise NotAccepted("There is no response of yours to amend. Submit a first one.")
    response = Response.objects.create(
        form=form, result=result, author=author, answers=checked, seconds=seconds, amends=amends, source=source
    )
    _note(response, result)
    return response


def _note(response: Response, result: Result) -> None:
    action = Action.FEEDBACK_AMENDED if response.amends_id else Action.FEEDBACK_SUBMITTED
    detail = {"result": result.pk, "form": str(response.form)}
    trail.record_on_exam(action, exam=result.exam.study_instance_uid, of=str(response.pk), detail=detail)


def latest_for(result: Result, author: User) -> Response | None:
    """What counts of `author` on `result`: the response that no other amends, or None."""
    own = Response.objects.filter(result=result, author=author, amended_by=None)
    return own.select_related("form", "author").first()


def visible_responses(user: Viewer) -> QuerySet[Response]:
    """A reader's own, and everybody's in the studies whose whole feedback `user` may see."""
    own = Q(author=user.pk, result__exam__in=Exam.objects.visible_to(user))
    everybodys = Q(result__exam__in=Exam.objects.visible_to(user, Capability.VIEW_ALL_FEEDBACK))
    return Response.objects.filter(own | everybodys).select_related("form", "author", "result__exam")


def visible_results(user: Viewer) -> QuerySet[Result]:
    """The results of the exams that `user` may see. That of a rerun has no page: it counts for nobody."""
    shown = Result.objects.filter(exam__in=Exam.objects.visible_to(user), job__rerun_of=None)
    return shown.select_related("exam", "job__pipeline")


def waiting_results(user: User) -> QuerySet[Result]:
    """Current results that `user` may give feedback on and has not: urgent ones first, then the longest wait."""
    readable = Exam.objects.visible_to(user, Capability.GIVE_FEEDBACK)
    answered = Response.objects.filter(author=user).values("result")
    return (
        Result.objects.current()
        .filter(exam__in=readable)
        .exclude(pk__in=answered)
        .order_by("-is_urgent", "created_at", "pk")
    )


def current_version_of(result: Result) -> Result | None:
    """The result that counts now for the same exam and pipeline, or None while there is none."""
    same = Result.objects.current().filter(exam=result.exam_id, job__pipeline__name=result.job.pipeline.name)
    return same.order_by("-created_at").first()


def _hold_current(result: Result) -> None:
    """Keep `result` from being superseded, and its other submissions waiting, until this transaction ends."""
    job = Job.objects.select_for_update(of=("self",)).get(result=result)
    if job.state != Job.State.SUCCEEDED:
        raise Superseded(
            "A newer run has replaced this result, so it takes no more feedback. "
            "Nothing was saved. Open the current result and answer there."
        )
