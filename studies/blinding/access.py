"""Who may look at a read's images, and when: its reader alone, while it may be answered or looked at again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.timezone import now

from dicom_ingest.dicomweb import decisions
from dicom_ingest.dicomweb.refusals import NotThere, Refusal
from dicom_ingest.dicomweb.scope import Target
from portal.models import User
from studies.blinding import manifest, preparation
from studies.blinding.errors import Unshowable
from studies.blinding.manifest import Prepared, ShownInstance, ShownSeries
from studies.blinding.stored import BlindedInstance, stored, whole
from studies.models import Read, Study
from studies.reading import reads

log = logging.getLogger(__name__)


class CannotBeShown(Refusal):
    """The case cannot be shown blind. A reader is told no more: the reason may name arms."""

    status = 409

    def __init__(self) -> None:
        super().__init__("These images cannot be shown. The study's coordinator finds the reason on the case's page.")


@dataclass(frozen=True)
class ReadScope:
    """What one read shows: the objects of its manifest, by the UIDs that it gave them."""

    read: Prepared

    def find_series(self, target: Target) -> ShownSeries:
        """The series. Raises NotThere."""
        found = self.read.series(target.study, target.series)
        if found is None:
            raise NotThere
        return found

    def find(self, target: Target) -> ShownInstance:
        """The instance as the manifest has it. Raises NotThere."""
        found = self.read.instance(target.study, target.series, target.instance)
        if found is None:
            raise NotThere
        return found

    def find_instance(self, target: Target) -> BlindedInstance:
        """The instance with its pixels where they lie. Its file says who the patient is: only frames may be sent of it.

        Raises NotThere.
        """
        return stored(target, self.find(target))


@dataclass(frozen=True)
class WholeInstances:
    """The same instances, each as a file that is blinded itself."""

    scope: ReadScope

    def find_instance(self, target: Target) -> BlindedInstance:
        """The instance. Raises NotThere."""
        return whole(self.scope.read, target, self.scope.find(target))


def scope_of(user: User, root: Mapping[str, str], /) -> ReadScope:
    """What `user` may see of the read that the root's URL names.

    Decided once in OVERREAD_DECISION_SECONDS, as all access over DICOMweb is.
    Raises NotThere for whoever may not, so that nobody learns which reads there are; CannotBeShown.
    """
    remembered = decisions.key("read", user.pk, root["read"])
    folder: str | None = decisions.recall(remembered).get(remembered)
    if folder is not None:
        try:
            return ReadScope(manifest.load(Path(folder)))
        except FileNotFoundError:  # tidied away meanwhile
            pass
    prepared = _prepared(viewable(user).filter(pk=root["read"]).first())
    decisions.keep({remembered: str(prepared.folder)})
    return ReadScope(prepared)


def viewable(user: User) -> QuerySet[Read]:
    """The reads that `user` may look at now.

    They are the user's own, in a study that is being read and in which the user still reads; not before what must come
    before, nor within a washout; from their being opened on, which locks the answer that they follow; and once
    submitted, only as long as no other read of the case waits for the user.
    """
    ready = Q(after=None) | Q(after__state=Read.State.SUBMITTED)
    waited = Q(not_before=None) | Q(not_before__lte=now())
    stage = Q(study__stage=Study.Stage.PILOT, is_pilot=True) | Q(study__stage=Study.Stage.ACTIVE, is_pilot=False)
    others = Read.objects.filter(reader=user, case=OuterRef("case"), state__in=Read.OPEN)
    done = Q(state=Read.State.SUBMITTED) & ~Exists(others)
    return (
        reads.mine(user)
        .filter(ready, waited, stage, Q(state=Read.State.OPENED) | done)
        .select_related("study", "case__exam", "protocol")
    )


def _prepared(read: Read | None) -> Prepared:
    if read is None:
        raise NotThere
    try:
        return preparation.prepare(read)
    except Unshowable as reason:
        log.warning("Read %s cannot be shown: %s", read.pk, reason)
        raise CannotBeShown from reason
