"""A study's protocol: begun, kept in versions, frozen, amended. These services alone write a study's protocol."""

from __future__ import annotations

import re

from django.db import transaction
from django.utils.timezone import now

from portal.access import Role
from portal.audit import trail
from portal.audit.trail import Action
from portal.models import User
from studies.models import Membership, ProtocolVersion, Study
from studies.protocols import arrival, installed_pipelines, protocol_forms
from studies.protocols.protocol_document import Document, digest_of, document_of
from studies.protocols.protocol_schema import FrozenPipeline, Protocol
from studies.refusals import ProtocolRefused

RESERVED = frozenset({"new"})
"""Words that stand in addresses where a study's short name stands."""
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_AMENDABLE = (Study.Stage.PILOT, Study.Stage.ACTIVE)


@transaction.atomic
def begin(protocol: Protocol, *, slug: str, by: User | None) -> Study:
    """A new study in draft, with `by` as its coordinator. Its AE title takes no exams before the protocol freezes.

    Raises ProtocolRefused when the short name cannot be used.
    """
    _refuse_slug(slug)
    study = Study.objects.create(
        slug=slug,
        title=protocol.title,
        question=protocol.question,
        ae_title=arrival.reserve(protocol.arrival, slug=slug),
        readers_are_blinded=protocol.blinding.readers == "blinded",
    )
    document = document_of(protocol)
    ProtocolVersion.objects.create(study=study, number=1, document=document, digest=digest_of(document), made_by=by)
    if by is not None:
        Membership.objects.create(study=study, user=by, role=Role.COORDINATOR)
    trail.record(Action.STUDY_BEGUN, of=slug, study=slug, detail={"ae_title": study.ae_title.title})
    return study


def in_force(study: Study) -> ProtocolVersion | None:
    """The newest frozen version: what comes now is judged by it."""
    return study.protocols.filter(frozen_at__isnull=False).first()


def draft(study: Study) -> ProtocolVersion | None:
    """The version that is being written, if one is."""
    return study.protocols.filter(frozen_at=None).first()


def current(study: Study) -> ProtocolVersion:
    """The newest frozen version, or in a study that has none the draft."""
    return in_force(study) or study.protocols.get()


@transaction.atomic
def save(version: ProtocolVersion, protocol: Protocol, *, by: User | None) -> ProtocolVersion:
    """Write the draft `version`. Raises ProtocolRefused when it is frozen."""
    kept = _locked_draft(version)
    before, kept.document = kept.document, document_of(protocol)
    kept.digest, kept.made_by = digest_of(kept.document), by or kept.made_by
    kept.save(update_fields=["document", "digest", "made_by"])
    if in_force(kept.study) is None:
        arrival.move(kept.study, protocol.arrival)
        _project(kept.study, protocol)
    _record(Action.PROTOCOL_WRITTEN, kept, fields=_differing(before, kept.document))
    return kept


@transaction.atomic
def freeze(version: ProtocolVersion, *, by: User | None) -> ProtocolVersion:
    """Make the version final: what comes from now on names it, and nobody changes it.

    Pipelines that it names without a digest are pinned to the installed ones, and its forms become versions of their
    own. Raises ProtocolRefused when it is frozen already, when its AE title is another study's, or when a form of it
    cannot be asked.
    """
    kept = _locked_draft(version)
    protocol = _with_digests(kept.content)
    forms = protocol_forms.register(protocol)
    kept.forms.set(forms.values())
    kept.document = document_of(protocol)
    kept.digest, kept.frozen_at, kept.frozen_by = digest_of(kept.document), now(), by
    kept.save(update_fields=["document", "digest", "frozen_at", "frozen_by"])
    arrival.open_for(kept.study, protocol.arrival)
    _project(kept.study, protocol)
    if answered := next((forms[name] for name in (*protocol.design.forms_named, *forms)), None):
        Study.objects.filter(pk=kept.study_id).update(form=answered)
    _record(Action.PROTOCOL_FROZEN, kept, digest=kept.digest)
    return _told(version, kept)


@transaction.atomic
def amend(study: Study, *, reason: str, by: User | None, protocol: Protocol | None = None) -> ProtocolVersion:
    """A new draft version of a frozen protocol: as `protocol` says, or the same as before, to be edited.

    It changes nothing until it is frozen. Raises ProtocolRefused without a reason, when a draft is there already, or
    in a stage that has nothing to amend.
    """
    kept = Study.objects.select_for_update().get(pk=study.pk)
    before = in_force(kept)
    if before is None or kept.stage not in _AMENDABLE:
        raise ProtocolRefused(f"In the stage {kept.get_stage_display().lower()} a protocol is not amended.")
    if not reason.strip():
        raise ProtocolRefused("Say why the protocol changes: those who inspect the study will ask.")
    if draft(kept) is not None:
        raise ProtocolRefused("There is an amendment already that is not yet in force. Go on with it, or discard it.")
    document = document_of(protocol) if protocol else before.document
    version = ProtocolVersion.objects.create(
        study=kept,
        number=before.number + 1,
        document=document,
        digest=digest_of(document),
        reason=reason.strip(),
        made_by=by,
    )
    _record(Action.PROTOCOL_AMENDED, version)
    return version


@transaction.atomic
def discard_draft(study: Study) -> None:
    """Drop the amendment that is being written. Raises ProtocolRefused when there is none."""
    Study.objects.select_for_update().get(pk=study.pk)
    written = draft(study)
    if written is None or in_force(study) is None:
        raise ProtocolRefused("There is no amendment to discard. A study in draft keeps its protocol.")
    _record(Action.AMENDMENT_DISCARDED, written)
    written.delete()


def _record(action: Action, version: ProtocolVersion, **detail: object) -> None:
    slug = version.study.slug
    trail.record(action, of=f"{slug}:{version.number}", study=slug, detail={"version": version.number, **detail})


def _differing(before: Document, after: Document) -> list[str]:
    return [name for name in after if before.get(name) != after[name]]


def _locked_draft(version: ProtocolVersion) -> ProtocolVersion:
    kept = ProtocolVersion.objects.select_for_update(of=("self",)).select_related("study").get(pk=version.pk)
    if kept.is_frozen:
        raise ProtocolRefused(f"Version {kept.number} of the protocol is frozen. Amend it: that makes a new version.")
    return kept


def _with_digests(protocol: Protocol) -> Protocol:
    known = installed_pipelines.installed()
    pinned = tuple(
        one if one.digest or one.name not in known else FrozenPipeline(name=one.name, digest=known[one.name].digest)
        for one in protocol.pipelines
    )
    return protocol.model_copy(update={"pipelines": pinned})


def _project(study: Study, protocol: Protocol) -> None:
    """Keep beside the study what lists and conditions in SQL ask of its protocol."""
    Study.objects.filter(pk=study.pk).update(
        title=protocol.title,
        question=protocol.question,
        readers_are_blinded=protocol.blinding.readers == "blinded",
    )


def _told(version: ProtocolVersion, kept: ProtocolVersion) -> ProtocolVersion:
    """What the caller holds says the same as what was written."""
    version.__dict__.pop("content", None)
    for name in ("document", "digest", "frozen_at", "frozen_by"):
        setattr(version, name, getattr(kept, name))
    return kept


def _refuse_slug(slug: str) -> None:
    if not _SLUG.fullmatch(slug) or slug in RESERVED or len(slug) > 100:
        raise ProtocolRefused(
            f'"{slug}" cannot be a short name: small letters, digits and single hyphens between them.'
        )
    if Study.objects.filter(slug=slug).exists():
        raise ProtocolRefused(f'There is a study "{slug}" already. Choose another short name.')
