"""Masks of outside annotators, uploaded on the page of a case by who runs the study."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from portal.access import Capability
from portal.signed_in import SignedInRequest
from studies.annotation import annotating
from studies.annotation.errors import NotAMask
from studies.models import Case
from studies.refusals import Refused
from studies.study_frame import frame_of


@require_POST
@login_required
def upload(request: SignedInRequest, slug: str, number: int) -> HttpResponse:
    """Take a file as the mask of an arm, or the word that the structure is absent."""
    frame = frame_of(request.user, slug, Capability.MANAGE_CASES)
    cases = Case.objects.select_related("study", "exam", "protocol")
    case = get_object_or_404(cases, study=frame.study, number=number)
    arm = next((one for one in case.protocol.content.arms if one.key == request.POST.get("arm")), None)
    if arm is None:
        messages.error(request, "Nothing was taken: choose the arm whose mask it is.")
        return redirect("study-case", slug, number)
    try:
        _take(request, case, arm.key)
    except (NotAMask, Refused) as refusal:
        messages.error(request, f"{arm.label}: {refusal}")
    else:
        messages.success(request, f"The mask is the finding of {arm.label} now.")
    return redirect("study-case", slug, number)


def _take(request: SignedInRequest, case: Case, arm: str) -> None:
    """Raises NotAMask, Refused."""
    made_by = request.POST.get("made_by", "")
    if request.POST.get("absent") == "yes":
        annotating.upload_for(case, arm, by=request.user, file=None, made_by=made_by)
        return
    file = request.FILES.get("file")
    if file is None:
        raise NotAMask("Choose a file: a DICOM SEG or a NIfTI label map. Or say that the structure is absent.")
    annotating.upload_for(case, arm, by=request.user, file=file, name=(file.name or "")[:200], made_by=made_by)
