"""A study's protocol: begun, kept in versions, frozen. These services alone write a study's protocol."""

from __future__ import annotations

import hashlib

import yaml
from django.db import transaction
from django.utils.timezone import now

from dicom_ingest.models import AETitle
from portal.models import User
from studies.models import ProtocolVersion, Study
from studies.protocol_schema import Protocol


def to_yaml(protocol: Protocol) -> str:
    """The one way in which a protocol is written: every field, in the schema's order."""
    text: str = yaml.safe_dump(protocol.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)
    return text


def digest_of(protocol: Protocol) -> str:
    """SHA-256 of the YAML."""
    return hashlib.sha256(to_yaml(protocol).encode()).hexdigest()


@transaction.atomic
def begin(protocol: Protocol, *, slug: str, by: User | None) -> Study:
    """A new study in draft. Its AE title is made where it is not there yet."""
    ae_title, _ = AETitle.objects.get_or_create(
        title=protocol.arrival.ae_title, defaults={"quiet_period_seconds": protocol.arrival.quiet_seconds}
    )
    study = Study.objects.create(
        slug=slug,
        title=protocol.title,
        question=protocol.question,
        ae_title=ae_title,
        readers_are_blinded=protocol.blinding.readers == "blinded",
    )
    ProtocolVersion.objects.create(
        study=study, number=1, document=protocol.model_dump(mode="json"), digest=digest_of(protocol), made_by=by
    )
    return study


@transaction.atomic
def freeze(version: ProtocolVersion, *, by: User | None) -> None:
    """Make the version final: what comes from now on names it, and nobody changes it."""
    version.frozen_at, version.frozen_by = now(), by
    version.save(update_fields=["frozen_at", "frozen_by"])
