"""Behind a real NGINX: whole files and metadata leave by it, what may be seen is still the portal's to decide."""

import gzip
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from dicomweb_client.web import DICOMwebClient
from django.conf import settings as portal_settings
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from rest_framework.authtoken.models import Token

from dicom_ingest import store as stored
from portal.models import User
from tests.conftest import Cast
from tests.dicom_ingest.scans import STUDY, T1, complete, mr_slice, receive

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="no NGINX on this machine"),
]
SERIES = f"/dicomweb/studies/{STUDY}/series/{T1}"
FIRST = f"{SERIES}/instances/{T1}.1"
AS_STORED = "application/dicom; transfer-syntax=*"
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log stderr warn;
events {{}}
http {{
    access_log off;
    gzip on; gzip_types application/json application/dicom+json; gzip_proxied any; gzip_min_length 1;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {store}
        location / {{ proxy_pass {portal}; proxy_set_header Host localhost; }}
    }}
}}
"""


@pytest.fixture
def nginx(live_server: LiveServer, store: Path, settings: Settings, tmp_path: Path) -> Iterator[str]:
    """The URL of NGINX in front of the portal, with the locations that are deployed."""
    settings.OVERREAD_ACCEL_PREFIX = "/_store"
    store.mkdir(exist_ok=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    locations = (portal_settings.BASE_DIR / "deploy" / "nginx-store.conf").read_text()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=tmp_path,
            port=port,
            portal=live_server.url,
            store=re.sub("alias /store/", f"alias {store}/", locations),
        ).replace("daemon off;", f"user {Path.home().owner()};\ndaemon off;")
    )
    with subprocess.Popen(["nginx", "-c", str(configuration)]) as process:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture
def file(cast: Cast, nginx: str) -> Path:
    first, *_ = receive(mr_slice(1), mr_slice(2))
    complete(first.series.exam)
    return stored.instance_path(STUDY, T1, f"{T1}.1")


def asking(user: User) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Token {Token.objects.get_or_create(user=user)[0].key}"
    return session


def test_an_instance_leaves_by_nginx_whole_and_in_ranges(nginx: str, file: Path, cast: Cast) -> None:
    with asking(cast.reader) as session:
        whole = session.get(f"{nginx}{FIRST}", headers={"Accept": AS_STORED})
        assert (whole.status_code, whole.content) == (200, file.read_bytes())
        assert whole.headers["Content-Type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
        assert whole.headers["Cache-Control"] == "private, max-age=3600"
        assert "Cookie" in whole.headers["Vary"]
        assert "X-Accel-Redirect" not in whole.headers
        assert "single" not in whole.headers["ETag"], "the portal sent it, not NGINX"
        part = session.get(f"{nginx}{FIRST}", headers={"Accept": AS_STORED, "Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, file.read_bytes()[10:20])
        again = session.get(f"{nginx}{FIRST}", headers={"Accept": AS_STORED, "If-None-Match": whole.headers["ETag"]})
        assert again.status_code == 304


def test_metadata_leave_by_nginx_as_they_lie_in_the_store(nginx: str, file: Path, cast: Cast) -> None:
    with asking(cast.reader) as session:
        response = session.get(f"{nginx}{SERIES}/metadata", headers={"Accept-Encoding": "gzip"}, stream=True)
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Content-Type"] == "application/dicom+json"
        assert "gzip" not in response.headers["ETag"], "the portal sent it, not NGINX"
        packed = response.raw.read()
        assert packed == stored.metadata_path(STUDY, T1).read_bytes()
        plain = session.get(f"{nginx}{SERIES}/metadata", headers={"Accept-Encoding": "identity"})
        assert plain.json() == json.loads(gzip.decompress(packed))


def test_nginx_sends_nothing_that_the_portal_did_not_allow(nginx: str, file: Path, cast: Cast) -> None:
    inside = file.relative_to(portal_settings.OVERREAD_STORE)
    with asking(cast.reader) as member, asking(cast.outsider) as outsider:
        for folder in ("whole", "packed"):
            assert member.get(f"{nginx}/_store/{folder}/{inside}").status_code == 404
        assert outsider.get(f"{nginx}{FIRST}", headers={"Accept": AS_STORED}).status_code == 404
    assert requests.get(f"{nginx}{FIRST}", timeout=10).status_code == 401


def test_a_public_client_reads_an_exam_through_nginx(nginx: str, file: Path, cast: Cast) -> None:
    with asking(cast.reader) as session:
        client = DICOMwebClient(f"{nginx}/dicomweb", session=session)
        assert len(client.retrieve_series_metadata(STUDY, T1)) == 2
        assert client.retrieve_instance(STUDY, T1, f"{T1}.2").pixel_array.shape == (12, 16)
        assert client.retrieve_instance_frames(STUDY, T1, f"{T1}.1", [1]) == [mr_slice(1).PixelData]
        assert client.retrieve_instance_rendered(STUDY, T1, f"{T1}.1", media_types=("image/png",))


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("NGINX did not come up.")
