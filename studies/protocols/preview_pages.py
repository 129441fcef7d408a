"""Which of the last exams the criteria that stand on the page would have let in, and why not the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, now
from django.views.decorators.http import require_POST
from pydantic import TypeAdapter, ValidationError

from dicom_ingest import rule_trial
from dicom_ingest.models import Exam
from portal.access import Capability, Viewer
from portal.signed_in import SignedInRequest
from studies.cases.screening import Outcome
from studies.protocols import protocol, section_posting
from studies.protocols.inclusion_preview import Preview, preview
from studies.protocols.protocol_schema import Criterion
from studies.protocols.protocol_sections import section_of
from studies.study_frame import frame_of

_CRITERIA: TypeAdapter[tuple[Criterion, ...]] = TypeAdapter(tuple[Criterion, ...])


@dataclass(frozen=True, kw_only=True)
class ShownExam:
    """An exam that was tried: named when the user may see it."""

    exam: Exam | None
    outcome: Outcome
    criterion: str
    reason: str


@require_POST
@login_required
def criteria_preview(request: SignedInRequest, slug: str) -> HttpResponse:
    """Try the criteria on the last exams. Answers in portions; the page asks for the next one."""
    frame = frame_of(request.user, slug, Capability.DESIGN_STUDY)
    section = section_of("arrival")
    before = protocol.draft(frame.study) or protocol.current(frame.study)
    posted = section_posting.settled(section, section_posting.read(section, request.POST, before.document))
    try:
        criteria = _CRITERIA.validate_python(posted.document["criteria"])
    except ValidationError:
        return render(request, "studies/_criteria_preview.html", {"cannot": True, "study": frame.study})
    until = _moment(request.POST.get("until", "")) or now()
    tried = preview(criteria, until=until, start=_count(request, "start"), seconds=rule_trial.SECONDS)
    context = {
        "study": frame.study,
        "tried": tried,
        "until": until.isoformat(),
        "let_in": _count(request, "let_in") + tried.count(Outcome.MATCHED),
        "undecided": _count(request, "undecided") + tried.count(Outcome.UNDECIDED),
        "lines": _shown(tried, request.user),
    }
    return render(request, "studies/_criteria_preview.html", context)


def _shown(tried: Preview, user: Viewer) -> list[ShownExam]:
    keys = [line.exam.pk for line in tried.lines]
    visible = set(Exam.objects.visible_to(user).filter(pk__in=keys).values_list("pk", flat=True))
    return [
        ShownExam(
            exam=line.exam if line.exam.pk in visible else None,
            outcome=line.screened.outcome,
            criterion=line.screened.criterion,
            reason=line.screened.reason if line.exam.pk in visible else "",
        )
        for line in tried.lines
    ]


def _count(request: SignedInRequest, name: str) -> int:
    text = request.POST.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _moment(text: str) -> datetime | None:
    """The moment at which the trial began, so that exams that come meanwhile shift nothing."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return None if moment is None or is_naive(moment) else moment
