"""What is half configured is said before anything starts, with what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import environ
import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from portal.ldap_settings import LDAPSettings, from_environment, problems

WHOLE: dict[str, Any] = {"url": "ldaps://directory.example", "user_base": "ou=people,dc=example"}


def test_nothing_set_is_no_directory_and_no_problem() -> None:
    assert not LDAPSettings().is_on
    assert problems(LDAPSettings()) == []


def test_the_least_that_works_has_no_problem() -> None:
    assert problems(LDAPSettings(**WHOLE)) == []
    assert problems(LDAPSettings(**WHOLE | {"url": "ldap://directory.example"})) == []
    assert problems(LDAPSettings(**WHOLE | {"url": "ldap://localhost", "start_tls": False})) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"url": "", "bind_dn": "cn=x"}, "OVERREAD_LDAP_BIND_DN, OVERREAD_LDAP_USER_BASE is set but OVERREAD_LDAP_URL"),
        ({"url": "directory.example"}, "give it as ldaps://"),
        ({"url": "https://directory.example"}, "give it as ldaps://"),
        ({"url": "ldap://directory.example", "start_tls": False}, "in the clear"),
        ({"ca_file": "/nowhere/ca.pem"}, "is no file"),
        ({"bind_dn": "cn=x"}, "without a password"),
        ({"bind_password": "x"}, "no OVERREAD_LDAP_BIND_DN"),
        ({"bind_dn": "cn=x", "bind_password": "x", "bind_password_file": "y"}, "keep one of them"),
        ({"bind_dn": "cn=x", "bind_password_file": "/nowhere/password"}, "cannot be read (No such file"),
        ({"user_base": ""}, "OVERREAD_LDAP_USER_BASE is not set"),
        ({"user_filter": "(uid=ada)"}, "lacks %(user)s"),
        ({"user_filter": "(uid=%(user)s"}, "as many closed as opened"),
        ({"user_filter": "(&(uid=%(user)s)(share=5%))"}, "write any other % as %%"),
        ({"user_filter": "(&(uid=%(user)s)(cn=%(name)s))"}, "only %(user)s and %(dn)s"),
        ({"group_filter": "(member=ada)"}, "names neither"),
        ({"admin_group": "cn=admins"}, "without OVERREAD_LDAP_GROUP_BASE"),
    ],
)
def test_each_half_measure_has_its_sentence(changed: dict[str, Any], says: str) -> None:
    [problem] = problems(LDAPSettings(**WHOLE | changed))
    assert says in problem


def test_the_environment_is_read_with_its_types(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {"URL": "ldap://d", "START_TLS": "false", "SECONDS": "2.5", "BIND_PASSWORD_FILE": str(tmp_path / "p")}
    for name, value in given.items():
        monkeypatch.setenv(f"OVERREAD_LDAP_{name}", value)
    (tmp_path / "p").write_text("secret\n")
    read = from_environment(environ.Env())
    assert (read.url, read.starts_tls, read.seconds, read.password) == ("ldap://d", False, 2.5, "secret")
    assert "secret" not in repr(LDAPSettings(bind_password="secret"))


def test_a_half_configured_directory_stops_every_command(settings: Settings) -> None:
    settings.OVERREAD_LDAP = LDAPSettings(url="ldap://directory.example")
    [error] = [found for found in run_checks() if str(found.id).startswith("accounts.")]
    assert error.is_serious()
    assert "OVERREAD_LDAP_USER_BASE is not set" in error.msg


def test_intervals_that_add_up_to_a_minute_are_warned_of(settings: Settings) -> None:
    settings.OVERREAD_LDAP = LDAPSettings(**WHOLE)
    settings.OVERREAD_DIRECTORY_SECONDS = 30.0
    assert [found.id for found in run_checks() if str(found.id).startswith("accounts.")] == ["accounts.W001"]


def test_the_portal_runs_without_the_extra_and_says_what_to_install_when_it_is_needed() -> None:
    """In a process of its own, from which python-ldap and django-auth-ldap are hidden."""
    hidden = (
        "import sys, importlib.abc\n"
        "class Hide(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('ldap', 'django_auth_ldap'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "import django; django.setup()\n"
        "from portal import urls, celery; celery.app.loader.import_default_modules()\n"
        "print('up')\n"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings"}
    ran = subprocess.run([sys.executable, "-c", hidden], env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout == "up\n", ran.stderr
