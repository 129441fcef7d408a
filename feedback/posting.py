"""A form as a browser posts it: saved, or handed back with everything that was entered."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus

from django.http import QueryDict

from feedback import stopwatch
from feedback.fields import posted_answers
from feedback.forms import InvalidAnswers, check_answers, definition_of, form_for
from feedback.languages import PARAMETER
from feedback.models import Form, Response
from feedback.panel import Attempt, Panel, open_panel, saved_panel
from feedback.responses import AlreadyAnswered, NotAccepted, ReasonMissing, may_answer, submit
from feedback.subject import subject_of
from inference.models import Result
from portal.models import User

ANSWERED_ELSEWHERE = (
    "You saved feedback on this result after you opened this form, probably in another tab. What you see here is not "
    "saved yet: submit it as an amendment, or discard it."
)


def take(posted: QueryDict, *, result: Result, reader: User, languages: Sequence[str] = ()) -> tuple[Panel, HTTPStatus]:
    """Save what `reader` posted about `result`, and say what to show next.

    Where another language was chosen, nothing is saved and the form is shown in it. 422: answers do not fit; 409:
    something else stands in the way. Raises PermissionDenied.
    """
    form = form_for(result, reader)
    attempt = Attempt(
        answers=posted_answers(form, posted),
        opened=posted.get("opened", ""),
        amends=_amended(posted.get("amends", ""), result=result, reader=reader),
        reason=posted.get("reason", ""),
        active=_seconds(posted.get("active", "")),
        languages=languages,
    )
    if PARAMETER in posted and may_answer(reader, result):
        return open_panel(result, reader, attempt), HTTPStatus.OK
    try:
        saved = _save(attempt, result=result, form=form, reader=reader)
    except InvalidAnswers as fault:
        return open_panel(result, reader, replace(attempt, errors=fault.messages)), HTTPStatus.UNPROCESSABLE_ENTITY
    except ReasonMissing as fault:
        return open_panel(result, reader, replace(attempt, problem=str(fault))), HTTPStatus.UNPROCESSABLE_ENTITY
    except AlreadyAnswered as fault:
        if _is_repeat(attempt, form=form, result=result, of=fault.latest):
            return saved_panel(fault.latest, reader, languages=languages), HTTPStatus.OK
        attempt = replace(attempt, amends=fault.latest, problem=ANSWERED_ELSEWHERE)
    except stopwatch.StopwatchError as fault:
        attempt = replace(attempt, opened="", problem=str(fault))
    except NotAccepted as fault:
        attempt = replace(attempt, problem=str(fault))
    else:
        return saved_panel(saved, reader, languages=languages), HTTPStatus.OK
    return open_panel(result, reader, attempt), HTTPStatus.CONFLICT


def _save(attempt: Attempt, *, result: Result, form: Form, reader: User) -> Response:
    seconds = stopwatch.seconds_since(attempt.opened, result=result, form=form, reader=reader)
    return submit(
        result=result,
        author=reader,
        form=form,
        answers=attempt.answers,
        seconds=seconds,
        active_seconds=min(attempt.active, seconds),
        amends=attempt.amends,
        reason=attempt.reason,
    )


def _seconds(posted: str) -> float:
    """The seconds that the page counted; none where it counted nothing that makes sense."""
    return float(posted) if posted.isascii() and posted.isdecimal() and len(posted) < 7 else 0.0


def _is_repeat(attempt: Attempt, *, form: Form, result: Result, of: Response) -> bool:
    """Whether the very same was saved before, as when a browser sends again after the answer got lost."""
    subject = subject_of(result, definition_of(form))
    return of.amends == attempt.amends and of.answers == check_answers(form, attempt.answers, subject=subject)


def _amended(posted: str, *, result: Result, reader: User) -> Response | None:
    own = {str(response.pk): response for response in Response.objects.filter(result=result, author=reader)}
    return own.get(posted)
