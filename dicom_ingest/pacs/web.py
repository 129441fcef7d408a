"""Reaching a remote over DICOMweb. No error quotes a URL: a query's URL names the patient."""

import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email.message import Message

import requests
from requests import codes
from requests.auth import AuthBase

from dicom_ingest.pacs.errors import PacsError, Refused
from dicom_ingest.pacs.models import Remote

_TIMEOUTS = (10.0, 120.0)  # seconds to connect, and between two blocks
_LATER = {codes.request_timeout, codes.too_many_requests}


class _Credential(AuthBase):
    """What stands in the Authorization header; also where empty, so that no .netrc is asked."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


@contextmanager
def session(remote: Remote) -> Iterator[requests.Session]:
    """A session with the remote's credential. Raises Refused when the environment lacks it."""
    with requests.Session() as opened:
        opened.auth = _Credential(_authorization(remote))
        yield opened


@contextmanager
def get(
    session: requests.Session,
    remote: Remote,
    path: str,
    *,
    accept: str = "application/dicom+json",
    params: str = "",
) -> Iterator[requests.Response]:
    """The remote's answer, its body not read yet. Raises PacsError when there is none, or it breaks off."""
    with _told(remote):
        response = session.get(
            _url(remote, path), params=params, headers={"Accept": accept}, stream=True, timeout=_TIMEOUTS
        )
        with response:
            yield response


def post(
    session: requests.Session, remote: Remote, path: str, *, body: Iterable[bytes], content_type: str
) -> requests.Response:
    """The remote's answer to what was posted. Raises PacsError when there is none."""
    headers = {"Content-Type": content_type, "Accept": "application/dicom+json"}
    with _told(remote):
        return session.post(_url(remote, path), data=body, headers=headers, timeout=_TIMEOUTS)


def refusal(remote: Remote, response: requests.Response) -> PacsError:
    """Why the remote's answer is no success."""
    status = response.status_code
    sentence = f"{remote} answered {status} {response.reason}."
    if status in {codes.unauthorized, codes.forbidden}:
        return Refused(f"{sentence} Check its credential ({remote.credential_variable or 'none is set'}).")
    if status == codes.not_found:
        return Refused(f"{sentence} Check the base URL, and that the exam is still there.")
    if 400 <= status < 500 and status not in _LATER:
        return Refused(f"{sentence} It does not take what was asked.")
    return PacsError(sentence)


@contextmanager
def _told(remote: Remote) -> Iterator[None]:
    try:
        yield
    except requests.exceptions.SSLError:
        raise PacsError(f"No TLS connection with {remote}. Check the certificate that it shows.") from None
    except requests.exceptions.ConnectionError:
        raise PacsError(f"{remote} cannot be reached at {remote.base_url}, or hung up. Check that it runs.") from None
    except requests.exceptions.RequestException as error:
        raise PacsError(f"{remote} did not answer as it should ({type(error).__name__}).") from None


def _url(remote: Remote, path: str) -> str:
    return remote.base_url.rstrip("/") + path


def _authorization(remote: Remote) -> str:
    if not remote.credential:
        return ""
    secret = os.environ.get(remote.credential_variable, "")
    if not secret:
        raise Refused(
            f"The credential of {remote} is missing: set {remote.credential_variable} for web and workers, and restart."
        )
    if remote.credential == Remote.Credential.BEARER:
        return f"Bearer {secret}"
    return "Basic " + b64encode(secret.encode()).decode("ascii")


class Body:
    """An answer's body as a stream, its errors those of requests."""

    def __init__(self, response: requests.Response) -> None:
        self._blocks = response.iter_content(1 << 16)

    def read(self, _size: int, /) -> bytes:
        """The next block, of whatever size; empty at the end."""
        block: bytes = next(self._blocks, b"")
        return block


def boundary(response: requests.Response) -> str:
    """What parts the multipart body. Raises Refused when it is none."""
    message = Message()
    message["Content-Type"] = response.headers.get("Content-Type", "")
    if message.get_content_type() != "multipart/related":
        raise Refused("The answer is not multipart/related. Check the base URL.")
    return message.get_boundary("")
