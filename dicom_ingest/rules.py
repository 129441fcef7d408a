"""Rules are saved with their versions, judged when an exam completes, and judged again when they were mended."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.timezone import now

from dicom_ingest import judging
from dicom_ingest.exam_headers import HeaderUnreadable, headers_of
from dicom_ingest.judging import Candidate, Judgement
from dicom_ingest.models import Route
from dicom_ingest.rule_models import CONTENT, Rule, RuleVerdict, RuleVersion
from portal.audit import trail
from portal.audit.actions import Action
from portal.models import User


@transaction.atomic
def save(rule: Rule, *, by: User | None) -> Rule:
    """Check and store the rule; a change of what it says is a new version. Raises ValidationError.

    Activating it starts its counts anew.
    """
    rule.full_clean()
    before = Rule.objects.select_for_update().filter(pk=rule.pk).first()
    changed = before is None or not rule.says_the_same_as(before)
    rule.version = (before.version if before else 0) + changed
    rule.activated_at = _activated_at(rule, before)
    rule.save()
    if changed:
        content = {field: getattr(rule, field) for field in CONTENT}
        RuleVersion.objects.create(rule=rule, number=rule.version, created_by=by, **content)
        trail.record(Action.RULE_WRITTEN, of=_key_of(rule), detail={"version": rule.version})
    if rule.active != bool(before and before.active):
        _note_activation(rule)
    return rule


@transaction.atomic
def deactivate(rule: Rule) -> None:
    """Ask the rule no more, whatever may be wrong with it by now."""
    if Rule.objects.filter(pk=rule.pk, active=True).update(active=False, activated_at=None):
        rule.active = False
        _note_activation(rule)


def judge_route(route: Route) -> list[RuleVerdict]:
    """Ask every active rule that applies to the exam as it completed on `route`, and keep what each says.

    A route that has not completed is not judged.
    """
    completed_at = route.completed_at
    if completed_at is None:
        return []
    active = [rule for rule in Rule.objects.filter(active=True) if rule.applies_to(route.called_ae)]
    if not active:
        return []
    among = _candidates(route)
    return [_keep(rule.current_version, route, completed_at, _judge(rule, among)) for rule in active]


def judge_again(rule: Rule) -> int:
    """Let the exams that the rule could not decide be judged once more; return how many routes that are."""
    undecided = RuleVerdict.objects.needing_attention().filter(version__rule=rule)
    routes = Route.objects.filter(pk__in=undecided.values("route"), completed_at__isnull=False)
    with transaction.atomic():
        count = routes.update(dispatched_at=None)
        trail.record(Action.EXAMS_JUDGED_AGAIN, of=_key_of(rule), detail={"count": count})
    return count


def _note_activation(rule: Rule) -> None:
    action = Action.RULE_ACTIVATED if rule.active else Action.RULE_DEACTIVATED
    trail.record(action, of=_key_of(rule), detail={"version": rule.version})


def _key_of(rule: Rule) -> str:
    return f"rule:{rule.pk}"


def _activated_at(rule: Rule, before: Rule | None) -> datetime | None:
    if not rule.active:
        return None
    return before.activated_at if before and before.active else now()


def _candidates(route: Route) -> list[Candidate] | HeaderUnreadable:
    try:
        headers = headers_of(route.exam)
    except HeaderUnreadable as fault:
        return fault
    return judging.candidates(headers, called_ae=route.called_ae, calling_ae=route.calling_ae)


def _judge(rule: Rule, among: list[Candidate] | HeaderUnreadable) -> Judgement:
    if isinstance(among, HeaderUnreadable):
        return Judgement(RuleVerdict.Outcome.ERROR, str(among))
    return judging.judge(rule.expression, among)


def _keep(version: RuleVersion, route: Route, completed_at: datetime, judgement: Judgement) -> RuleVerdict:
    RuleVerdict.objects.filter(version__rule=version.rule, route=route).update(is_latest=False)
    verdict, _ = RuleVerdict.objects.update_or_create(
        version=version,
        route=route,
        completed_at=completed_at,
        defaults={
            "exam": route.exam,
            "judged_at": now(),
            "is_latest": True,
            "outcome": judgement.outcome,
            "explanation": judgement.explanation,
        },
    )
    return verdict
