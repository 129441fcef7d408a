"""`manage.py ingest`: folders and zips, what is refused and why, and going on after a kill."""

import io
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pydicom import Dataset
from pydicom.fileset import FileSet
from pytest_django import Settings

from dicom_ingest import bring_in_sources, spool, store
from dicom_ingest.models import AETitle, Exam, Instance, QuarantinedInstance, Route
from portal.demo.preflight import ROOT
from tests.dicom_ingest.outage import database_away
from tests.dicom_ingest.scanner import as_file, mr_series

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> Path:
    settings.OVERREAD_HOME = tmp_path / "home"
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def brain(home: Path) -> AETitle:
    return AETitle.objects.create(title="BRAIN")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three slices, two folders deep and without an extension."""
    return written(mr_series(slices=3), tmp_path / "disc")


def written(images: list[Dataset], folder: Path) -> Path:
    deep = folder / "A" / "B"
    deep.mkdir(parents=True)
    for number, image in enumerate(images):
        as_file(image, deep / f"IM{number}")
    return folder


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def ingest(source: Path, **options: object) -> tuple[str, int]:
    """What the command said, and its exit code."""
    said = io.StringIO()
    try:
        call_command("ingest", str(source), stdout=said, **options)
    except SystemExit as ended:
        return said.getvalue(), int(str(ended.code))
    except CommandError as error:
        return f"{said.getvalue()}{error}", error.returncode
    return said.getvalue(), 0


def test_a_folder_is_brought_in_at_any_depth(folder: Path) -> None:
    said, code = ingest(folder, to="BRAIN")
    assert (said, code) == ("To BRAIN: 3 new.\n", 0)
    route = Route.objects.get()
    assert (route.called_ae, route.calling_ae, route.received_instances) == ("BRAIN", "INGEST", 3)
    assert spool.waiting() == []


def test_a_zip_is_brought_in_as_its_folder_is(folder: Path, tmp_path: Path) -> None:
    assert ingest(zipped(folder, tmp_path / "disc.zip")) == ("To BRAIN: 3 new.\n", 0)
    assert Instance.objects.count() == 3


def test_every_file_is_told_when_asked_for(folder: Path) -> None:
    said, _ = ingest(folder, verbosity=2)
    assert "new         A/B/IM0" in said


def test_a_second_run_reads_nothing_again_unless_told_to(folder: Path) -> None:
    ingest(folder)
    said, code = ingest(folder)
    assert "To BRAIN: 3 kept before." in said
    assert code == 0
    assert Instance.objects.filter(repeats=0).count() == 3
    assert "To BRAIN: 3 repeat." in ingest(folder, again=True)[0]


def test_a_changed_file_is_read_again(folder: Path) -> None:
    ingest(folder)
    os.utime(folder / "A" / "B" / "IM0", (1, 1))
    assert "1 repeat, 2 kept before" in ingest(folder)[0]


def test_the_journal_of_one_ae_title_says_nothing_of_another(folder: Path) -> None:
    AETitle.objects.create(title="LIVER")
    ingest(folder, to="BRAIN")
    assert "To LIVER: 3 repeat." in ingest(folder, to="LIVER")[0]
    assert sorted(Route.objects.values_list("called_ae", flat=True)) == ["BRAIN", "LIVER"]
    assert Exam.objects.count() == 1


def test_the_journal_holds_no_path(folder: Path, home: Path) -> None:
    (folder / "A" / "B" / "IM0").rename(folder / "A" / "B" / "DEMO^PATIENT")
    ingest(folder)
    (journal,) = (home / "ingest").iterdir()
    assert "DEMO" not in journal.name + journal.read_text()


def test_a_journal_that_was_cut_short_costs_a_repeat_and_nothing_more(folder: Path, home: Path) -> None:
    ingest(folder)
    (journal,) = (home / "ingest").iterdir()
    journal.write_text(journal.read_text()[:-10])
    assert "1 repeat, 2 kept before" in ingest(folder)[0]
    assert "3 kept before" in ingest(folder)[0]


def test_what_is_no_dicom_is_refused_with_its_name_and_reason(folder: Path) -> None:
    (folder / "letter.pdf").write_bytes(b"%PDF-1.7")
    said, code = ingest(folder)
    assert "refused     letter.pdf: Not a DICOM file." in said
    assert "To BRAIN: 3 new, 1 refused." in said
    assert "  1 x Not a DICOM file." in said
    assert code == 1
    assert not QuarantinedInstance.objects.exists()


def test_what_cannot_be_filed_is_quarantined_with_its_reason(folder: Path) -> None:
    image = folder / "A" / "B" / "IM0"
    image.write_bytes(image.read_bytes()[:-100])
    said, code = ingest(folder)
    assert "quarantined A/B/IM0: Pixel data of 412 bytes where 512 are needed" in said
    assert code == 1
    assert QuarantinedInstance.objects.count() == 1
    assert "3 kept before" in ingest(folder)[0]


def test_a_dicomdir_and_what_systems_add_are_left_out(tmp_path: Path) -> None:
    disc = tmp_path / "disc"
    files = FileSet()
    for image in mr_series(slices=2):
        image.PatientID = "DEMO"
        files.add(image)
    files.write(disc)
    (disc / "DICOMDIR").rename(disc / "INDEX")  # known by what it is, also under another name
    (disc / ".DS_Store").write_bytes(b"x")
    assert ingest(disc) == ("To BRAIN: 2 new, 2 left out.\n", 0)


def test_links_and_pipes_are_not_followed(folder: Path, tmp_path: Path) -> None:
    as_file(mr_series(slices=1)[0], tmp_path / "elsewhere")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "pipe")
    said, code = ingest(folder)
    assert "link: A link" in said
    assert "pipe: Not a regular file" in said
    assert (code, Instance.objects.count()) == (1, 3)


def test_a_path_that_leads_out_of_the_zip_is_refused(tmp_path: Path) -> None:
    image = as_file(mr_series(slices=1)[0], tmp_path / "image").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("../../up", "/etc/absolute", "C:\\windows", "fine"):
            archive.writestr(name, image)
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    said, code = ingest(tmp_path / "x.zip")
    assert said.count("Its path leads out of the zip") == 4  # three, and the line of the summary
    assert "link: A link" in said
    assert "1 new, 4 refused" in said
    assert code == 1


def test_an_encrypted_zip_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder, tmp_path / "x.zip")
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    said, code = ingest(archive)
    assert "The zip is encrypted. Unpack it with its password" in said
    assert (code, Instance.objects.count()) == (2, 0)


def test_a_zip_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            with archive.open(f"{number}", "w", force_zip64=True) as entry:
                for _ in range(400):
                    entry.write(b"\0" * (1 << 20))
    said, code = ingest(tmp_path / "x.zip")
    assert "claims to unpack to 1.2 GiB, more than 100 times its size" in said
    assert code == 2


def test_a_black_exam_is_no_bomb(tmp_path: Path) -> None:
    images = mr_series(slices=2)
    for image in images:
        image.Rows = image.Columns = 1024
        image.PixelData = b"\0" * (2 << 20)
    assert "2 new" in ingest(zipped(written(images, tmp_path / "black"), tmp_path / "x.zip"))[0]


def test_a_file_of_a_zip_that_is_too_large_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bring_in_sources, "LARGEST_FILE", 1)
    said, code = ingest(zipped(folder, tmp_path / "x.zip"))
    assert "send it over DICOM" in said
    assert "3 refused" in said
    assert code == 1


def test_damage_in_a_zip_concerns_one_file(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_STORED) as archive:
        for file in sorted((folder / "A" / "B").iterdir()):
            archive.write(file, file.name)
    content = bytearray((tmp_path / "x.zip").read_bytes())
    content[500] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(content)
    said, code = ingest(tmp_path / "x.zip")
    assert "IM0: The zip is damaged here" in said
    assert "2 new, 1 refused" in said
    assert code == 1


def test_a_source_that_is_neither_says_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    assert "neither a folder nor a zip" in ingest(tmp_path / "text")[0]
    said, code = ingest(tmp_path / "nowhere")
    assert "does not exist" in said
    assert code == 2


def test_where_exams_go_has_to_be_said_when_there_are_several(folder: Path) -> None:
    AETitle.objects.create(title="LIVER")
    said, code = ingest(folder)
    assert "Say with --to where the exams go. There are: BRAIN, LIVER." in said
    assert code == 2
    assert 'There is no active AE title "HEART"' in ingest(folder, to="HEART")[0]


def test_a_full_disk_stops_it_and_the_next_run_goes_on(folder: Path, store: Path) -> None:
    store.mkdir()
    (store / "spool").write_bytes(b"in the way")
    said, code = ingest(folder)
    assert "Free space under OVERREAD_STORE, then run the same again" in said
    assert code == 2
    (store / "spool").unlink()
    assert "To BRAIN: 3 new." in ingest(folder)[0]


def test_nothing_is_taken_while_the_disk_is_low(folder: Path, settings: Settings) -> None:
    settings.OVERREAD_MIN_FREE_BYTES = 1 << 60
    said, code = ingest(folder)
    assert "GiB left" in said
    assert (code, Instance.objects.count()) == (2, 0)


@pytest.mark.django_db(transaction=True)
def test_a_kill_loses_nothing_and_the_next_run_ends_it(tmp_path: Path, home: Path) -> None:
    source = written(mr_series(slices=150), tmp_path / "disc")
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "OVERREAD_HOME": str(home),
        "OVERREAD_STORE": str(tmp_path / "store"),
    }
    command = [sys.executable, "manage.py", "ingest", str(source), "--to", "BRAIN"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while Instance.objects.count() < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 20 <= Instance.objects.count() < 150
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "kept before" in ended.stdout
    assert Instance.objects.count() == 150
    assert Instance.objects.filter(repeats__gt=1).count() == 0
    assert len(list(store.exams_folder().rglob("*.dcm"))) == 150


def database_url() -> str:
    """The address of this test's own database."""
    name = connection.settings_dict["NAME"]
    before, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{before}/{name}"


@pytest.mark.django_db(transaction=True)
def test_files_are_kept_while_the_database_is_away(folder: Path) -> None:
    """It hangs up in the middle: what is kept by then waits in the spool for the indexer."""
    from dicom_ingest.bring_in import Fate, bring_in

    content = (folder / "A" / "B" / "IM0").read_bytes()
    connection.close()
    connection.ensure_connection()
    with database_away():
        connection.connection.close()
        connection.connection = None
        brought = bring_in(iter([content]), called_ae="BRAIN", calling_ae="INGEST")
    assert brought.fate == Fate.WAITING
    assert len(spool.waiting()) == 1
