"""A hospital's worth of rows, made by PostgreSQL itself, and how fast QIDO-RS finds its way among them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

import requests
from django.db import connection
from rich.progress import track

EXAMS, INSTANCES = 100_000, 2_000_000
PATIENTS = 40_000
_SERIES_OF_FOUR = (1, 2, 3, 4)  # exams have one to four series in turn
_PER_SERIES = INSTANCES * 4 // (EXAMS * sum(_SERIES_OF_FOUR))
_ROOT = "1.2.826.0.1.3680043.8.498.1000"
_FAMILIES = 2_000
_FIRST_DAY, _DAYS = date(2015, 1, 1), 3_650
_PAGE = 101  # as OHIF asks

_ROWS = f"""
SET synchronous_commit = off;
INSERT INTO dicom_ingest_exam (study_instance_uid, patient_id, issuer_of_patient_id, patient_name, patient_birth_date,
    patient_sex, accession_number, study_id, study_date, study_time, study_description, referring_physician_name,
    received_at)
SELECT '{_ROOT}.' || n, 'PAT' || lpad((n * 7919 % {PATIENTS})::text, 6, '0'), '',
    initcap(substr(translate(md5((n * 7919 % {PATIENTS} % {_FAMILIES})::text), '0123456789', 'ghijklmnop'), 1, 7))
        || '^' || initcap(substr(translate(md5('g' || n * 7919 % {PATIENTS}), '0123456789', 'ghijklmnop'), 1, 6)),
    date '1930-01-01' + ((n * 7919 % {PATIENTS}) % 29000)::int, (array['F', 'M'])[1 + (n % 2)::int],
    'ACC' || lpad(n::text, 9, '0'), n::text, date '{_FIRST_DAY}' + (n * 104729 % {_DAYS})::int,
    lpad((7 + n % 12)::text, 2, '0') || lpad((n % 60)::text, 2, '0') || '00',
    (array['CT Thorax', 'MR Brain', 'Chest', 'Abdomen', 'Pelvis'])[1 + (n % 5)::int], 'House^Gregory', now()
FROM generate_series(1::bigint, {EXAMS}) AS n;
INSERT INTO dicom_ingest_series (exam_id, series_instance_uid, origin, modality, series_number, series_description,
    series_date, series_time, performed_procedure_step_start_time, scheduled_procedure_step_ids,
    requested_procedure_ids, instance_count, changed_at)
SELECT exam.id, exam.study_instance_uid || '.' || s, 'received',
    CASE WHEN exam.id % 1000 = 0 THEN 'PT'
        ELSE (array['CT', 'MR', 'CR', 'CT', 'US', 'MR', 'CT', 'DX'])[1 + (exam.id % 8)::int] END,
    s, 'Series ' || s, exam.study_date, exam.study_time, '', '', '', 0, now()
FROM dicom_ingest_exam AS exam, generate_series(1, 1 + exam.id % 4) AS s
WHERE exam.study_instance_uid LIKE '{_ROOT}.%';
INSERT INTO dicom_ingest_instance (series_id, sop_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number,
    rows, columns, number_of_frames, frames, sha256, size, repeats, received_at)
SELECT series.id, series.series_instance_uid || '.' || i, '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', i,
    512, 512, 1, '[[1520, 524288]]', md5(series.id::text) || md5(i::text), 526000, 0, now()
FROM dicom_ingest_series AS series, generate_series(1, {_PER_SERIES}) AS i
WHERE series.series_instance_uid LIKE '{_ROOT}.%';
"""  # noqa: S608 - only constants of this module
_CASES = f"""
INSERT INTO studies_case (study_id, exam_id, number, enrolled_at)
SELECT %s, id, 1000 + row_number() OVER (ORDER BY id), now() FROM dicom_ingest_exam
WHERE study_instance_uid LIKE '{_ROOT}.%%' AND id %% 10 < %s;
"""  # noqa: S608 - only constants of this module


def fill(*, study_pks: list[int]) -> None:
    """Add the rows, which takes a minute; enrol six exams of ten in the first study, nine of ten in the second."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS)
        for study, tenths in zip(study_pks, (6, 9), strict=True):
            cursor.execute(_CASES, [study, tenths])
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")  # what loading left to be written is not measured


def queries(random: Random) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Kinds of query without end: the kind's name, the path below the root, the parameters."""
    page = {"limit": str(_PAGE)}
    while True:
        day = _FIRST_DAY + timedelta(days=random.randrange(_DAYS - 31))
        week, month = (
            f"{day:%Y%m%d}-{day + timedelta(days=7):%Y%m%d}",
            f"{day:%Y%m%d}-{day + timedelta(days=30):%Y%m%d}",
        )
        exam = random.randrange(1, EXAMS)
        patient = f"PAT{exam * 7919 % PATIENTS:06d}"
        letters = "".join(random.choice("abcdefghijklmnop") for _ in range(3))
        yield "newest first", "studies", {**page, "offset": str(_PAGE * random.randrange(10))}
        yield (
            "a week, one modality",
            "studies",
            {**page, "StudyDate": week, "ModalitiesInStudy": random.choice(["CT", "MR", "PT"])},
        )
        yield (
            "a month, one modality",
            "studies",
            {**page, "StudyDate": month, "ModalitiesInStudy": random.choice(["CT", "US"])},
        )
        yield "a modality, newest first", "studies", {**page, "ModalitiesInStudy": random.choice(["MR", "DX", "PT"])}
        yield "one patient", "studies", {**page, "PatientID": patient}
        yield "accession number", "studies", {**page, "AccessionNumber": f"ACC{exam:09d}"}
        yield "beginning of a name", "studies", {**page, "PatientName": f"{letters}*"}
        yield "two letters of a name", "studies", {**page, "PatientName": f"{letters[:2]}*"}
        yield "beginning of a patient id", "studies", {**page, "PatientID": f"{patient[:6]}*"}
        yield (
            "one exam, as the viewer asks",
            "studies",
            {**page, "StudyInstanceUID": f"{_ROOT}.{exam}", "includefield": "00081030,00080060"},
        )
        yield "series of an exam", f"studies/{_ROOT}.{exam - exam % 10 or 10}/series", {}
        yield "a description's middle", "studies", {**page, "StudyDescription": "*brain*"}


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one kind of query."""

    median: float
    p95: float
    number: int


def measure(url: str, token: str, *, rounds: int) -> dict[str, Timing]:
    """Ask one after the other on one connection; milliseconds until the answer is read, by kind, and of all."""
    session = requests.Session()
    session.headers["Authorization"] = f"Token {token}"
    took: dict[str, list[float]] = {}
    asked = queries(Random(20240315))  # noqa: S311 - the same queries in each run
    for _ in track(range(rounds * 12), description="QIDO-RS among two million instances"):
        name, path, parameters = next(asked)
        begun = time.perf_counter()
        response = session.get(f"{url}/{path}", params=parameters, timeout=60)
        took.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
        if response.status_code not in (200, 404):
            raise RuntimeError(f"{response.url}: {response.status_code} {response.text[:200]}")
    timings = {name: _timing(each) for name, each in took.items()}
    return timings | {"all": _timing([one for each in took.values() for one in each])}


def _timing(took: list[float]) -> Timing:
    return Timing(statistics.median(took), statistics.quantiles(took, n=20)[-1], len(took))
