"""Every URL of the portal, asked for by everybody. One that the table lacks fails the test: declare who may use it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Literal

import pytest
from django.core.cache import cache
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.timezone import now

from dicom_ingest import rules, store
from dicom_ingest.models import AETitle, Exam, QuarantinedInstance, Remote, Retrieval, Route, Rule, Sending
from feedback import form_drafts
from feedback.forms import quality_form
from feedback.responses import submit
from inference.models import Job, PipelineVersion, RegisteredModel, Result
from portal.access import Role
from portal.models import User
from studies.blinding import preparation
from studies.cases import case_tables
from studies.models import Case, Membership, OutsideTable, Read, Study
from studies.people import group_grants, invitations
from tests.conftest import Cast
from tests.dicom_ingest.scans import complete, mr_slice, receive
from tests.feedback.conftest import ANSWERS

ADMIN = frozenset({"admin"})
READERS = frozenset({"reader", "other_reader"})
THE_READER = frozenset({"reader"})
COORDINATORS = frozenset({"coordinator"}) | ADMIN
FEEDBACK_SEEN_BY = frozenset({"governance", "reader"}) | COORDINATORS  # a reader sees their own
JOBS = frozenset({"qc", "scientist"}) | COORDINATORS
MANAGERS = frozenset({"scientist"}) | COORDINATORS
PROTOCOL_SEEN_BY = frozenset({"scientist", "governance"}) | COORDINATORS
MEMBERS = READERS | JOBS | frozenset({"governance"})
OVERSEERS = JOBS | frozenset({"governance"})
TRUTH_SEEN_BY = COORDINATORS | frozenset({"governance"})
BESIDE_THE_CAST = {"annotator": Role.ANNOTATOR, "adjudicator": Role.ADJUDICATOR}
WHOLE_STUDY = MEMBERS | frozenset(BESIDE_THE_CAST)
SIGNED_IN = WHOLE_STUDY | frozenset({"outsider"})
EVERYBODY = SIGNED_IN | frozenset({"anonymous"})


@dataclass(frozen=True, kw_only=True)
class Row:
    """Who is let in, and how they ask."""

    allowed: frozenset[str]
    method: Literal["get", "post"] = "get"
    query: str = ""


# fmt: off
TABLE: dict[str, Row] = {
    # studies
    "home":                       Row(allowed=SIGNED_IN),
    "study":                      Row(allowed=WHOLE_STUDY),
    "study-flow":                 Row(allowed=OVERSEERS),
    "study-flow-diagram":         Row(allowed=OVERSEERS),
    "study-missed":               Row(allowed=COORDINATORS, method="post"),
    "study-screen-outdated":      Row(allowed=COORDINATORS, method="post"),
    "study-cases":                Row(allowed=OVERSEERS),
    "study-case":                 Row(allowed=OVERSEERS),
    "study-case-qc":              Row(allowed=ADMIN | {"qc"}, method="post"),
    "study-case-qc-again":        Row(allowed=COORDINATORS, method="post"),
    "study-case-try-again":       Row(allowed=COORDINATORS, method="post"),
    "study-screening":            Row(allowed=OVERSEERS),
    "study-screening-again":      Row(allowed=COORDINATORS, method="post"),
    "study-screening-decision":   Row(allowed=COORDINATORS, method="post"),
    "study-findings":             Row(allowed=COORDINATORS),
    "study-table":                Row(allowed=COORDINATORS),
    "study-truth":                Row(allowed=TRUTH_SEEN_BY),
    "study-truth-table":          Row(allowed=COORDINATORS, method="post"),
    "study-truth-segmentations":  Row(allowed=COORDINATORS),
    "study-truth-lock":           Row(allowed=COORDINATORS, method="post"),
    "studies":                    Row(allowed=SIGNED_IN),
    "study-new":                  Row(allowed=COORDINATORS),
    "study-protocol":             Row(allowed=PROTOCOL_SEEN_BY),
    "study-protocol-file":        Row(allowed=PROTOCOL_SEEN_BY),
    "study-protocol-versions":    Row(allowed=PROTOCOL_SEEN_BY),
    "study-protocol-section":     Row(allowed=COORDINATORS, method="post"),
    "study-criteria-preview":     Row(allowed=COORDINATORS, method="post"),
    "study-amend":                Row(allowed=COORDINATORS, method="post"),
    "study-amendment-force":      Row(allowed=COORDINATORS, method="post"),
    "study-amendment-discard":    Row(allowed=COORDINATORS, method="post"),
    "study-stage":                Row(allowed=COORDINATORS, method="post"),
    "study-log":                  Row(allowed=COORDINATORS | {"governance"}),
    "study-log-export":           Row(allowed=COORDINATORS | {"governance"}),
    "exam":                       Row(allowed=MEMBERS),
    "exam-progress":              Row(allowed=MEMBERS),
    # reads; to everybody but its reader a read is not there
    "read-next":                  Row(allowed=SIGNED_IN),
    "read":                       Row(allowed=frozenset({"reader"})),
    "read-open":                  Row(allowed=frozenset({"reader"}), method="post"),
    "read-draft":                 Row(allowed=frozenset({"reader"}), method="post"),
    "read-submit":                Row(allowed=frozenset({"reader"}), method="post"),
    "study-reads":                Row(allowed=frozenset({"governance"}) | COORDINATORS),
    "study-reads-reader":         Row(allowed=frozenset({"governance"}) | COORDINATORS),
    "study-reads-assign":         Row(allowed=COORDINATORS, method="post"),
    "study-reads-earlier":        Row(allowed=COORDINATORS, method="post"),
    "study-reads-change":         Row(allowed=COORDINATORS, method="post"),
    "image-display":              Row(allowed=MEMBERS, query="?requestType=STUDY&studyUID=<exam>"),
    # members; who is invited need not be a member, nor signed in
    "study-members":              Row(allowed=COORDINATORS),
    "member-withdraw":            Row(allowed=COORDINATORS, method="post"),
    "invitations":                Row(allowed=COORDINATORS, method="post"),
    "invitation-renew":           Row(allowed=COORDINATORS, method="post"),
    "invitation-withdraw":        Row(allowed=COORDINATORS, method="post"),
    "group-grants":               Row(allowed=COORDINATORS, method="post"),
    "group-grant-withdraw":       Row(allowed=COORDINATORS, method="post"),
    "invitation":                 Row(allowed=EVERYBODY, query="?key=<key>"),
    "invitation-account":         Row(allowed=frozenset(), method="post"),
    # feedback
    "result":                     Row(allowed=MEMBERS),
    "result-feedback":            Row(allowed=MEMBERS),
    "api-feedback-list":          Row(allowed=SIGNED_IN),
    "api-feedback-detail":        Row(allowed=FEEDBACK_SEEN_BY),
    "forms":                      Row(allowed=COORDINATORS),
    "form-builder":               Row(allowed=COORDINATORS),
    "form-step":                  Row(allowed=COORDINATORS, method="post"),
    "form-preview":               Row(allowed=COORDINATORS, method="post"),
    "form-translations":          Row(allowed=COORDINATORS),
    "form-text":                  Row(allowed=COORDINATORS),
    "form-download":              Row(allowed=COORDINATORS),
    "form-publish":               Row(allowed=COORDINATORS, method="post"),
    # inference
    "jobs":                       Row(allowed=JOBS),
    "jobs-table":                 Row(allowed=JOBS),
    "job":                        Row(allowed=JOBS),
    "job-progress":               Row(allowed=JOBS),
    "job-retry":                  Row(allowed=MANAGERS, method="post"),
    "job-cancel":                 Row(allowed=MANAGERS, method="post"),
    "job-rerun":                  Row(allowed=MANAGERS, method="post"),
    "job-inputs":                 Row(allowed=MANAGERS),
    "job-outputs":                Row(allowed=MANAGERS),
    "api-job-list":               Row(allowed=SIGNED_IN),
    "api-job-detail":             Row(allowed=MEMBERS),
    "api-job-retry":              Row(allowed=MANAGERS, method="post"),
    "api-job-cancel":             Row(allowed=MANAGERS, method="post"),
    "api-job-rerun":              Row(allowed=MANAGERS, method="post"),
    "api-job-log":                Row(allowed=JOBS),
    "api-job-inputs":             Row(allowed=MANAGERS),
    "api-job-outputs":            Row(allowed=MANAGERS),
    "api-pipeline-list":          Row(allowed=JOBS),
    "api-pipeline-detail":        Row(allowed=JOBS),
    "api-result-list":            Row(allowed=SIGNED_IN),
    "api-result-detail":          Row(allowed=MEMBERS),
    "models":                     Row(allowed=JOBS),
    "model":                      Row(allowed=JOBS),
    "model-stage":                Row(allowed=ADMIN, method="post"),
    "api-model-list":             Row(allowed=JOBS),
    "api-model-detail":           Row(allowed=JOBS),
    # dicom_ingest
    "reception":                  Row(allowed=COORDINATORS),
    "reception-arrivals":         Row(allowed=COORDINATORS),
    "exam-complete":              Row(allowed=COORDINATORS, method="post"),
    "bring-in":                   Row(allowed=COORDINATORS),
    "bring-in-file":              Row(allowed=COORDINATORS, method="post"),
    "exam-complete-now":          Row(allowed=COORDINATORS, method="post"),
    "api-quarantine-list":        Row(allowed=ADMIN),
    "api-quarantine-detail":      Row(allowed=ADMIN),
    "reception-complete":         Row(allowed=ADMIN, method="post"),
    "quarantine-retry":           Row(allowed=ADMIN, method="post"),
    "quarantine-download":        Row(allowed=ADMIN),
    "quarantine-discard":         Row(allowed=ADMIN, method="post"),
    "rules":                      Row(allowed=COORDINATORS),
    "rule":                       Row(allowed=COORDINATORS),
    "rule-new":                   Row(allowed=COORDINATORS),
    "rule-trial":                 Row(allowed=COORDINATORS, method="post"),
    "rule-activation":            Row(allowed=COORDINATORS, method="post"),
    "rule-again":                 Row(allowed=COORDINATORS, method="post"),
    "api-rule-list":              Row(allowed=COORDINATORS),
    "api-rule-detail":            Row(allowed=COORDINATORS),
    "api-rule-verdict-list":      Row(allowed=SIGNED_IN),
    "api-rule-verdict-detail":    Row(allowed=MEMBERS),
    "ae-title-list":              Row(allowed=COORDINATORS),
    "ae-title-detail":            Row(allowed=COORDINATORS),
    "exam-list":                  Row(allowed=SIGNED_IN),
    "exam-detail":                Row(allowed=MEMBERS),
    # remotes; what is of another study's is not found, what is not the caller's to see is forbidden over REST
    "pacs":                       Row(allowed=COORDINATORS),
    "pacs-transfers":             Row(allowed=COORDINATORS),
    "pacs-bring-in":              Row(allowed=COORDINATORS, method="post"),
    "pacs-echo":                  Row(allowed=ADMIN, method="post"),
    "retrieval-cancel":           Row(allowed=COORDINATORS, method="post"),
    "retrieval-retry":            Row(allowed=COORDINATORS, method="post"),
    "sending":                    Row(allowed=COORDINATORS),
    "sending-progress":           Row(allowed=COORDINATORS),
    "sending-cancel":             Row(allowed=COORDINATORS, method="post"),
    "sending-retry":              Row(allowed=COORDINATORS, method="post"),
    "api-remote-list":            Row(allowed=ADMIN),
    "api-remote-detail":          Row(allowed=ADMIN),
    "api-remote-echo":            Row(allowed=ADMIN, method="post"),
    "api-retrieval-list":         Row(allowed=COORDINATORS),
    "api-retrieval-detail":       Row(allowed=COORDINATORS),
    "api-sending-list":           Row(allowed=COORDINATORS),
    "api-sending-detail":         Row(allowed=COORDINATORS),
    # DICOMweb; searches answer everybody who has signed in, each within what they may see
    "dicomweb/studies":           Row(allowed=SIGNED_IN),
    "dicomweb/series":            Row(allowed=SIGNED_IN),
    "dicomweb/instances":         Row(allowed=SIGNED_IN),
    "dicomweb/studies/<str:study>":                                                          Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/metadata":                                                 Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/series":                                                   Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/instances":                                                Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/series/<str:series>":                                      Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/series/<str:series>/metadata":                             Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/series/<str:series>/instances":                            Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>":             Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>/metadata":    Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>/frames/<str:frames>":
                                  Row(allowed=MEMBERS),
    "dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>/bulkdata/<str:bulkdata>":
                                  Row(allowed=MEMBERS),
    "study-rendered":             Row(allowed=MEMBERS),
    "study-thumbnail":            Row(allowed=MEMBERS),
    "series-rendered":            Row(allowed=MEMBERS),
    "series-thumbnail":           Row(allowed=MEMBERS),
    "instance-rendered":          Row(allowed=MEMBERS),
    "instance-thumbnail":         Row(allowed=MEMBERS),
    "frames-rendered":            Row(allowed=MEMBERS),
    "frames-thumbnail":           Row(allowed=MEMBERS),
    # the root of a read is its reader's alone
    "reads/<uuid:read>/dicomweb/studies":                            Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/series":                             Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/instances":                          Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/studies/<str:study>/metadata":       Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/studies/<str:study>/series":         Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/studies/<str:study>/instances":      Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/studies/<str:study>/series/<str:series>/metadata":   Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/studies/<str:study>/series/<str:series>/instances":  Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>":
                                  Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>/metadata":
                                  Row(allowed=THE_READER),
    "reads/<uuid:read>/dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>/frames/<str:frames>":
                                  Row(allowed=THE_READER),
    "read-study-rendered":        Row(allowed=THE_READER),
    "read-study-thumbnail":       Row(allowed=THE_READER),
    "read-series-rendered":       Row(allowed=THE_READER),
    "read-series-thumbnail":      Row(allowed=THE_READER),
    "read-instance-rendered":     Row(allowed=THE_READER),
    "read-instance-thumbnail":    Row(allowed=THE_READER),
    "read-frames-rendered":       Row(allowed=THE_READER),
    "read-frames-thumbnail":      Row(allowed=THE_READER),
    "read-nothing":               Row(allowed=frozenset()),
    # the viewer's own files hold nothing of a patient's
    "viewer":                     Row(allowed=SIGNED_IN),
    "segmentation":               Row(allowed=SIGNED_IN),
    "viewer-configuration":       Row(allowed=EVERYBODY),
    "viewer-extension":           Row(allowed=EVERYBODY),
    # portal
    "log":                        Row(allowed=ADMIN),
    "log-export":                 Row(allowed=ADMIN),
    "login":                      Row(allowed=EVERYBODY),
    "logout":                     Row(allowed=EVERYBODY, method="post"),
    "change-password":            Row(allowed=SIGNED_IN),
    "session":                    Row(allowed=EVERYBODY),
    "sign-in-again":              Row(allowed=EVERYBODY, method="post"),
    "token":                      Row(allowed=EVERYBODY, method="post"),
    "schema":                     Row(allowed=EVERYBODY),
    "healthz":                    Row(allowed=EVERYBODY),
    "readyz":                     Row(allowed=EVERYBODY),
}
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Address:
    """One URL pattern of the portal; `name` is its route where it has no name."""

    name: str
    route: str
    is_admins: bool

    def filled(self, values: Mapping[str, object]) -> str:
        """The address with a value for each of its parts."""
        route = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", self.route).replace("^", "").replace("$", "")
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda part: str(values[part[1]]), route)


@pytest.fixture
def values(exam_with_everything: Result, cast: Cast) -> dict[str, dict[str, object]]:
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
    read = _read(exam, cast)
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
            "read_id": read.pk,
            "reader": cast.reader.pk,
            "job_id": job.pk,
            "model_id": model.pk,
            "key": key,
            "number": exam.cases.get().number,
            "screening": exam.screenings.get().pk,
            "table": _truth_table(cast).pk,
        },
        "member-withdraw": {"pk": Membership.objects.get(user=cast.reader).pk},
        "invitation-renew": {"pk": invitation.pk},
        "invitation-withdraw": {"pk": invitation.pk},
        "group-grant-withdraw": {"pk": grant.pk},
        "study-protocol-section": {"key": "about"},
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
    }


def _of_root(read: Read) -> dict[str, dict[str, object]]:
    """The UIDs that the read's own DICOMweb root has given its images."""
    (shown,) = preparation.prepare(read).manifest.exams
    (series,) = shown.series
    known = {"read": read.pk, "study": shown.uid, "series": series.uid, "instance": series.instances[0].sop}
    named = [name for name in TABLE if name.startswith(("reads/<uuid:read>/dicomweb/", "read-"))]
    return {name: {**known, "frames": 1, "rest": "elsewhere"} for name in named}


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


