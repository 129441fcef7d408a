"""The spool keeps bytes as they came."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import UID

from dicom_ingest import spool
from dicom_ingest.spool import NotPart10
from dicom_ingest.store import spool_folder
from tests.dicom_ingest.scanner import encoded, mr_series


def written(dataset: bytes = b"bytes", *, called_ae: str = "BRAIN") -> Path:
    return spool.write(
        dataset,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        sop_instance_uid="1.2.3",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        called_ae=called_ae,
        calling_ae="SCANNER",
    )


def part10(dataset: bytes) -> bytes:
    image = mr_series(slices=1)[0]
    buffer = BytesIO()
    image.file_meta.PrivateInformationCreatorUID = UID("1.2.3.4")
    image.file_meta.PrivateInformation = b"kept"
    image.save_as(buffer, enforce_file_format=True)
    end = len(buffer.getvalue()) - len(encoded(image))
    return buffer.getvalue()[:end] + dataset


def test_a_dataset_is_kept_as_a_dicom_file_with_the_ae_titles_in_it() -> None:
    image = mr_series(slices=1)[0]
    path = written(encoded(image))
    kept = dcmread(path)
    assert kept.PatientID == image.PatientID
    assert kept.file_meta.ReceivingApplicationEntityTitle == "BRAIN"
    assert kept.file_meta.SendingApplicationEntityTitle == "SCANNER"
    assert kept.file_meta.SourceApplicationEntityTitle == "SCANNER"
    assert path.read_bytes().endswith(encoded(image))
    assert [one.suffix for one in spool_folder().iterdir()] == [".dcm"]


def test_bytes_that_are_no_dataset_are_kept_too() -> None:
    path = written(b"not a dataset")
    with path.open("rb") as file:
        assert spool.read_meta(file).TransferSyntaxUID == "1.2.840.10008.1.2.1"
        assert file.read() == b"not a dataset"


def test_a_whole_file_keeps_its_dataset_and_meta_and_gets_new_ae_titles() -> None:
    with spool.part10(part10(b"the dataset"), called_ae="STOW-RS", calling_ae="portal") as spooled:
        meta = spool.read_meta(spooled.file)
        assert spooled.file.read() == b"the dataset"
        assert spooled.is_waiting
    assert meta.PrivateInformation == b"kept"
    assert (meta.ReceivingApplicationEntityTitle, meta.SendingApplicationEntityTitle) == ("STOW-RS", "portal")


@pytest.mark.parametrize(
    "payload",
    [b"", b"GIF89a", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\x02\0\0\0UL\x04\0\xff\xff\xff\xff" + b"x" * 40],
    ids=["nothing", "another format", "a prefix alone", "a meta of 4 GiB"],
)
def test_what_does_not_begin_as_a_dicom_file_is_not_kept(payload: bytes) -> None:
    with pytest.raises(NotPart10), spool.part10(payload, called_ae="STOW-RS"):
        pass
    assert not spool_folder().exists()


def test_files_wait_in_order_of_arrival() -> None:
    first, second = written(), written()
    os.utime(second, (100, 100))
    os.utime(first, (200, 200))
    assert spool.waiting() == [second, first]
    assert spool.oldest_arrival() == datetime.fromtimestamp(100, tz=UTC)


def test_nothing_waits_in_a_store_that_was_never_used() -> None:
    assert spool.waiting() == []
    assert spool.oldest_arrival() is None


def test_a_file_that_is_still_written_does_not_wait() -> None:
    (written().parent / "another.part").write_bytes(b"half")
    assert len(spool.waiting()) == 1


def test_only_abandoned_parts_are_swept() -> None:
    folder = written().parent
    (folder / "live.part").write_bytes(b"half")
    (folder / "dead.part").write_bytes(b"half")
    os.utime(folder / "dead.part", (0, 0))
    spool.sweep()
    assert [one.name for one in folder.glob("*.part")] == ["live.part"]


def test_a_claimed_file_is_filed_by_nobody_else() -> None:
    path, order = written(), []

    def other() -> None:
        with spool.claimed(path) as spooled:
            order.append("other")
            assert not spooled.is_waiting

    with spool.claimed(path):
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.1)
        order.append("first")
        path.unlink()
    thread.join(timeout=5)
    assert order in (["first", "other"], ["first"])


def test_a_full_disk_is_told_and_leaves_nothing_behind(store: Path) -> None:
    """A limit on the size of files makes the kernel refuse the write, as a full disk does."""
    script = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'portal.settings'; django.setup()\n"
        "from dicom_ingest import spool\n"
        "try:\n"
        "    spool.write(b'x' * 100_000, sop_class_uid='1.2', sop_instance_uid='1.3', "
        "transfer_syntax_uid='1.2.840.10008.1.2', called_ae='BRAIN', calling_ae='SCANNER')\n"
        "except OSError as error:\n"
        "    print('refused', error.errno)\n"
    )

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"OVERREAD_STORE": str(store), "COVERAGE_PROCESS_START": ""},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("refused")
    assert list((store / "spool" / "incoming").iterdir()) == []
