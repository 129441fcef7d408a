"""Another run of a case whose pipeline took the wrong series: a person chooses, and says why.

The older result is superseded; when the new one is there, the case goes to QC in a new round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.timezone import now

from dicom_ingest.exam_headers import HeaderUnreadable
from dicom_ingest.models import Route, Series
from inference import chosen_series, dispatch, pipeline
from inference.chosen_series import Choice
from inference.errors import InferenceError
from inference.models import Job
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User
from studies.cases import arm_findings, case_flow
from studies.cases.case_flow import Wanted
from studies.models import Case
from studies.refusals import Refused

RUN_AGAIN = (Case.State.QC_REJECTED, Case.State.FAILED)
LONGEST_WHY = 500


@dataclass(frozen=True, kw_only=True)
class Choosable:
    """One pipeline of a case, and the series that a person may give it. takes_several: whether it runs on many."""

    pipeline: str
    series: Sequence[Series]
    takes_several: bool


def choosable(case: Case) -> list[Choosable]:
    """What may be chosen for the case. Empty while it is not one that may run again."""
    if case.state not in RUN_AGAIN or not case.study.enrols:
        return []
    series = chosen_series.choosable(case.exam)
    return [
        Choosable(pipeline=one.pipeline, series=series, takes_several=_takes_several(one.pipeline))
        for one in case_flow.wanted_of_case(case)
    ]


@transaction.atomic
def run_on(case: Case, *, name: str, series: Sequence[str], by: User, why: str) -> Job:
    """Run the case's pipeline `name`, in its frozen version, on the series of these UIDs.

    Raises Refused for a case that QC did not reject and that did not fail, without a reason, and for series that the
    pipeline cannot be given.
    """
    case = _locked(case)
    wanted = next((one for one in case_flow.wanted_of_case(case) if one.pipeline == name), None)
    _refuse(case, wanted, why)
    assert wanted is not None
    choice = Choice(series_instance_uids=tuple(series), by=by, why=why.strip())
    job = _requested(case, wanted, choice)
    Case.objects.filter(pk=case.pk).update(requested_at=now(), request_problem="")
    case_flow.settle(case.pk)
    detail = {"case": case.number, "pipeline": name, "series": list(choice.series_instance_uids), "to": job.pk}
    trail.record(Action.CASE_RUN_ON_OTHER_SERIES, **case_flow.record_of(case), detail=detail)
    return job


def _refuse(case: Case, wanted: Wanted | None, why: str) -> None:
    if not case.study.enrols:
        raise Refused(f"{case.study} is {case.study.get_stage_display().lower()}: its cases run no more.")
    if case.state not in RUN_AGAIN:
        now_is = case.get_state_display().lower()
        raise Refused(f"Case {case.number} is {now_is}. One that QC rejected, or that failed, runs again.")
    if wanted is None:
        raise Refused(f"Choose one of the pipelines that case {case.number} waits for.")
    if not why.strip():
        raise Refused("Say why the case runs on another series: it stands with its result.")
    if len(why) > LONGEST_WHY:
        raise Refused(f"Say in at most {LONGEST_WHY} characters why the case runs on another series.")
    if arm_findings.is_being_read(case):
        raise Refused(f"A reader has opened case {case.number}, so its findings no longer change.")


def _requested(case: Case, wanted: Wanted, choice: Choice) -> Job:
    called = case.study.ae_title.title
    route = Route.objects.filter(exam=case.exam, called_ae=called, completed_at__isnull=False).first()
    if route is None:
        raise Refused(f"Images of case {case.number} are still coming in. Try again when its exam is complete.")
    try:
        return dispatch.request(wanted.pipeline, route, digest=wanted.digest, choice=choice)
    except (InferenceError, HeaderUnreadable) as fault:
        raise Refused(str(fault)) from fault


def _takes_several(name: str) -> bool:
    try:
        return pipeline.load_named(name).input.take == "all"
    except InferenceError:
        return False  # asking for it says what is wrong with it


def _locked(case: Case) -> Case:
    waiting = Case.objects.select_for_update(of=("self",), no_key=True)
    return waiting.select_related("study__ae_title", "protocol", "exam").get(pk=case.pk)
