"""A worker is killed while it sends: the next one goes on with the instance at which it stopped."""

import os
import signal
import subprocess
import sys

import pytest
from django.conf import settings
from pydicom import dcmread

from dicom_ingest.models import Instance
from dicom_ingest.pacs import send
from dicom_ingest.pacs.models import Sending, SentInstance
from studies.models import Study
from tests.conftest import Cast
from tests.dicom_ingest.pacs import test_send
from tests.dicom_ingest.pacs.peers import storescp
from tests.dicom_ingest.pacs.test_send import decide, queued, states
from tests.dicom_ingest.receive_process import database_url
from tests.dicom_ingest.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

results = test_send.results  # the fixture
WORK = "import django; django.setup(); from dicom_ingest.pacs import send; send.run_next()"


def test_a_sending_survives_kill_9_of_its_worker(results: list[Instance], study: Study, cast: Cast) -> None:
    with storescp("--sleep-after", "1") as peer:
        remote = peer.row(may_send=True)
        decide(study, remote, cast.governance)
        sending = queued(remote)
        worker = subprocess.Popen(
            [sys.executable, "-c", WORK],
            cwd=settings.BASE_DIR,
            env=os.environ
            | {"DATABASE_URL": database_url(), "OVERREAD_STORE": str(settings.OVERREAD_STORE)}
            | {"OVERREAD_JOB_LEASE_SECONDS": "2", "DJANGO_SETTINGS_MODULE": "portal.settings"},
        )
        noted = SentInstance.objects.filter(state=SentInstance.State.SENT)
        try:
            assert until(noted.exists, seconds=30)
        finally:
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
        before = set(noted.values_list("instance__sop_instance_uid", flat=True))
        assert len(before) < len(results)
        assert until(_is_finished, seconds=15), "Its lease runs out."
        assert (states(sending), sending.state, sending.attempts) == (["sent"] * 3, "succeeded", 2)
        arrived = {str(dcmread(file).SOPInstanceUID) for file in peer.folder.iterdir()}
    assert arrived == {one.sop_instance_uid for one in results}
    assert not SentInstance.objects.filter(sending=sending, at=None).exists()
    assert Sending.objects.count() == 1


def _is_finished() -> bool:
    send.run_next()
    return Sending.objects.filter(state=Sending.State.DONE).exists()
