"""The file OVERREAD_HOME/environment: what every process of this demonstration finds in its environment."""

import os
import secrets
from pathlib import Path

from portal.demo.engines import Engines
from portal.demo.preflight import Setup

SECRETS = ("OVERREAD_SECRET_KEY", "OVERREAD_UID_SALT", "OVERREAD_AUDIT_KEY", "OVERREAD_BLINDING_KEY")


def write(setup: Setup, engines: Engines) -> dict[str, str]:
    """Write the file (mode 0600) and return what it says. Secrets are made once and then kept."""
    kept = read(setup.home)
    values = {
        **engines.environment,
        "OVERREAD_DEMO": "1",
        "OVERREAD_WEB_HOST": setup.web_host,
        "OVERREAD_WEB_PORT": str(setup.web_port),
        "OVERREAD_DIMSE_HOST": setup.dimse_host,
        "OVERREAD_DIMSE_PORT": str(setup.dimse_port),
        **{name: kept.get(name) or secrets.token_urlsafe(48) for name in SECRETS},
    }
    _write_privately(setup.home / "environment", "".join(f"{name}={value}\n" for name, value in values.items()))
    return values | {"OVERREAD_HOME": str(setup.home)}


def read(home: Path) -> dict[str, str]:
    """What the file of `home` says; nothing when there is none yet."""
    file = home / "environment"
    if not file.is_file():
        return {}
    pairs = (line.partition("=") for line in file.read_text().splitlines())
    return {name: value for name, _, value in pairs}


def _write_privately(file: Path, text: str) -> None:
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    part.replace(file)