def test_every_url_lets_in_those_whom_the_table_names(cast: Cast, values: dict[str, dict[str, object]]) -> None:
    cache.clear()  # the throttle of `token` counts other tests' requests
    clients = _clients(cast)
    found = {
        address.name: {who for who, client in clients.items() if _is_let_in(client, address, values)}
        for address in _addresses()
        if not address.is_admins
    }
    declared = {name: set(row.allowed) for name, row in TABLE.items()}
    differing = sorted(name for name in found.keys() | declared.keys() if found.get(name) != declared.get(name))
    assert not differing, {name: {"is let in": found.get(name), "declared": declared.get(name)} for name in differing}


def test_the_administration_is_for_superusers_alone(cast: Cast) -> None:
    clients = _clients(cast)
    parts = {"object_id": 1, "id": 1, "content_type_id": 1, "app_label": "studies", "url": "elsewhere"}
    guarded = [one for one in _addresses() if one.is_admins and one.name not in {"admin:login", "admin:logout"}]
    assert len(guarded) > 10
    for address in guarded:
        path = address.filled(parts)
        sent_away = {
            who for who, client in clients.items() if "/admin/login/" in client.get(path).headers.get("Location", "")
        }
        assert sent_away == EVERYBODY - ADMIN, path


def _clients(cast: Cast) -> dict[str, Client]:
    clients = {"anonymous": Client()}
    for member in fields(cast):
        clients[member.name] = Client()
        clients[member.name].force_login(getattr(cast, member.name))
    for name, role in BESIDE_THE_CAST.items():
        clients[name] = Client()
        clients[name].force_login(user := User.objects.create_user(name))
        Membership.objects.create(study=Study.objects.get(slug="brain"), user=user, role=role)
    return clients


