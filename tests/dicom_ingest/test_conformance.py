"""The conformance statement says what the code does."""

from io import StringIO
from pathlib import Path

from django.core.management import call_command
from pynetdicom import AllStoragePresentationContexts

from dicom_ingest.conformance import statement
from dicom_ingest.dicomweb import urls
from dicom_ingest.dicomweb.matching import KEYS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dicom-conformance.md"


def test_the_page_in_docs_is_the_one_that_the_code_writes() -> None:
    written = StringIO()
    call_command("conformance", stdout=written)
    told = "docs/dicom-conformance.md is stale: run `manage.py conformance > docs/dicom-conformance.md`."
    assert PAGE.read_text(encoding="utf-8") == written.getvalue(), told


def test_every_storage_class_every_key_and_every_resource_is_stated() -> None:
    stated = statement()
    for context in AllStoragePresentationContexts:
        assert f"| {context.abstract_syntax} |" in stated
    for keyword in KEYS:
        assert f"| {keyword} |" in stated
    rows = [line for line in stated.splitlines() if line.startswith("| `/")]
    assert len(rows) == len(urls.urlpatterns) + 2  # two resources take POST besides


def test_the_statement_has_the_parts_that_the_standard_asks_for() -> None:
    parts = [line.split(" ", 2)[2] for line in statement().splitlines() if line.startswith("## ")]
    assert parts == [
        "Overview",
        "Implementation model",
        "AE specifications",
        "Communication profiles",
        "Media",
        "Character sets",
        "Security",
    ]


def test_no_word_of_the_statement_is_left_unfilled() -> None:
    stated = statement()
    assert "None" not in stated.replace("None.\n", "")
    assert "Failure." not in stated
