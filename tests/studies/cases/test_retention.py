"""Closed studies that were kept long enough are named; nothing is deleted."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from studies.cases import retention
from studies.models import StageChange, Study
from tests.studies.cases.flowing import study_with_ai

pytestmark = pytest.mark.django_db


def closed(slug: str, when: datetime, years: int) -> Study:
    study = study_with_ai(slug, retention_years=years, stage=Study.Stage.LOCKED)
    Study.objects.filter(pk=study.pk).update(stage=Study.Stage.CLOSED)
    StageChange.objects.create(study=study, before="locked", after="closed", made_at=when)
    return study


def test_only_closed_studies_past_their_years_are_listed(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    closed("long-ago", datetime(2004, 2, 29, tzinfo=UTC), 10)
    closed("lately", datetime(2024, 5, 1, tzinfo=UTC), 100)
    study_with_ai("running", retention_years=0)
    [line] = retention.over()
    assert (line.study.slug, line.kept_until) == ("long-ago", datetime(2014, 2, 28, tzinfo=UTC))
    call_command("studies", "retention")
    assert capsys.readouterr().out == "long-ago: closed on 2004-02-29, to be kept until 2014-02-28\n"
    with caplog.at_level(logging.WARNING):
        retention.warn()
    assert "long-ago" in caplog.text
    assert Study.objects.count() == 3
