"""What keeps a study from its next stage, in words, each with the place where it is mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from pydantic import ValidationError

from portal.access import Role
from studies import designs
from studies.models import Membership, Study, TruthVersion
from studies.protocol_models import ProtocolVersion
from studies.protocols import arrival, installed_pipelines, protocol, protocol_forms
from studies.protocols.protocol_schema import PeopleFindings, Protocol, TableFindings

Stage = Study.Stage
AGAINST_TRUTH = frozenset({"sensitivity", "specificity", "auc"})
"""Endpoints that are nothing without a reference standard."""


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """One thing that is missing. `page` is the name of the page that mends it, `section` the part of the protocol's."""

    sentence: str
    page: str = "study-protocol"
    section: str = ""

    def url(self, study: Study) -> str:
        """Where it is mended; the study's own page where this installation has no other."""
        try:
            address = reverse(self.page, args=[study.slug])
        except NoReverseMatch:
            return reverse("study", args=[study.slug])
        return f"{address}#{self.section}" if self.section else address


def obstacles(study: Study, to: Stage) -> list[Obstacle]:
    """What must be mended before the study may go to the stage `to`. `stages` knows which follow which."""
    if to == Stage.LOCKED:
        return list(_before_locking(study))
    if to == Stage.CLOSED:
        return list(_before_closing(study))
    version = protocol.draft(study) or protocol.current(study)
    try:
        content = version.content
    except ValidationError as fault:
        return [_unreadable(error["loc"], error["msg"]) for error in fault.errors()]
    found = [*_of_arrival(study, content), *_of_pipelines(content), *_of_arms(content), *_of_forms(content)]
    found += [*_of_people(study, content), *_of_reference(content), *_of_blinding(content)]
    if to == Stage.ACTIVE:
        found += _of_claims(content)
    return found


def _unreadable(location: tuple[int | str, ...], message: str) -> Obstacle:
    section = {"criteria": "arrival", "arms": "arms", "pipelines": "arms"}.get(str(location[0]) if location else "", "")
    place = " ".join(str(part + 1 if isinstance(part, int) else part) for part in location) or "The protocol"
    return Obstacle(sentence=f"{place}: {message.removeprefix('Value error, ')}.", section=section)


def _of_arrival(study: Study, content: Protocol) -> Iterator[Obstacle]:
    title = content.arrival.ae_title
    other = arrival.owner(title)
    if other is not None and other.pk != study.pk:
        yield Obstacle(
            sentence=f"The AE title {title} is already that of another study. Choose one of its own.", section="arrival"
        )
    if Study.objects.filter(priors_ae_title__title=title).exists():
        yield Obstacle(
            sentence=f"Fetched priors come to the AE title {title}, and would become cases. Choose another.",
            section="arrival",
        )
    if arrival.is_switched_off(title, study):
        yield Obstacle(
            sentence=f"The AE title {title} is switched off. Have an administrator switch it on, or choose another.",
            section="arrival",
        )


def _of_pipelines(content: Protocol) -> Iterator[Obstacle]:
    known = installed_pipelines.installed()
    for one in content.pipelines:
        found = known.get(one.name)
        if found is None:
            yield Obstacle(
                sentence=f'The pipeline "{one.name}" is not installed here. Install it, or choose another.',
                section="arms",
            )
        elif one.digest and one.digest != found.digest:
            yield Obstacle(
                sentence=f'The pipeline "{one.name}" is installed in another version ({found.digest[:12]}) than the '
                f"protocol names ({one.digest[:12]}). Install that one, or take the installed one.",
                section="arms",
            )
        for model in installed_pipelines.retired_models(one.name):
            yield Obstacle(
                sentence=f'The pipeline "{one.name}" uses model {model}, which is retired. Choose another pipeline.',
                section="arms",
            )


def _of_arms(content: Protocol) -> Iterator[Obstacle]:
    if not content.is_read and not content.arms:
        yield Obstacle(sentence="No arm is judged yet: say who makes the findings.", section="arms")
    shown = designs.arms_shown(content.design, {arm.key: arm for arm in content.arms})
    for arm in content.arms:
        if isinstance(arm.findings, TableFindings) and not arm.findings.columns:
            yield Obstacle(
                sentence=f'The arm "{arm.label}" has no findings: name the columns of its table.', section="arms"
            )
        if arm.is_answered and arm.key in shown:
            yield Obstacle(
                sentence=f'Readers are shown the findings of the arm "{arm.label}": let its people give masks.',
                section="arms",
            )
    used = content.pipelines_of_arms
    for one in content.pipelines:
        if one.name not in used:
            yield Obstacle(
                sentence=f'No arm has its findings from the pipeline "{one.name}". Name it in an arm, or take it out.',
                section="arms",
            )


