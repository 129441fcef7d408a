"""How long a form was open, measured by the server: the page carries the signed moment at which it was given out."""

import time
from datetime import timedelta

from django.conf import settings
from django.core import signing

from feedback.models import Form
from inference.models import Result
from portal.models import User

SALT = "feedback.stopwatch"


class StopwatchError(ValueError):
    """A form that was opened too long ago, or as another one; the text says what to do."""


def start(*, result: Result, form: Form, reader: User) -> str:
    """A token for the form that `reader` is now given."""
    return signing.dumps([*_subject(result, form, reader), time.time()], salt=SALT)


def seconds_since(token: str, *, result: Result, form: Form, reader: User) -> float:
    """Seconds from `start` to now. Raises StopwatchError."""
    limit = settings.SESSION_COOKIE_AGE
    try:
        *subject, started = signing.loads(token, salt=SALT, max_age=limit)
    except signing.SignatureExpired as fault:
        raise StopwatchError(
            f"This form was open for more than {timedelta(seconds=limit)} hours, so nothing was saved. "
            "Your answers are still here: check them and submit again."
        ) from fault
    except signing.BadSignature as fault:
        raise StopwatchError(
            "It is not known when this form was opened, so nothing was saved. "
            "Your answers are still here: check them and submit again."
        ) from fault
    if subject != _subject(result, form, reader):
        raise StopwatchError(
            "This form was opened with other questions, or by somebody else, so nothing was saved. "
            "The answers that still fit are here: check them and submit again."
        )
    return max(0.0, time.time() - float(started))


def _subject(result: Result, form: Form, reader: User) -> list[str | int]:
    return [str(result.pk), form.pk, reader.pk]
