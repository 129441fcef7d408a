"""Requests that are turned down, each with its HTTP status and a sentence for the person at the other end."""

from collections.abc import Mapping

from django.http import HttpResponse, JsonResponse

from dicom_ingest import room


class Refusal(Exception):
    """Base of the refusals. `str()` is the sentence that the client reads."""

    status = 400
    headers: Mapping[str, str] = {}

    def response(self) -> HttpResponse:
        """The answer: the sentence as `detail`, as the portal's REST API says it too."""
        answer = JsonResponse({"detail": str(self)}, status=self.status, headers=dict(self.headers))
        answer["Cache-Control"] = "private, no-store"
        return answer


class BadRequest(Refusal):
    """The request cannot be understood."""


class NotAuthenticated(Refusal):
    """Nobody is logged in, or the token is not valid."""

    status = 401
    headers = {"WWW-Authenticate": "Token"}


class Forbidden(Refusal):
    """Somebody is logged in who may not do this."""

    status = 403


class NotThere(Refusal):
    """Absent or hidden from this user: one answer for both, so that it cannot tell which."""

    status = 404

    def __init__(self) -> None:
        super().__init__("There is no such study, series, instance or frame here, or you may not see it.")


class NoSuchFrame(NotThere):
    """A visible instance lacks the frame that was asked for."""

    def __init__(self, sentence: str) -> None:
        Exception.__init__(self, sentence)


class MethodNotAllowed(Refusal):
    """The resource knows no such method."""

    status = 405

    def __init__(self, method: str, *, allowed: list[str]) -> None:
        super().__init__(f"{method} is not possible here; possible: {', '.join(allowed)}.")
        self.headers = {"Allow": ", ".join(allowed)}


class NotAcceptable(Refusal):
    """None of the media types that the client accepts can be given."""

    status = 406


class NotTaken(Refusal):
    """What was sent was understood and cannot be kept as things are."""

    status = 409


class TooLarge(Refusal):
    """A body larger than what is taken."""

    status = 413


class LengthRequired(Refusal):
    """A body of unknown length, through a server that cannot tell where it ends."""

    status = 411


class UnsupportedMediaType(Refusal):
    """The body is of a kind that is not stored here."""

    status = 415


class RangeNotSatisfiable(Refusal):
    """A range that begins behind the last byte."""

    status = 416

    def __init__(self, *, size: int) -> None:
        super().__init__(f"The range begins behind the last of {size} bytes.")
        self.headers = {"Content-Range": f"bytes */{size}"}


class NoRoom(Refusal):
    """The store's disk is below its watermark."""

    status = 503
    headers = {"Retry-After": str(room.RETRY_SECONDS)}