def _is_let_in(client: Client, address: Address, values: Mapping[str, Mapping[str, object]]) -> bool:
    row = TABLE.get(address.name)
    if row is None:
        return False
    path = address.filled({**values[""], **values.get(address.name, {})})
    query = row.query.replace("<exam>", str(values[""]["study"])).replace("<key>", str(values[""]["key"]))
    with _undone():
        response = getattr(client, row.method)(path + query)
        assert response.status_code != 405, f"{path} is not asked for with {row.method.upper()}"
        return not _is_refusal(response)


def _is_refusal(response: HttpResponseBase) -> bool:
    return response.status_code in {401, 403, 404} or response.headers.get("Location", "").startswith("/login/?next=")


@contextmanager
def _undone() -> Iterator[None]:
    """Whatever is changed inside is as before afterwards."""
    quarantined = store.quarantine_folder() / "one.dcm"
    quarantined.parent.mkdir(parents=True, exist_ok=True)
    quarantined.write_bytes(b"???")
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _addresses() -> list[Address]:
    return list(_walk(get_resolver().url_patterns, route="", namespace=""))


def _walk(patterns: list[URLPattern | URLResolver], *, route: str, namespace: str) -> Iterator[Address]:
    for pattern in patterns:
        here = route + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, route=here, namespace=inner)
        else:
            name = f"{namespace}{pattern.name}" if pattern.name else here
            yield Address(name=name, route=here, is_admins=namespace == "admin:")
