"""Responses: who may give one, how it is kept, and who may see it."""

from collections.abc import Mapping

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet

from dicom_ingest.models import Exam, Instance
from feedback.forms import InvalidAnswers, check_answers, definition_of
from feedback.models import Form, Response
from feedback.questions.drawn import referred_images
from feedback.subject import subject_of
from inference.models import Job, Result
from portal.access import Capability, Viewer
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User

LONGEST_REASON = 2000


class NotAccepted(Exception):
    """A response that cannot be kept as it is; the text says why and what to do."""


class ReasonMissing(NotAccepted):
    """An amendment that does not say why."""


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
    author: User,
    form: Form,
    answers: Mapping[str, object],
    seconds: float | None,
    result: Result | None = None,
    exam: Exam | None = None,
    sitting: str = "",
    active_seconds: float | None = None,
    amends: Response | None = None,
    reason: str = "",
    source: Response.Source = Response.Source.PAGE,
) -> Response:
    """Keep what `author` says of `result`, answered within `seconds`.

    In an arm without a result of ours, `exam` says whose images are meant, and the caller has checked that `author`
    may answer. An author has one first response to a result in each `sitting`; every later one names in `amends` the
    one that counted until then, and says why in `reason`.
    Raises PermissionDenied, InvalidAnswers, Superseded, AlreadyAnswered, NotAccepted.
    """
    if result is not None and not may_answer(author, result):
        raise PermissionDenied("Feedback on this exam is given by the readers of its study.")
    checked = check_answers(form, answers, subject=subject_of(result, definition_of(form)))
    _refuse_images_of_others(checked, result.exam if result else exam)
    if result is not None:
        _hold_current(result)
    else:
        User.objects.select_for_update(no_key=True).get(pk=author.pk)  # one submission of an author after the other
    latest = latest_for(result, author, sitting=sitting) if result or sitting else amends
    if latest is not None and latest != amends:
        raise AlreadyAnswered(latest)
    if amends is not None:
        _refuse_amendment(latest, author, reason)
    response = Response.objects.create(
        form=form,
        result=result,
        author=author,
        sitting=sitting,
        answers=checked,
        seconds=seconds,
        active_seconds=active_seconds,
        amends=amends,
        reason=reason.strip() if amends else "",
        source=source,
    )
    if result is not None:
        _note(response, result)
    return response


def _note(response: Response, result: Result) -> None:
    """Put what was said of a result on record. What is said in a read is put there by the read's own service."""
    action = Action.FEEDBACK_AMENDED if response.amends_id else Action.FEEDBACK_SUBMITTED
    detail = {"result": result.pk, "form": str(response.form)}
    trail.record_on_exam(action, exam=result.exam.study_instance_uid, of=str(response.pk), detail=detail)


def latest_for(result: Result | None, author: User, *, sitting: str = "") -> Response | None:
    """What counts of `author` on `result` in `sitting`: the response that no other amends, or None."""
    own = Response.objects.filter(result=result, author=author, sitting=sitting, amended_by=None)
    return own.select_related("form", "author").first()


def history_of(response: Response) -> list[Response]:
    """The response that counts, and those that it and others before it amended, newest first."""
    chain = [response]
    while (earlier := chain[-1].amends) is not None:
        chain.append(earlier)
    return chain


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
    answered = Response.objects.filter(author=user, result__isnull=False).values("result")
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


def _refuse_amendment(latest: Response | None, author: User, reason: str) -> None:
    if latest is None or latest.author_id != author.pk or hasattr(latest, "amended_by"):
        raise NotAccepted("There is no response of yours to amend. Submit a first one.")
    if not reason.strip():
        raise ReasonMissing(
            "An amendment needs a reason, so that others understand what changed. Nothing was saved. Say why, and "
            "submit again."
        )
    if "\0" in reason or len(reason) > LONGEST_REASON:
        raise ReasonMissing(f"The reason must be text of at most {LONGEST_REASON} characters. Shorten it.")


def _refuse_images_of_others(answers: Mapping[str, object], exam: Exam | None) -> None:
    """Drawings lie in images of the exam that is judged."""
    if exam is None:
        return
    messages = {}
    for key, answer in answers.items():
        named = set(referred_images(answer))
        known = Instance.objects.filter(series__exam=exam, sop_instance_uid__in=named)
        if strange := sorted(named - set(known.values_list("sop_instance_uid", flat=True))):
            messages[key] = f"This exam has no image {', '.join(strange)}. Draw in the images of the exam."
    if messages:
        raise InvalidAnswers(messages)
