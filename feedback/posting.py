"""A form as a browser posts it: saved, or handed back with everything that was entered."""

from dataclasses import replace
from http import HTTPStatus

from django.http import QueryDict

from feedback import stopwatch
from feedback.forms import InvalidAnswers, check_answers, form_for
from feedback.models import Form, Response
from feedback.panel import Attempt, Panel, open_panel, posted_answers, saved_panel
from feedback.responses import AlreadyAnswered, NotAccepted, submit
from inference.models import Result
from portal.models import User

ANSWERED_ELSEWHERE = (
    "You saved feedback on this result after you opened this form, probably in another tab. What you see here is not "
    "saved yet: submit it as an amendment, or discard it."
)


def take(posted: QueryDict, *, result: Result, reader: User) -> tuple[Panel, HTTPStatus]:
    """Save what `reader` posted about `result`, and say what to show next.

    422: answers do not fit; 409: something else stands in the way. Raises PermissionDenied.
    """
    form = form_for(result.exam, reader)
    attempt = Attempt(
        answers=posted_answers(form, posted),
        opened=posted.get("opened", ""),
        amends=_amended(posted.get("amends", ""), result=result, reader=reader),
    )
    try:
        saved = _save(attempt, result=result, form=form, reader=reader)
    except InvalidAnswers as fault:
        return open_panel(result, reader, replace(attempt, errors=fault.messages)), HTTPStatus.UNPROCESSABLE_ENTITY
    except AlreadyAnswered as fault:
        if _is_repeat(attempt, form=form, of=fault.latest):
            return saved_panel(fault.latest, reader), HTTPStatus.OK
        attempt = replace(attempt, amends=fault.latest, problem=ANSWERED_ELSEWHERE)
    except stopwatch.StopwatchError as fault:
        attempt = replace(attempt, opened="", problem=str(fault))
    except NotAccepted as fault:
        attempt = replace(attempt, problem=str(fault))
    else:
        return saved_panel(saved, reader), HTTPStatus.OK
    return open_panel(result, reader, attempt), HTTPStatus.CONFLICT


def _save(attempt: Attempt, *, result: Result, form: Form, reader: User) -> Response:
    seconds = stopwatch.seconds_since(attempt.opened, result=result, form=form, reader=reader)
    return submit(
        result=result, author=reader, form=form, answers=attempt.answers, seconds=seconds, amends=attempt.amends
    )


def _is_repeat(attempt: Attempt, *, form: Form, of: Response) -> bool:
    """Whether the very same was saved before, as when a browser sends again after the answer got lost."""
    return of.amends == attempt.amends and of.answers == check_answers(form, attempt.answers)


def _amended(posted: str, *, result: Result, reader: User) -> Response | None:
    own = {str(response.pk): response for response in Response.objects.filter(result=result, author=reader)}
    return own.get(posted)
