"""The queue of QC: one case fills the page, a key judges it, and the next one is there."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from portal.signed_in import SignedInRequest
from studies.cases import qc
from studies.models import Case, QCReview
from studies.quality import manifest, other_series, preparation, queue, sitting, spread
from studies.quality.case_view import QualityCase, view_of
from studies.refusals import Refused

MOST_SKIPPED = 200
LATELY = 8
Verdict = QCReview.Verdict
AFTER = {
    Case.State.AWAITING_QC: " It waits for another reviewer.",
    Case.State.QC_REJECTED: " U leads back, to run it on another series too.",
}
"""What is said besides, by where the verdict left the case."""


@dataclass(frozen=True, kw_only=True)
class QueueView:
    """Where a reviewer is in the queue. skipped: primary keys of cases, as the page hands them on."""

    view: QualityCase | None
    waiting: int
    urgent: int
    skipped: tuple[int, ...]
    next_pictures: tuple[str, ...]
    last: QCReview | None
    disputed: list[Case]
    lately: list[QCReview]

    @property
    def skipped_text(self) -> str:
        return ",".join(map(str, self.skipped))

    @property
    def skipping_text(self) -> str:
        """The same with the case that is shown."""
        here = [self.view.case.pk] if self.view else []
        return ",".join(map(str, [*self.skipped, *here][-MOST_SKIPPED:]))


@require_safe
@login_required
def queue_page(request: SignedInRequest) -> HttpResponse:
    """The case whose turn it is."""
    _refuse_strangers(request.user)
    if request.GET.get("poll") and not queue.waiting_for(request.user).exists():
        return HttpResponse(status=204)
    return _answer(request, skipped=_numbers(request.GET.get("skip", "")))


@require_safe
@login_required
def case_page(request: SignedInRequest, case: int) -> HttpResponse:
    """One case out of its turn: to change a verdict, or to run it on another series."""
    found = get_object_or_404(queue.cases_of(request.user), pk=case)
    return _answer(request, skipped=_numbers(request.GET.get("skip", "")), case=found)


@require_POST
@login_required
def give_verdict(request: SignedInRequest, case: int) -> HttpResponse:
    """Keep a verdict, and go on with the next case; the case again where it was refused."""
    found = get_object_or_404(queue.cases_of(request.user), pk=case)
    skipped = _numbers(request.POST.get("skip", ""))
    given = request.POST.get("verdict", "")
    try:
        kept = _kept(request, found, given)
    except Refused as refusal:
        still_here = queue.waiting_for(request.user).filter(pk=case).exists()
        return _done(request, said=str(refusal), is_wrong=True, skipped=skipped, case=found if still_here else None)
    return _done(request, said=_said(kept), is_wrong=False, skipped=skipped)


@require_POST
@login_required
def run_on_series(request: SignedInRequest, case: int) -> HttpResponse:
    """Run a rejected case on other series."""
    found = get_object_or_404(queue.cases_of(request.user), pk=case)
    name, series = request.POST.get("pipeline", ""), request.POST.getlist("series")
    try:
        other_series.run_on(found, name=name, series=series, by=request.user, why=request.POST.get("why", ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("qc-case", case)
    messages.success(
        request, f"Case {found.number} is processed again on the series that you chose. It comes back here."
    )
    return redirect("qc")


@require_safe
@login_required
def picture(request: SignedInRequest, case: int, mark: str, name: str) -> FileResponse:
    """One picture of a case. Its address always means the same picture, so the reviewer's browser may keep it."""
    path = manifest.picture(case, mark, name)
    if path is None or not queue.cases_of(request.user).filter(pk=case).exists():
        raise Http404
    response = FileResponse(path.open("rb"), content_type="image/webp")
    response["Cache-Control"] = "private, max-age=3600, immutable"
    return response


def _kept(request: SignedInRequest, case: Case, given: str) -> QCReview:
    if given not in Verdict.values:
        raise Refused("Accept the case, or reject it with a reason.")
    look = sitting.end(request.POST.get("sitting", ""), case, by=request.user, active=request.POST.get("active", ""))
    reason, note = request.POST.get("reason", ""), request.POST.get("note", "")[:1000]
    return qc.review(case, Verdict(given), by=request.user, reason=reason, note=note, look=look)


def _said(review: QCReview) -> str:
    case = Case.objects.select_related("study").get(pk=review.case_id)
    what = "accepted" if review.verdict == Verdict.ACCEPT else f"rejected: {review.reason}"
    return f"Case {case.number} of {case.study}: {what}.{AFTER.get(Case.State(case.state), '')}"


def _done(
    request: SignedInRequest, *, said: str, is_wrong: bool, skipped: tuple[int, ...], case: Case | None = None
) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return _answer(request, skipped=skipped, case=case, said=said, is_wrong=is_wrong)
    (messages.error if is_wrong else messages.success)(request, said)
    return redirect("qc")


def _answer(
    request: SignedInRequest,
    *,
    skipped: tuple[int, ...],
    case: Case | None = None,
    said: str = "",
    is_wrong: bool = False,
) -> HttpResponse:
    place = _place(request.user, skipped=skipped, case=case)
    if place.view is not None:
        exam = place.view.case.exam.study_instance_uid
        trail.record(Action.EXAM_VIEWED, of=exam, study=place.view.case.study.slug, detail={"page": "qc"})
        spread.show(place.view.case, request.user)
    template = "studies/quality/_case.html" if request.headers.get("HX-Request") else "studies/quality/queue.html"
    return render(request, template, {"place": place, "view": place.view, "said": said, "is_wrong": is_wrong})


def _place(user: User, *, skipped: tuple[int, ...], case: Case | None) -> QueueView:
    coming = queue.next_of(user, skipped=[*skipped, case.pk] if case else skipped)
    shown = case or next(iter(coming), None)
    after = next((one for one in coming if shown is None or one.pk != shown.pk), None)
    counts = queue.waiting(user)
    following = preparation.ready(after) if after else None
    return QueueView(
        view=view_of(shown, by=user) if shown else None,
        waiting=counts.count if counts else 0,
        urgent=counts.urgent if counts else 0,
        skipped=skipped,
        next_pictures=tuple(following.addresses(after.pk)) if following and after else (),
        last=_given(user).first(),
        disputed=list(queue.disputed_by(user)[:LATELY]) if shown is None else [],
        lately=list(_given(user)[:LATELY]) if shown is None else [],
    )


def _given(user: User) -> QuerySet[QCReview]:
    """The newest verdicts of `user` in studies that they still check."""
    mine = QCReview.objects.filter(reviewer=user, case__study__in=queue.studies_of(user))
    return mine.select_related("case__study").order_by("-reviewed_at", "-pk")


def _numbers(text: str) -> tuple[int, ...]:
    """Primary keys from an address; what is none is left out."""
    found = [int(one) for one in text.split(",") if one.isascii() and one.isdigit() and len(one) < 10]
    return tuple(dict.fromkeys(found))[-MOST_SKIPPED:]


def _refuse_strangers(user: User) -> None:
    """Raises Http404 for who checks no cases, so that nobody learns of what there is."""
    if not queue.reviews(user):
        raise Http404
