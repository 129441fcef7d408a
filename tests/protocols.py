"""Studies as tests need them: with a frozen protocol, and taking cases."""

from typing import Any

from dicom_ingest.models import AETitle, Exam
from feedback.models import Form
from studies.models import Case, Screening, Study
from studies.protocols import protocol
from studies.protocols.protocol_schema import Protocol


def open_study(
    slug: str,
    *,
    ae_title: AETitle,
    form: Form | None = None,
    stage: Study.Stage = Study.Stage.ACTIVE,
    title: str = "",
    **document: Any,
) -> Study:
    """A study in `stage`, whose readers see everything unless `document` says otherwise."""
    about: dict[str, Any] = {
        "title": title or slug.replace("-", " ").capitalize(),
        "question": "Is it right?",
        "arrival": {"ae_title": ae_title.title, "quiet_seconds": max(1, ae_title.quiet_period_seconds)},
        "blinding": {"readers": "open", "patient": "shown"},
    }
    study = protocol.begin(Protocol.model_validate(about | document), slug=slug, by=None)
    protocol.freeze(study.protocols.get(), by=None)
    study.stage, study.form = stage, form
    study.save()
    return study


def case_of(study: Study, exam: Exam, *, number: int, **fields: Any) -> Case:
    """`exam` as a case of `study`, without its having been sent there."""
    version = study.protocols.get()
    screening = Screening.objects.create(
        study=study,
        exam=exam,
        protocol=version,
        outcome=Screening.Outcome.MATCHED,
        is_pilot=fields.get("is_pilot", False),
    )
    return Case.objects.create(study=study, exam=exam, number=number, screening=screening, protocol=version, **fields)
