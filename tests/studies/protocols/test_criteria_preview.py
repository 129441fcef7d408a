"""Criteria are tried on past exams before they are in force."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from dicom_ingest.models import Exam, Route
from studies.models import Study
from tests.conftest import Cast
from tests.dicom_ingest.scans import complete, mr_slice, receive
from tests.studies.protocols.protocol_pages import form_of, text_of


def test_criteria_are_tried_on_past_exams(author: Client, cast: Cast, draft: Study, brain_ae: Any) -> None:
    [instance] = receive(mr_slice(1))
    complete(instance.series.exam)
    tried = _tried(author, draft)
    assert "Would have let in 0 of 1 past exam" in tried
    assert "Kept out" in tried
    assert "by “Radiographs”" in tried
    assert "series.Modality" in tried
    matching = {"criteria.rows": ["0"], "criteria.0.name": "MR", "criteria.0.when": 'series.Modality == "MR"'}
    assert "Would have let in 1 of 1 past exam" in _tried(author, draft, **matching)
    broken = {"criteria.rows": ["0"], "criteria.0.name": "MR", "criteria.0.when": "series.Modalty"}
    assert "Mend the criteria that are marked first" in _tried(author, draft, **broken)


def test_exams_of_others_count_and_stay_unnamed(author: Client, draft: Study) -> None:
    exam = Exam.objects.create(study_instance_uid="1.2.3", patient_name="Secret^Name")
    Route.objects.create(exam=exam, called_ae="ELSEWHERE", received_instances=1, completed_at=now())
    tried = _tried(author, draft)
    assert "Cannot be decided an exam that is not in your studies" in tried
    assert "0 of 1 past exam; 1 cannot be decided" in tried
    assert "Secret" not in tried


def _tried(client: Client, study: Study, **fields: Any) -> str:
    posted = form_of(client, study, "arrival")
    return text_of(client.post(reverse("study-criteria-preview", args=[study.slug]), posted | fields))
