"""Filing one instance: its file and header under exams/, its rows in the database, in an order a kill cannot break.

The file is linked to its place before the rows are committed and leaves the spool only afterwards. Until the commit
the spool still holds it; after the commit the same link is recognised, so filing it again changes nothing.
Rows are locked in one order everywhere: the series, then the route.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from django.db.models import F
from django.utils.timezone import now

from dicom_ingest import attributes, request_attributes, store
from dicom_ingest.header import Header
from dicom_ingest.header_json import encoded_header
from dicom_ingest.models import Exam, Instance, Route, Series
from dicom_ingest.refusal import Reason, Refused

_EXAM_TEXTS = {
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
    "patient_name": "PatientName",
    "patient_sex": "PatientSex",
    "accession_number": "AccessionNumber",
    "study_id": "StudyID",
    "study_time": "StudyTime",
    "study_description": "StudyDescription",
    "referring_physician_name": "ReferringPhysicianName",
}
_SERIES_TEXTS = {
    "modality": "Modality",
    "series_description": "SeriesDescription",
    "series_time": "SeriesTime",
    "performed_procedure_step_start_time": "PerformedProcedureStepStartTime",
}


def locked_series(header: Header, *, origin: Series.Origin) -> Series:
    """The series of the instance, made if need be, and locked: nothing else joins it until the transaction ends.

    Raises Refused when its UID is taken.
    """
    exam, _ = Exam.objects.get_or_create(study_instance_uid=header.study_uid, defaults=_exam_columns(header))
    found, _ = Series.objects.get_or_create(
        series_instance_uid=header.series_uid,
        defaults={"exam": exam, "origin": origin, **_series_columns(header)},
    )
    series = Series.objects.select_for_update().get(pk=found.pk)
    if series.exam_id != exam.pk:
        raise _conflict(f"Series Instance UID {header.series_uid} already belongs to another exam.")
    if series.origin == Series.Origin.RECEIVED != origin:
        raise Refused(Reason.CONFLICT, f"Series {header.series_uid} was received; a result needs a series of its own.")
    series.exam = exam
    return series


def existing(header: Header, series: Series) -> Instance | None:
    """The instance filed under the same SOP Instance UID. Raises Refused when it is another one."""
    found = Instance.objects.filter(sop_instance_uid=header.sop_uid).first()
    if found is None:
        return None
    if found.series_id != series.pk:
        raise _conflict(f"SOP Instance UID {header.sop_uid} is already filed in another series.")
    if found.sha256 != header.sha256:
        raise _conflict(f"SOP Instance UID {header.sop_uid} is already filed with other content.")
    found.series = series
    return found


def create(header: Header, source: Path, series: Series, *, received_at: datetime) -> Instance:
    """File an instance that is not there yet, in its locked series.

    Raises OSError, and IntegrityError when its UID was taken by another series meanwhile.
    """
    _place(header, source)
    instance = Instance.objects.create(series=series, received_at=received_at, **_instance_columns(header))
    series.changed_at = now()
    series.save(update_fields=["changed_at"])
    store.metadata_path(header.study_uid, header.series_uid).unlink(missing_ok=True)
    return instance


def create_all(
    headers: Mapping[Path, Header], series: Series, *, received_at: Mapping[Path, datetime]
) -> list[Instance]:
    """File instances of one locked series of which none is there yet, by where they wait; as `create` does for one.

    Raises OSError, and IntegrityError when a UID was taken by another series meanwhile.
    """
    folder = store.series_folder(series.exam.study_instance_uid, series.series_instance_uid)
    store.durable_folder(folder)
    encoded = {}
    for source, header in headers.items():
        _link(header, source)
        encoded[store.header_path(header.study_uid, header.series_uid, header.sop_uid).name] = encoded_header(
            header.dataset, transfer_syntax_uid=header.transfer_syntax_uid
        )
    store.write_all_durably(folder, encoded)
    instances = Instance.objects.bulk_create(
        Instance(series=series, received_at=received_at[source], **_instance_columns(header))
        for source, header in headers.items()
    )
    series.changed_at = now()
    series.save(update_fields=["changed_at"])
    store.metadata_path(series.exam.study_instance_uid, series.series_instance_uid).unlink(missing_ok=True)
    return instances


def is_placed(header: Header, source: Path) -> bool:
    """Whether `source` itself, not a copy, already lies in its place under exams/."""
    target = store.instance_path(header.study_uid, header.series_uid, header.sop_uid)
    return target.exists() and target.samefile(source)


def touch_route(instance: Instance, header: Header, *, arrived_at: datetime) -> None:
    """Note that `instance` came to the called AE title; one that is new there reopens what was complete."""
    route = _locked_route(instance.series.exam, header, first_at=arrived_at)
    is_new_here = not route.instances.filter(pk=instance.pk).exists()
    if route.is_complete and not is_new_here:
        return
    _extend(route, [instance] if is_new_here else [], last_at=arrived_at)


def touch_route_anew(instances: list[Instance], header: Header, *, first_at: datetime, last_at: datetime) -> None:
    """Note that `instances`, filed just now, came to the called AE title."""
    _extend(_locked_route(instances[0].series.exam, header, first_at=first_at), instances, last_at=last_at)


def _locked_route(exam: Exam, header: Header, *, first_at: datetime) -> Route:
    Route.objects.get_or_create(
        exam=exam,
        called_ae=header.called_ae,
        defaults={"calling_ae": header.calling_ae, "first_instance_at": first_at, "last_instance_at": first_at},
    )
    return Route.objects.select_for_update().get(exam=exam, called_ae=header.called_ae)


def _extend(route: Route, instances: list[Instance], *, last_at: datetime) -> None:
    route.last_instance_at = max(route.last_instance_at, last_at)
    route.received_instances += len(instances)
    route.completed_at = None
    route.save(update_fields=["last_instance_at", "received_instances", "completed_at"])
    route.instances.add(*instances)


def count_repeat(instance: Instance) -> None:
    """Count that the same bytes arrived again."""
    Instance.objects.filter(pk=instance.pk).update(repeats=F("repeats") + 1)


def _conflict(what: str) -> Refused:
    return Refused(
        Reason.CONFLICT, f"{what} The one that came first is kept. Have the sender give new UIDs to what it changed."
    )


def _place(header: Header, source: Path) -> None:
    """Link the file to its place and write its header beside it, both to outlast a power cut."""
    store.durable_folder(store.series_folder(header.study_uid, header.series_uid))
    _link(header, source)
    encoded = encoded_header(header.dataset, transfer_syntax_uid=header.transfer_syntax_uid)
    store.write_durably(store.header_path(header.study_uid, header.series_uid, header.sop_uid), encoded)


def _link(header: Header, source: Path) -> None:
    """Link the file to its place; it outlasts a power cut once the folder is fsynced."""
    if is_placed(header, source):
        return
    target = store.instance_path(header.study_uid, header.series_uid, header.sop_uid)
    link = target.with_name(f"{target.name}.{os.getpid()}.link")
    link.unlink(missing_ok=True)
    link.hardlink_to(source)
    link.replace(target)


def _exam_columns(header: Header) -> dict[str, object]:
    return {
        **attributes.texts(header.dataset, Exam, _EXAM_TEXTS),
        "patient_birth_date": attributes.day(header.dataset, "PatientBirthDate"),
        "study_date": attributes.day(header.dataset, "StudyDate"),
    }


def _series_columns(header: Header) -> dict[str, object]:
    return {
        **attributes.texts(header.dataset, Series, _SERIES_TEXTS),
        "series_number": attributes.integer(header.dataset, "SeriesNumber"),
        "series_date": attributes.day(header.dataset, "SeriesDate"),
        "performed_procedure_step_start_date": attributes.day(header.dataset, "PerformedProcedureStepStartDate"),
        **request_attributes.columns(header.dataset),
    }


def _instance_columns(header: Header) -> dict[str, object]:
    return {
        "sop_instance_uid": header.sop_uid,
        "sop_class_uid": str(header.dataset.SOPClassUID),
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "instance_number": attributes.integer(header.dataset, "InstanceNumber"),
        "rows": attributes.size(header.dataset, "Rows"),
        "columns": attributes.size(header.dataset, "Columns"),
        "number_of_frames": attributes.size(header.dataset, "NumberOfFrames") or 1,
        "frames": [frame.column for frame in header.frames],
        "sha256": header.sha256,
        "size": header.size,
    }
