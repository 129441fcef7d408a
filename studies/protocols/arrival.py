"""The AE title of a study: held while its protocol is a draft, open once it is frozen."""

from __future__ import annotations

from dicom_ingest.models import AETitle, Route
from studies.models import Study
from studies.protocols.protocol_schema import Arrival
from studies.refusals import ProtocolRefused

_OURS = "Exams of the study {slug}"
_HELD = "STUDY-"
"""With a number: stands in for an AE title that is another study's, and takes no exams."""


def reserve(wanted: Arrival, *, slug: str) -> AETitle:
    """The AE title of a new study: the one wanted, made closed where there is none; a stand-in if it is taken."""
    found = AETitle.objects.filter(title=wanted.ae_title).first()
    if found is None:
        return _make(wanted.ae_title, wanted, slug=slug)
    return found if owner(found.title) is None else _make(_free(), wanted, slug=slug)


def move(study: Study, wanted: Arrival) -> None:
    """Let the draft's study have the AE title it now wants, unless it is another study's: then it keeps what it has."""
    held = study.ae_title
    if held.title == wanted.ae_title or owner(wanted.ae_title) is not None:
        return
    study.ae_title = AETitle.objects.filter(title=wanted.ae_title).first() or _make(
        wanted.ae_title, wanted, slug=study.slug
    )
    study.save(update_fields=["ae_title"])
    if _is_our_own(held, study):
        held.delete()


def open_for(study: Study, wanted: Arrival) -> None:
    """Give the study the AE title of its frozen protocol, let it take exams, and keep its quiet period.

    Raises ProtocolRefused when it is another study's.
    """
    move(study, wanted)
    if study.ae_title.title != wanted.ae_title:
        raise ProtocolRefused(f"The AE title {wanted.ae_title} is that of another study. Choose one of its own.")
    ours = {"active": True} if study.ae_title.description == _OURS.format(slug=study.slug) else {}
    AETitle.objects.filter(pk=study.ae_title_id).update(quiet_period_seconds=wanted.quiet_seconds, **ours)


def owner(title: str) -> Study | None:
    """The study whose AE title it is."""
    return Study.objects.filter(ae_title__title=title).first()


def is_switched_off(title: str, study: Study) -> bool:
    """Whether an administrator lets nothing come by it. One that is held for the study's draft is not meant."""
    closed = AETitle.objects.filter(title=title, active=False)
    return closed.exclude(description=_OURS.format(slug=study.slug)).exists()


def _make(title: str, wanted: Arrival, *, slug: str) -> AETitle:
    return AETitle.objects.create(
        title=title,
        description=_OURS.format(slug=slug),
        quiet_period_seconds=wanted.quiet_seconds,
        active=False,
    )


def _free() -> str:
    taken = set(AETitle.objects.filter(title__startswith=_HELD).values_list("title", flat=True))
    return next(title for number in range(1, len(taken) + 2) if (title := f"{_HELD}{number}") not in taken)


def _is_our_own(held: AETitle, study: Study) -> bool:
    """Made for this draft alone, and nothing ever came by it."""
    made_here = held.description == _OURS.format(slug=study.slug) and not held.active and not held.pipeline
    return made_here and not Route.objects.filter(called_ae=held.title).exists()
