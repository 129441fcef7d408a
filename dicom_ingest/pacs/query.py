"""Searching a remote for exams: C-FIND of the Study Root model (PS3.4, C.6.2) or QIDO-RS (PS3.18, 10.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from urllib.parse import quote, urlencode

import requests
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FindModel

from dicom_ingest.pacs import web
from dicom_ingest.pacs.errors import PacsError, Refused
from dicom_ingest.pacs.models import Remote
from dicom_ingest.pacs.remotes import SUCCESS, association, status_of
from dicom_ingest.store import MalformedUID, checked_uid
from portal.audit import trail
from portal.audit.actions import Action

LIMIT = 100
_PENDING = {0xFF00, 0xFF01}
_CANCELLED = 0xFE00
_ASKED = (
    "StudyInstanceUID",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
)
_MESSAGE_ID = 1
# Orthanc's plugin does not decode what is percent-encoded; a wildcard stands for it.
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.*?-]")


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """What an exam has to match; "" and None match every exam. A name matches from its beginning."""

    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    date_from: date | None = None
    date_to: date | None = None
    modality: str = ""
    study_instance_uid: str = ""

    @property
    def is_too_wide(self) -> bool:
        """Whether nothing would keep a remote from listing all it has."""
        told = (self.patient_id, self.patient_name, self.accession_number, self.study_instance_uid)
        return not any(value.strip("*? ") for value in told) and not (self.date_from or self.date_to)

    @property
    def dates(self) -> str:
        """The range as DICOM writes it."""
        if not (self.date_from or self.date_to):
            return ""
        return "-".join(f"{day:%Y%m%d}" if day else "" for day in (self.date_from, self.date_to))

    @property
    def keys(self) -> dict[str, str]:
        """The matching keys by DICOM keyword."""
        name = self.patient_name and self.patient_name.rstrip("*") + "*"
        keys = {
            "PatientID": self.patient_id,
            "PatientName": name,
            "AccessionNumber": self.accession_number,
            "StudyDate": self.dates,
            "ModalitiesInStudy": self.modality,
            "StudyInstanceUID": self.study_instance_uid,
        }
        return {keyword: value for keyword, value in keys.items() if value}


@dataclass(frozen=True, kw_only=True)
class Match:
    """One exam that a remote has."""

    study_instance_uid: str
    patient_id: str
    patient_name: str
    patient_birth_date: date | None
    accession_number: str
    study_date: date | None
    study_time: str
    study_description: str
    modalities: tuple[str, ...]
    instances: int | None

    @property
    def description(self) -> str:
        """What the exam is, without saying whose."""
        parts = (str(self.study_date or ""), "/".join(self.modalities), self.study_description)
        return " ".join(part for part in parts if part)

    @property
    def patient_label(self) -> str:
        """The patient's name as people write it."""
        family, _, given = self.patient_name.partition("=")[0].partition("^")
        return ", ".join(part for part in (family, given.replace("^", " ").strip()) if part) or "no name"


@dataclass(frozen=True, kw_only=True)
class Found:
    """The exams that match, newest first. `is_cut` when the remote has more; `malformed` were left out."""

    matches: tuple[Match, ...] = ()
    is_cut: bool = False
    malformed: int = 0


def search(remote: Remote, criteria: Criteria, *, limit: int = LIMIT) -> Found:
    """The exams at `remote` that match, at most `limit`.

    Raises PacsError when it cannot be asked, Refused when it may not, or `criteria` would match everything.
    """
    if not remote.active or not remote.may_query:
        raise Refused(f"{remote} may not be searched. An administrator can allow it.")
    if criteria.is_too_wide:
        raise Refused("Give a patient ID, a name, an accession number or a date: without, every exam would match.")
    ask = _qido if remote.kind == Remote.Kind.DICOMWEB else _find
    found = ask(remote, criteria, limit=limit)
    # Who asked what kind of question is put on record; the values are the patient's.
    detail = {"keys": list(criteria.keys), "hits": len(found.matches)}
    trail.record(Action.PACS_SEARCHED, of=f"remote:{remote.pk}", detail=detail)
    return found


def _find(remote: Remote, criteria: Criteria, *, limit: int) -> Found:
    with association(remote, [build_context(FindModel)]) as opened:
        answers = _studies(opened, remote, criteria, limit=limit)
        found = _found(answers[:limit], is_cut=len(answers) > limit)
        return replace(found, matches=tuple(_of_modality(opened, remote, found.matches, criteria.modality)))


