"""Who sends over DICOMweb, and a disk that fills."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from tests.conftest import Cast


@pytest.fixture
def sender(cast: Cast) -> Client:
    """A client of a coordinator, who may send exams."""
    token, _ = Token.objects.get_or_create(user=cast.coordinator)
    return Client(headers={"Authorization": f"Token {token.key}"})


@pytest.fixture
def small_disk(settings: Settings, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Puts the store on a disk of 4 MiB; the function gives the disk another size, "64m" for one."""
    if os.getuid() != 0:
        pytest.skip("Only root may mount the small disk that this test fills.")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "overread-test", str(disk)]
    mounted = subprocess.run(command, check=False, stderr=subprocess.PIPE)
    if mounted.returncode:
        pytest.fail(f"A small disk cannot be mounted here, so a full one is not tested: {mounted.stderr.decode()}")
    settings.OVERREAD_STORE = disk / "store"
    try:
        yield lambda size: resize(disk, size)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)
