"""docker-compose.yml as Docker Compose itself reads it: whole, and nothing of a patient's in reach of the outside."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from django.core.management import get_commands

from portal.demo.preflight import ROOT
from portal.demo.supervisor import PROGRAMS
from portal.ldap_settings import LDAPSettings
from portal.tasks import Queue

COMPOSE = Path(sys.executable).parent / "docker-compose"
FILLED_IN = {
    "OVERREAD_HOST": "portal.hospital.example",
    "OVERREAD_SECRET_KEY": "a-secret",
    "OVERREAD_UID_SALT": "a-salt",
    "OVERREAD_AUDIT_KEY": "a-key",
    "OVERREAD_BLINDING_KEY": "a-key",
    "POSTGRES_PASSWORD": "a-password",
}
PORTAL = {"setup", "web", "receiver", "worker", "worker-ingest", "worker-transfers", "scheduler"}


def compose(*arguments: str, environ: dict[str, str], env_file: str = "/dev/null") -> subprocess.CompletedProcess[str]:
    command = [str(COMPOSE), "--env-file", env_file, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    read = compose("--profile", "triton", "config", "--format", "json", environ=FILLED_IN)
    assert read.returncode == 0, read.stderr
    found: dict[str, dict[str, Any]] = json.loads(read.stdout)["services"]
    return found


def test_every_part_of_the_portal_is_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == PORTAL | {"postgres", "redis", "nginx", "triton"}


def test_triton_runs_only_when_its_profile_is_asked_for() -> None:
    without = compose("config", "--services", environ=FILLED_IN)
    assert "web" in without.stdout.split()
    assert "triton" not in without.stdout.split()


@pytest.mark.parametrize("secret", sorted(FILLED_IN))
def test_nothing_starts_with_a_secret_that_the_site_did_not_set(secret: str) -> None:
    refused = compose("config", environ={name: value for name, value in FILLED_IN.items() if name != secret})
    assert refused.returncode != 0
    assert f"required variable {secret} is missing a value: set it in .env" in refused.stderr


def test_the_example_of_the_env_file_names_every_secret_and_holds_none() -> None:
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy" / "example.env").read_text(), re.MULTILINE))
    assert {name: example.get(name) for name in FILLED_IN} == dict.fromkeys(FILLED_IN, "")


def test_only_nginx_and_the_receiver_are_reached_from_outside(services: dict[str, dict[str, Any]]) -> None:
    published = {
        name: [(port["published"], port["target"]) for port in service["ports"]]
        for name, service in services.items()
        if service.get("ports")
    }
    assert published == {"nginx": [("80", 80), ("443", 443)], "receiver": [("11112", 11112)]}


def test_what_holds_data_of_patients_has_no_way_out(services: dict[str, dict[str, Any]]) -> None:
    for name in ("web", "worker", "worker-ingest", "scheduler", "postgres", "redis", "triton"):
        assert set(services[name]["networks"]) == {"inside"}, name


def test_everything_that_stays_up_is_watched_and_started_again(services: dict[str, dict[str, Any]]) -> None:
    for name in services.keys() - {"setup"}:
        assert services[name]["restart"] == "unless-stopped", name
        assert services[name]["healthcheck"]["test"], name


def test_the_portal_waits_for_its_schema_its_database_and_its_broker(services: dict[str, dict[str, Any]]) -> None:
    for name in PORTAL - {"setup"}:
        conditions = {other: needed["condition"] for other, needed in services[name]["depends_on"].items()}
        assert conditions == {
            "setup": "service_completed_successfully",
            "postgres": "service_healthy",
            "redis": "service_healthy",
        }, name


def test_the_portal_runs_without_privileges_on_a_file_system_it_cannot_change(
    services: dict[str, dict[str, Any]],
) -> None:
    for name in PORTAL:
        assert services[name]["read_only"], name
        assert services[name]["cap_drop"] == ["ALL"], name
        assert services[name]["security_opt"] == ["no-new-privileges:true"], name
    assert re.findall(r"^USER (\w+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE) == ["overread"]


def test_every_command_is_one_that_the_portal_has(services: dict[str, dict[str, Any]]) -> None:
    lines = [line for name in PORTAL for line in " ".join(services[name]["command"]).splitlines()]
    managed = {found for line in lines for found in re.findall(r"manage\.py (\w+)", line)}
    assert managed == {"migrate", "collectstatic", "pipelines", "serve", "receive"}
    assert managed <= get_commands().keys()


def test_the_workers_take_every_queue_that_a_task_may_use_as_the_demonstrations_do(
    services: dict[str, dict[str, Any]],
) -> None:
    workers = [service for name, service in services.items() if name.startswith("worker")]
    taken = {queue for worker in workers for queue in queues_in(worker["command"])}
    assert taken == set(get_args(Queue))
    assert taken == {queue for program in PROGRAMS for queue in queues_in(list(program.arguments))}


def queues_in(command: list[str]) -> set[str]:
    return set(command[command.index("-Q") + 1].split(",")) if "-Q" in command else set()


def test_every_setting_that_is_passed_is_one_that_the_portal_reads(services: dict[str, dict[str, Any]]) -> None:
    read = set(re.findall(r'env\.\w+\("(\w+)"', (ROOT / "portal" / "settings.py").read_text()))
    assert services["web"]["environment"].keys() <= read


def test_files_that_services_mount_or_copy_are_in_the_tree(services: dict[str, dict[str, Any]]) -> None:
    assert {str(ROOT / "deploy" / "nginx.conf")} <= {volume["source"] for volume in services["nginx"]["volumes"]}
    assert (ROOT / "deploy" / "nginx.conf").is_file()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for line in copied for name in line.split())


def test_a_site_with_a_directory_lets_those_out_who_ask_it_and_nobody_else() -> None:
    directory = {"OVERREAD_LDAP_URL": "ldaps://d", "OVERREAD_LDAP_USER_BASE": "ou=p", "OVERREAD_LDAP_BIND_DN": "cn=o"}
    files = ("-f", "docker-compose.yml", "-f", "deploy/compose-ldap.yml")
    read = compose(*files, "config", "--format", "json", environ=FILLED_IN | directory | {"OVERREAD_LDAP_EMAIL": "m"})
    assert read.returncode == 0, read.stderr
    found: dict[str, dict[str, Any]] = json.loads(read.stdout)["services"]
    assert {name for name in found if "outside" in found[name]["networks"]} == {
        *("web", "worker-ingest"),
        *("setup", "receiver", "worker-transfers", "nginx"),
    }
    for name in ("web", "worker-ingest", "scheduler"):
        passed = {
            key for key, value in found[name]["environment"].items() if key.startswith("OVERREAD_LDAP_") and value
        }
        assert passed == directory.keys() | {"OVERREAD_LDAP_BIND_PASSWORD_FILE", "OVERREAD_LDAP_EMAIL"}
    known = {f"OVERREAD_LDAP_{each.name.upper()}" for each in fields(LDAPSettings)}
    assert {key for key in found["web"]["environment"] if key.startswith("OVERREAD_LDAP_")} <= known