def _studies(opened: Association, remote: Remote, criteria: Criteria, *, limit: int) -> list[Dataset]:
    """What the remote answers; one more than `limit` when it has more, which it is then told to keep."""
    answers: list[Dataset] = []
    for answer in _answers(opened, remote, _identifier("STUDY", dict.fromkeys(_ASKED, "") | criteria.keys)):
        if len(answers) == limit:
            opened.send_c_cancel(_MESSAGE_ID, query_model=FindModel)
        if len(answers) <= limit:
            answers.append(answer)
    return answers


def _of_modality(opened: Association, remote: Remote, matches: Iterable[Match], modality: str) -> Iterator[Match]:
    """Those that have `modality`. A remote need not support ModalitiesInStudy; then its series are asked for."""
    for match in matches:
        known = match if match.modalities or not modality else _with_modalities(opened, remote, match)
        if not modality or modality in known.modalities:
            yield known


def _with_modalities(opened: Association, remote: Remote, match: Match) -> Match:
    asked = _identifier(
        "SERIES", {"StudyInstanceUID": match.study_instance_uid, "SeriesInstanceUID": "", "Modality": ""}
    )
    series = list(_answers(opened, remote, asked))
    return replace(match, modalities=tuple(sorted({str(one.get("Modality") or "") for one in series} - {""})))


def _answers(opened: Association, remote: Remote, identifier: Dataset) -> Iterator[Dataset]:
    for status, answer in opened.send_c_find(identifier, FindModel, msg_id=_MESSAGE_ID):
        code = status_of(status, remote)
        if code in _PENDING and answer is not None:
            yield answer
        elif code not in {SUCCESS, _CANCELLED} and code not in _PENDING:
            raise PacsError(f"{remote} could not search: status 0x{code:04X}.")


def find(opened: Association, remote: Remote, level: str, keys: dict[str, str]) -> list[Dataset]:
    """Everything that matches `keys` below the study level, on an association that has the model. Raises PacsError."""
    return list(_answers(opened, remote, _identifier(level, keys)))


def _identifier(level: str, keys: dict[str, str]) -> Dataset:
    identifier = Dataset()
    if not all(value.isascii() for value in keys.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value or None)
    return identifier


def _qido(remote: Remote, criteria: Criteria, *, limit: int) -> Found:
    included = ",".join(("StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances"))
    keys = criteria.keys
    if name := keys.get("PatientName"):
        keys["PatientName"] = _NOT_PLAIN.sub("*", name)
    params = urlencode({**keys, "limit": limit + 1, "includefield": included}, safe="*?,", quote_via=quote)
    with web.session(remote) as session, web.get(session, remote, "/studies", params=params) as response:
        if response.status_code == requests.codes.no_content:
            return Found()
        if response.status_code != requests.codes.ok:
            raise web.refusal(remote, response)
        answers = _datasets(remote, response)
    found = _found(answers[:limit], is_cut=len(answers) > limit)
    kept = (one for one in found.matches if not criteria.modality or criteria.modality in one.modalities)
    return replace(found, matches=tuple(kept))


def _datasets(remote: Remote, response: requests.Response) -> list[Dataset]:
    try:
        return [Dataset.from_json(one) for one in response.json()]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PacsError(f"{remote} answered with something else than DICOM JSON. Check the base URL.") from None


def _found(answers: Sequence[Dataset], *, is_cut: bool) -> Found:
    read = [_match(answer) for answer in answers]
    matches = sorted((match for match in read if match), key=lambda one: one.study_date or date.min, reverse=True)
    return Found(matches=tuple(matches), is_cut=is_cut, malformed=sum(match is None for match in read))


def _match(answer: Dataset) -> Match | None:
    try:
        uid = checked_uid(_text(answer, "StudyInstanceUID"))
    except MalformedUID:
        return None
    number = _text(answer, "NumberOfStudyRelatedInstances")
    return Match(
        study_instance_uid=uid,
        patient_id=_text(answer, "PatientID"),
        patient_name=_text(answer, "PatientName"),
        patient_birth_date=_day(answer, "PatientBirthDate"),
        accession_number=_text(answer, "AccessionNumber"),
        study_date=_day(answer, "StudyDate"),
        study_time=_text(answer, "StudyTime"),
        study_description=_text(answer, "StudyDescription"),
        modalities=tuple(sorted(_values(answer, "ModalitiesInStudy"))),
        instances=int(number) if number.isdigit() else None,
    )


def _values(answer: Dataset, keyword: str) -> list[str]:
    value = answer.get(keyword)
    return [str(one) for one in value if one] if isinstance(value, MultiValue | list) else [str(value)] if value else []


def _text(answer: Dataset, keyword: str) -> str:
    return "".join(_values(answer, keyword)[:1]).strip()


def _day(answer: Dataset, keyword: str) -> date | None:
    try:
        return datetime.strptime(_text(answer, keyword).replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None
