"""OHIF's page as the portal serves it: without its service worker, under a content security policy of its own."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from viewer_static.build import OHIF_INDEX

SERVICE_WORKER = '<script rel="preload" as="script" type="module" src="/init-service-worker.js"></script>'
CONFIGURATION = '<script rel="preload" as="script" src="/app-config.js"></script>'
AT_THE_ROOT = 'window.PUBLIC_URL="/"'
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class PageError(Exception):
    """OHIF's page is missing, or is not the one the portal knows. The message says what to do."""


@dataclass(frozen=True)
class Page:
    """OHIF's page, and the Content-Security-Policy that it needs."""

    html: str
    policy: str


def page(index: Path = OHIF_INDEX) -> Page:
    """The page made from OHIF's own `index.html`. Raises PageError when that is missing or not as expected."""
    try:
        changed = index.stat().st_mtime_ns
    except FileNotFoundError as error:
        raise PageError(
            f"The viewer is not installed ({index} is missing): run `python -m viewer_static.fetch`."
        ) from error
    return _page(index, changed)


@lru_cache(maxsize=2)
def _page(index: Path, changed: int) -> Page:
    html = index.read_text(encoding="utf-8")
    for expected in (SERVICE_WORKER, CONFIGURATION):
        if html.count(expected) != 1:
            raise PageError(f"{index} holds {html.count(expected)} times {expected}, not once: {_NOT_OURS}")
    if AT_THE_ROOT not in html:
        raise PageError(f"{index} is not built to be served at the site's root: {_NOT_OURS}")
    html = html.replace(SERVICE_WORKER, "")
    return Page(html=html, policy=_policy(INLINE_SCRIPT.findall(html)))


_NOT_OURS = "another OHIF than packages.toml names? Run `python -m viewer_static.fetch`, or mend viewer_static/page.py."


def _policy(inline_scripts: list[str]) -> str:
    hashes = [f"'sha256-{_sha256(script)}'" for script in inline_scripts]
    directives = {
        "default-src": ["'self'"],
        "script-src": ["'self'", *hashes, "'unsafe-eval'", "'wasm-unsafe-eval'"],
        "worker-src": ["'self'", "blob:"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "connect-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'self'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
