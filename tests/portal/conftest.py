"""Something of everything that a URL can name, in the study of the cast."""

from __future__ import annotations

from dataclasses import fields

import pytest
from django.utils.timezone import now

from dicom_ingest import rules
from dicom_ingest.models import AETitle, Exam, QuarantinedInstance, Remote, Retrieval, Route, Rule, Sending
from feedback import form_drafts
from feedback.forms import quality_form
from feedback.responses import submit
from inference.models import Job, PipelineVersion, RegisteredModel, Result
from portal.access import Role
from portal.models import User
from studies.annotation import dealing
from studies.blinding import preparation
from studies.cases import case_tables
from studies.models import Case, Membership, OutsideTable, ProtocolVersion, Read, Study
from studies.people import group_grants, invitations
from studies.quality import preparation as quality_preparation
from tests.conftest import Cast
from tests.dicom_ingest.scans import complete, mr_slice, receive
from tests.feedback.conftest import ANSWERS
from tests.portal.matrix.addresses import Values
from tests.portal.matrix.table import BESIDE_THE_CAST, TABLE


@pytest.fixture
def everybody(cast: Cast, values: Values) -> dict[str, User]:
    """The cast by name, and a member of the study for each role that the cast lacks."""
    users = {member.name: getattr(cast, member.name) for member in fields(cast)}
    for name, role in BESIDE_THE_CAST.items():
        users[name], _ = User.objects.get_or_create(username=name)
        Membership.objects.create(study=Study.objects.get(slug="brain"), user=users[name], role=role)
    return users


@pytest.fixture
def values(exam_with_everything: Result, cast: Cast) -> Values:
    """What stands in the URLs, by URL where `pk` says too little."""
    exam, job = exam_with_everything.exam, exam_with_everything.job
    series = exam.series.get()
    response = exam_with_everything.responses.get()
    quarantined = QuarantinedInstance.objects.get()
    verdict = exam.rule_verdicts.get()
    study = Study.objects.get(slug="brain")
    invitation, key = invitations.invite(study, "ada", Role.READER, by=cast.coordinator)
    grant = group_grants.grant(study, "cn=readers", Role.READER, by=cast.coordinator)
    model = RegisteredModel.objects.create(name="deepbet", version="1", digest="m", backend="torchscript")
    form_drafts.begin("Brain", by=cast.coordinator)
    read, annotation = _read(exam, cast), _annotation(exam)
    return {
        "": {
            "slug": "brain",
            "study_instance_uid": exam.study_instance_uid,
            "study": exam.study_instance_uid,
            "series": series.series_instance_uid,
            "instance": series.instances.get().sop_instance_uid,
            "frames": 1,
            "bulkdata": "00280010",
            "result_id": exam_with_everything.pk,
            "result": exam_with_everything.pk,
            "read_id": read.pk,
            "reader": cast.reader.pk,
            "job_id": job.pk,
            "model_id": model.pk,
            "key": key,
            "number": exam.cases.get().number,
            "screening": exam.screenings.get().pk,
            "table": _truth_table(cast).pk,
        },
        **_of_quality(exam.cases.get()),
        "member-withdraw": {"pk": Membership.objects.get(user=cast.reader).pk},
        "invitation-renew": {"pk": invitation.pk},
        "invitation-withdraw": {"pk": invitation.pk},
        "group-grant-withdraw": {"pk": grant.pk},
        "study-protocol-section": {"key": "about"},
        "viewer-module": {"name": "extension"},
        "api-model-detail": {"pk": model.pk},
        "api-feedback-detail": {"pk": response.pk},
        **{
            f"api-job-{name}": {"pk": job.pk}
            for name in ("detail", "retry", "cancel", "rerun", "log", "inputs", "outputs")
        },
        "api-pipeline-detail": {"pk": job.pipeline_id},
        "api-result-detail": {"pk": exam_with_everything.pk},
        **{
            name: {"pk": verdict.version.rule_id}
            for name in ("rule", "rule-activation", "rule-again", "api-rule-detail")
        },
        "api-rule-verdict-detail": {"pk": verdict.pk},
        "api-quarantine-detail": {"pk": quarantined.pk},
        "ae-title-detail": {"pk": AETitle.objects.get(title="BRAIN").pk},
        "reception-complete": {"pk": Route.objects.get().pk},
        "quarantine-retry": {"pk": quarantined.pk},
        "quarantine-discard": {"pk": quarantined.pk},
        "quarantine-download": {"pk": quarantined.pk},
        **_of_transfers(exam),
        **_of_root(read),
        **{name: {"read_id": annotation.pk} for name in TABLE if name.startswith("annotation")},
    }


