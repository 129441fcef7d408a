"""The DICOM conformance statement (PS3.2), written from the tables that the code itself runs by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec

from django.urls import URLPattern
from pydicom.uid import UID

from dicom_ingest import receiver
from dicom_ingest.dicomweb import included, negotiation, qido, urls
from dicom_ingest.dicomweb.access import Handler
from dicom_ingest.dicomweb.dicomjson import path_of, tag_and_vr
from dicom_ingest.dicomweb.matching import COMBINED, KEYS, Level
from dicom_ingest.dicomweb.storing import Failure
from dicom_ingest.storage_classes import STORAGE_CLASSES, TRANSFER_SYNTAXES

VERIFICATION = "1.2.840.10008.1.1"

# What a status of C-STORE means here; a receiver gives those that it has under these names.
_STORE_STATUS = {
    "SUCCESS": ("Success", "The instance is on disk, fsynced, where a restart finds it."),
    "OUT_OF_RESOURCES": ("Refused: out of resources", "It could not be kept; nothing of it was. Send it again later."),
    "DOES_NOT_MATCH": (
        "Error: dataset does not match SOP class",
        "The request names another class than was negotiated; nothing of it was kept.",
    ),
    "CANNOT_UNDERSTAND": (
        "Error: cannot understand",
        "No dataset or a malformed SOP Instance UID; or what begins as no dataset, which is quarantined.",
    ),
}

# Roles as a user of others' services, where the package that plays them is installed.
_SCU_PACKAGE = "dicom_ingest.pacs"
_SCU = (
    (VERIFICATION, "a remote's page tries whether it answers"),
    ("1.2.840.10008.5.1.4.1.2.2.1", "search for exams by patient, accession number or date"),
    ("1.2.840.10008.5.1.4.1.2.2.2", "have exams sent to a called AE title of Overread's"),
    ("1.2.840.10008.5.1.4.1.2.2.3", "fetch exams on the same association"),
    ("1.2.840.10008.1.20.1", "ask a destination to commit itself to what was sent, where it is set to"),
)

Row = Sequence[object]


def statement() -> str:
    """The whole statement, in Markdown."""
    parts = (_overview(), _model(), _storage(), _scu(), _web(), _search(), _store(), _profiles())
    return "\n\n".join(part for each in parts for part in each) + "\n"


def _overview() -> Iterator[str]:
    yield "# DICOM conformance statement"
    yield "`manage.py conformance` writes this page from the tables by which the code runs; a test notices a stale one."
    yield "## 1 Overview"
    yield (
        "Overread receives exams, files them as they came, runs models on them, and shows exams and results in a "
        "DICOMweb viewer. Results stay in the portal unless a study's governance decision names a destination."
    )
    yield _table(
        ("Network service", "User (SCU)", "Provider (SCP)"),
        [
            ("Verification", _yes(_has_scu()), "yes"),
            ("Storage", _yes(_has_scu()), "yes"),
            ("Query/Retrieve, Study Root", _yes(_has_scu()), "no"),
            ("Storage Commitment", _yes(_has_scu()), "no"),
            ("DICOMweb: QIDO-RS, WADO-RS, STOW-RS", _yes(_has_scu()), "yes"),
        ],
    )


def _model() -> Iterator[str]:
    yield "## 2 Implementation model"
    yield _table(
        ("Application entity", "Process", "What it does"),
        [
            ("Receiver", "`manage.py receive`", "answers to every active called AE title; keeps what it acknowledges"),
            ("DICOMweb", "`manage.py serve`", "searches, retrieves and stores, within what the user may see"),
            *(
                [("Sender and searcher", "Celery workers", "queries, fetches from and sends to remotes")]
                if _has_scu()
                else []
            ),
        ],
    )
    yield (
        "Filing follows acknowledgement: an instance is found by searches as soon as it is indexed. What cannot be "
        "filed is quarantined with its reason. An exam is complete when nothing of it arrived for the quiet period of "
        "its called AE title. The same SOP Instance UID with other content: the first is kept, the second quarantined."
    )


def _storage() -> Iterator[str]:
    yield "## 3 AE specifications"
    yield "### 3.1 Receiver: Verification and Storage SCP"
    yield (
        "Called AE titles are data: an association to one that is unknown or inactive is rejected (permanent, by the "
        "service user, called AE title not recognised). So is one from a calling AE title or an address that this "
        "AE title does not take (calling AE title not recognised); one above its number of associations at a time is "
        "rejected for now (by the service provider, local limit exceeded). Each proposed storage class that the called "
        "AE title takes is accepted, in the first proposed transfer syntax that is listed below. Nothing is coerced: "
        "the dataset is kept byte for byte. Failures carry an error comment (0000,0902)."
    )
    yield _table(("Parameter", "Value"), _association_rows())
    yield "Statuses of C-STORE:"
    yield _table(
        ("Code", "Status", "Meaning"),
        [
            (f"{getattr(receiver, name):04X}", *meaning)
            for name, meaning in _STORE_STATUS.items()
            if hasattr(receiver, name)
        ],
    )
    yield f"Transfer syntaxes, each for every storage class ({len(TRANSFER_SYNTAXES)}):"
    yield _table(("UID", "Name"), _named(TRANSFER_SYNTAXES))
    yield f"SOP classes ({len(STORAGE_CLASSES) + 1}):"
    yield _table(("UID", "Name"), _named([VERIFICATION, *STORAGE_CLASSES]))


def _association_rows() -> Iterator[Row]:
    yield ("Application context", "1.2.840.10008.3.1.1.1")
    limits = {
        "_LARGEST_PDU": "Largest PDU received, bytes",
        "_MOST_ASSOCIATIONS": "Associations at a time, each process",
    }
    for name, what in limits.items():
        if hasattr(receiver, name):
            yield (what, getattr(receiver, name))
    yield ("Asynchronous operations", "none: one operation at a time on an association")
    yield ("Implementation class UID", "pynetdicom's or pydicom's")


def _scu() -> Iterator[str]:
    yield "### 3.2 User of others' services"
    if not _has_scu():
        yield "None."
        return
    rows = [(uid, UID(uid).name, what) for uid, what in _SCU]
    yield _table(("UID", "SOP class", "What for"), [*rows, ("as received", "Storage", "send exams and results onward")])
    yield (
        "Instances are proposed and sent in the transfer syntax in which they are kept. Nothing is sent that a study's "
        "governance has not allowed."
    )


def _web() -> Iterator[str]:
    yield "### 3.3 DICOMweb provider"
    yield (
        "Below `/dicomweb`; a read of a study has such a root of its own that shows no more than the read, and so has "
        "the viewer's editor of a result, `/results/{result}/dicomweb`."
    )
    yield _table(("Resource", "Method", "Service", "What"), _resources())
    yield (
        "A resource that is not there and one that the user may not see are answered alike, with 404. A media type "
        "that cannot be given is answered with 406, a request that is not understood with 400 and a sentence."
    )
    syntaxes = [(uid, UID(uid).name, ", ".join(types)) for uid, types in sorted(negotiation.image_types().items())]
    yield "Media types of metadata and searches: `application/dicom+json`, `application/json`."
    yield "Frames go out as `application/octet-stream` with their transfer syntax, and compressed ones also as:"
    yield _table(("Transfer syntax", "Name", "Media type"), syntaxes)


def _resources() -> Iterator[Row]:
    for pattern in sorted(urls.urlpatterns, key=lambda one: str(one.pattern)):
        for method, handler in _handlers(pattern):
            service = {"qido": "QIDO-RS", "stow": "STOW-RS"}.get(handler.__module__.rpartition(".")[2], "WADO-RS")
            yield (f"`/{_readable(pattern)}`", method, service, handler.__name__.replace("_", " "))


def _handlers(pattern: URLPattern) -> list[tuple[str, Handler]]:
    handlers: dict[str, Handler] = pattern.callback.handlers  # type: ignore[attr-defined]  # set by `resource`
    return sorted(handlers.items())


def _readable(pattern: URLPattern) -> str:
    return str(pattern.pattern).replace("<str:", "{").replace(">", "}")


def _search() -> Iterator[str]:
    yield "#### Searches (QIDO-RS)"
    yield _table(
        ("Parameter", "Values"),
        [
            ("`<keyword>`, `<tag>`, `<sequence>.<attribute>`", "matching by the keys below; any other is refused"),
            ("`includefield`", f"`all`, keywords, tags, lists with commas; at most {included.MOST_FIELDS}"),
            ("`limit`", f"at most {qido.MOST_RESULTS}, which is also the default"),
            ("`offset`", "0 or more"),
            ("`fuzzymatching`", "`true` is answered with a Warning, and with literal matching"),
        ],
    )
    yield (
        "Results that remain are told in a `Warning: 299` header, their number "
        f"up to {qido.MOST_COUNTED}. Studies come newest first. Lists have backslashes or commas between, or "
        "the parameter repeated. Empty values match everything. Ranges of "
        + ", ".join(_combined())
        + " given together "
        "are one span of time. A search matches keys of its own level and of those above."
    )
    rows = [(_tags(keyword), keyword, key.level.name.title(), key.matching.kinds) for keyword, key in KEYS.items()]
    any_modality = ("00080061", "ModalitiesInStudy", "Study", "one value, a list, wild cards; any series has it")
    yield _table(("Tag", "Keyword", "Level", "Matching"), [*rows, any_modality])
    yield (
        "Always returned, with RequestAttributesSequence of a series where it is known; below one study or series "
        "without the attributes of that level, but for its UID:"
    )
    yield _table(("Level", "Attributes"), _returned())
    yield (
        "`includefield` adds attributes of the modules of PS3.3 that describe a patient or study, a series "
        "(its equipment and frame of reference with it), and of an instance all but bulk data; what is of a level "
        "below the search's is not returned."
    )


def _combined() -> list[str]:
    return [f"{pair.dates} and {pair.times}" for pair in COMBINED]


def _returned() -> Iterator[Row]:
    for level in Level:
        yield (level.name.title(), ", ".join(sorted(filter(None, map(path_of, qido.returned_tags(level))))))


def _store() -> Iterator[str]:
    yield "#### Storing (STOW-RS)"
    yield (
        'Takes `multipart/related; type="application/dicom"`, every storage class and transfer syntax. 200: all '
        "instances are stored, 202: some are, 409: none is. Success of an instance means fsynced and filed."
    )
    rows = [(f"{int(reason):04X}", reason.name.replace("_", " ").lower()) for reason in Failure]
    yield _table(("Failure reason", "Meaning"), rows)
    yield (
        "The roots of a read and of a result's editor take one object at a time, from its reader alone: Segmentation "
        "Storage, and in a read structured reports of measurements. 200: it is kept; 4xx, with a sentence as "
        "`detail`: it is not. The object is kept as received. A corrected segmentation is also stored anew, as BINARY "
        "in explicit VR little endian, in a series of its own: in the source's planes and order, with the segments of "
        "the segmentation that was corrected and their codes and colours; it names that one in Predecessor Documents "
        "Sequence (Standard Extended). It is never sent to another system, nor shown to another reader."
    )


def _profiles() -> Iterator[str]:
    yield "## 4 Communication profiles"
    yield "TCP/IP, IPv4 and IPv6. DIMSE with the Upper Layer Protocol of PS3.8; DICOMweb over HTTP/1.1."
    yield "## 5 Media"
    yield "No media services. Files of a folder or archive are read as PS3.10 files."
    yield "## 6 Character sets"
    yield (
        "Datasets of any character set that PS3.5 names are kept as they came. Answers in DICOM JSON are UTF-8, their "
        "SpecificCharacterSet ISO_IR 192. Names match in any case, in each of their component groups."
    )
    yield "## 7 Security"
    yield (
        "DICOMweb: a session or an API token on each request; what a user sees follows from roles in studies. "
        "TLS is the web proxy's in production. DIMSE: called AE titles, and where they are set, calling AE titles and "
        "addresses and DICOM TLS. Identifiers of patients do not appear in logs."
    )


def _has_scu() -> bool:
    return find_spec(_SCU_PACKAGE) is not None


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _tags(keyword: str) -> str:
    return ".".join(tag_and_vr(part)[0] for part in keyword.split("."))


def _named(uids: Iterable[str]) -> list[Row]:
    return [(uid, UID(uid).name) for uid in sorted(uids, key=lambda uid: [int(part) for part in uid.split(".")])]


def _table(head: Sequence[str], rows: Iterable[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