def _of_forms(content: Protocol) -> Iterator[Obstacle]:
    for form in content.forms:
        if fault := protocol_forms.problem(form):
            yield Obstacle(sentence=f'The form "{form["name"]}" cannot be asked. {fault}', section="forms")
    asked = {key for form in content.forms for key in protocol_forms.questions(form)}
    named = [(f'The endpoint "{one.label}"', "endpoints", one.question) for one in content.endpoints if one.question]
    if content.disagreement:
        named.append(("What counts as disagreement", "design", content.disagreement.question))
    for what, section, question in named:
        if question not in asked:
            yield Obstacle(
                sentence=f'{what} looks at the question "{question}", which none of the forms asks.', section=section
            )


def _of_people(study: Study, content: Protocol) -> Iterator[Obstacle]:
    members = Membership.objects.in_force().filter(study=study)
    held = set(members.values_list("role", flat=True))
    reading = set(members.filter(role=Role.READER).values_list("reader_role", flat=True))
    labels = {one.key: one.label for one in content.reader_roles}
    if content.is_read and Role.READER not in held:
        yield _missing("Nobody reads yet: invite readers.")
    for role in sorted({*content.design.roles_named, *_roles_of_arms(content)} - {""} - reading):
        yield _missing(f'No reader has the role "{labels.get(role, role)}". Invite one, or give it to one.')
    if content.quality_control.required and Role.QC_REVIEWER not in held:
        yield _missing("Cases are checked before they are read, but there is no QC reviewer. Invite one.")
    if content.disagreement and Role.ADJUDICATOR not in held:
        yield _missing("Disagreement is adjudicated, but there is no adjudicator. Invite one.")
    if content.reference.source == "panel" and Role.ADJUDICATOR not in held:
        yield _missing("A panel decides the truth, but there is no adjudicator to write it down. Invite one.")


def _roles_of_arms(content: Protocol) -> list[str]:
    """Of readers: annotators' masks may also be uploaded for them, so that nobody need be there."""
    findings = [arm.findings for arm in content.arms if arm.is_answered]
    return [one.reader_role for one in findings if isinstance(one, PeopleFindings)]


def _missing(sentence: str) -> Obstacle:
    return Obstacle(sentence=sentence, page="study-members")


def _of_reference(content: Protocol) -> Iterator[Obstacle]:
    reference = content.reference
    if reference.source == "none":
        if content.design.kind == "standalone":
            yield Obstacle(
                sentence="Findings are judged against a reference standard, and there is none.", section="reference"
            )
        for one in content.endpoints:
            if one.measure in AGAINST_TRUTH:
                yield Obstacle(
                    sentence=f'The endpoint "{one.label}" needs a reference standard, and there is none.',
                    section="reference",
                )
    elif not reference.answers and not reference.form:
        yield Obstacle(sentence="Name what the truth of a case says: its answers or its form.", section="reference")
    if reference.source == "panel" and not reference.form:
        yield Obstacle(sentence="The panel has no form to answer. Choose one.", section="reference")


def _of_blinding(content: Protocol) -> Iterator[Obstacle]:
    if content.is_read and content.blinding.readers == "blinded" and not settings.OVERREAD_BLINDING_KEY:
        yield Obstacle(
            sentence="This portal has no key to blind reads with. Have an administrator set OVERREAD_BLINDING_KEY.",
            section="blinding",
        )
    if content.worklist.order == "urgent-first" and content.blinding.readers == "blinded":
        yield Obstacle(
            sentence="Urgent reads come first, which tells blinded readers what the AI found. Have reads come as "
            "drawn, or open the readers.",
            section="design",
        )


def _of_claims(content: Protocol) -> Iterator[Obstacle]:
    if not content.question:
        yield Obstacle(sentence="The question that the study answers is not written.", section="about")
    if not content.irb_number:
        yield Obstacle(
            sentence='The IRB number is missing. Where the board exempted the study, write "exempt" and its reference.',
            section="about",
        )
    if not any(one.is_primary for one in content.endpoints):
        yield Obstacle(sentence="No endpoint is the primary one.", section="endpoints")
    if not content.sample_size.cases:
        yield Obstacle(sentence="How many cases are to be enrolled is not said.", section="endpoints")


def _before_locking(study: Study) -> Iterator[Obstacle]:
    if protocol.draft(study) is not None:
        yield Obstacle(sentence="An amendment is being written. Put it in force, or discard it.")


def _before_closing(study: Study) -> Iterator[Obstacle]:
    version: ProtocolVersion = protocol.current(study)
    locked = TruthVersion.objects.filter(study=study, locked_at__isnull=False).exists()
    if version.content.reference.source != "none" and not locked:
        yield Obstacle(sentence="The reference standard is not locked yet.", page="study-truth")