def _of_root(read: Read) -> dict[str, dict[str, object]]:
    """The UIDs that the read's own DICOMweb root has given its images."""
    (shown,) = preparation.prepare(read).manifest.exams
    (series,) = shown.series
    known = {"read": read.pk, "study": shown.uid, "series": series.uid, "instance": series.instances[0].sop}
    named = [name for name in TABLE if name.startswith(("reads/<uuid:read>/dicomweb/", "read-"))]
    return {name: {**known, "frames": 1, "rest": "elsewhere"} for name in named}


def _of_quality(case: Case) -> dict[str, dict[str, object]]:
    found = quality_preparation.prepared(case)
    about = {"case": case.pk, "mark": found.mark, "name": found.addresses(case.pk)[0].rsplit("/")[-1]}
    return dict.fromkeys(("qc-case", "qc-verdict", "qc-series", "qc-picture"), about)


def _truth_table(cast: Cast) -> OutsideTable:
    study = Study.objects.get(slug="brain")
    return case_tables.upload(study, arm="", name="truth.csv", content=b"Case,class\n1,x\n", by=cast.coordinator)


def _read(exam: Exam, cast: Cast) -> Read:
    """A read of the exam, which `reader` has opened."""
    case = Case.objects.get(exam=exam)
    return Read.objects.create(
        study=case.study,
        case=case,
        reader=cast.reader,
        arms=[],
        condition="alone",
        state=Read.State.OPENED,
        opened_at=now(),
        form=quality_form(),
        protocol=case.protocol,
        position=1,
    )


def _annotation(exam: Exam) -> Read:
    """A mask of the exam, which `annotator` has begun with."""
    case = Case.objects.get(exam=exam)
    arms = [{"key": "expert", "label": "Expert", "findings": {"kind": "people", "gives": "masks"}}]
    amended = ProtocolVersion.objects.create(
        study=case.study, number=2, document={**case.protocol.document, "arms": arms}, frozen_at=now()
    )
    return Read.objects.create(
        study=case.study,
        case=case,
        reader=User.objects.create_user("annotator"),
        kind=Read.Kind.ANNOTATION,
        arms=["expert"],
        condition="expert",
        state=Read.State.OPENED,
        opened_at=now(),
        form=dealing.form(),
        protocol=amended,
        position=1,
    )


def _of_transfers(exam: Exam) -> dict[str, dict[str, object]]:
    remote = Remote.objects.create(name="PACS", ae_title="PACS", host="127.0.0.1", port=1)
    retrieval = Retrieval.objects.create(remote=remote, study_instance_uid="1.2", called_ae="BRAIN")
    sending = Sending.objects.create(remote=remote, exam=exam, study="brain")
    pages = ("sending", "sending-progress", "sending-cancel", "sending-retry")
    return {
        **{name: {"pk": remote.pk} for name in ("pacs-echo", "api-remote-detail", "api-remote-echo")},
        **{name: {"transfer_id": retrieval.pk} for name in ("retrieval-cancel", "retrieval-retry")},
        **{name: {"transfer_id": sending.pk} for name in pages},
        "api-retrieval-detail": {"pk": retrieval.pk},
        "api-sending-detail": {"pk": sending.pk},
    }


@pytest.fixture
def exam_with_everything(cast: Cast) -> Result:
    """The result of an exam with a file, which `reader` has judged; and a quarantined file beside it."""
    [instance] = receive(mr_slice(1))
    exam: Exam = complete(instance.series.exam)
    version = PipelineVersion.objects.create(name="brain-extraction", version="1", digest="d", title="B", definition={})
    job = Job.objects.create(
        pipeline=version,
        exam=exam,
        fingerprint="a",
        state=Job.State.SUCCEEDED,
        started_at=now(),
        input_series=instance.series,
    )
    result = Result.objects.create(job=job, exam=exam)
    submit(result=result, author=cast.reader, form=quality_form(), answers=ANSWERS, seconds=1.0)
    rules.save(Rule(name="MR", expression='series.Modality == "MR"', active=True), by=None)
    rules.judge_route(exam.routes.get())
    QuarantinedInstance.objects.create(reason="not-dicom", explanation="?", file_name="one.dcm", size=3)
    return result
