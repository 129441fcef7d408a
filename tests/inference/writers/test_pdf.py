"""The page that tells a result to people, inside an encapsulated PDF."""

from __future__ import annotations

import builtins
import re
import zlib
from pathlib import Path
from typing import Any

import pydicom
import pytest

from inference.errors import InstallationFault
from inference.writers import printing
from inference.writers.pdf import write
from tests.inference.writers.runs import finished, hips_and_chest, of_radiographs, two_organs, verdict
from tests.inference.writers.sources import ct_series, radiographs


def page_of(file: Path) -> bytes:
    document = pydicom.dcmread(file)
    return bytes(document.EncapsulatedDocument[: document.EncapsulatedDocumentLength])


def html_of(run: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """What is given to the printer."""
    given: list[str] = []

    class Printer:
        def __init__(self, *, string: str) -> None:
            given.append(string)

        def write_pdf(self) -> bytes:
            return b"%PDF"

    monkeypatch.setattr(printing, "printer", lambda: Printer)
    write(run, folder)
    return given[0]


def test_it_is_one_pdf_page_with_a_picture(tmp_path: Path) -> None:
    (file,) = write(two_organs(ct_series()), tmp_path)
    page = page_of(file.path)
    assert page.startswith(b"%PDF-")
    assert page.rstrip().endswith(b"%%EOF")
    streams = [_inflated(one) for one in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", page, re.DOTALL)]
    assert b"/Count 1" in page + b"".join(streams)
    assert b"/Subtype /Image" in page
    assert len(page) < 2_000_000


def test_it_holds_every_number_and_finding_who_made_it_and_of_what_standing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = two_organs(ct_series(), notes=["There is no earlier exam."])
    html = html_of(run, monkeypatch, tmp_path)
    for said in ("Liver volume", "1534.2", "Spleen volume", "124.5", "There is no earlier exam.", "DEMO-0002"):
        assert said in html
    assert html.count(run.pipeline.notice) >= 3
    assert run.pipeline.digest in html
    assert run.pipeline.models["deepbet"].sha256 in html
    found = html_of(hips_and_chest(radiographs()), monkeypatch, tmp_path)
    for said in ("left hip", "fracture", "93%", "Chest finding", "pneumothorax", "75%"):
        assert said in found


def test_names_are_text_never_markup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    images = ct_series()
    for image in images:
        image.PatientName = '<img src="file:///etc/passwd">'
    html = html_of(two_organs(images), monkeypatch, tmp_path)
    assert "<img src=&quot;" not in html
    assert '<img src="file' not in html
    assert "&lt;img" in html


def test_the_object_says_what_it_is_and_whose(tmp_path: Path) -> None:
    run = hips_and_chest(radiographs())
    (file,) = write(run, tmp_path)
    document = pydicom.dcmread(file.path)
    assert document.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert run.pipeline.notice in document.DocumentTitle
    assert (document.Modality, document.PatientName, document.BurnedInAnnotation) == ("DOC", "Demo^Anna", "YES")


def test_without_its_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load = builtins.__import__

    def without_pango(name: str, *others: Any, **more: Any) -> Any:
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
        return load(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", without_pango)
    with pytest.raises(InstallationFault, match=r"apt-get install libpango-1\.0-0"):
        write(two_organs(ct_series()), tmp_path)


def test_dciodvfy_finds_no_error(tmp_path: Path) -> None:
    for run in (two_organs(ct_series()), hips_and_chest(radiographs()), finished(radiographs(), of_radiographs())):
        (file,) = write(run, tmp_path)
        said = verdict(file.path)
        assert "EncapsulatedPDF" in said
        assert "Error" not in said


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""
