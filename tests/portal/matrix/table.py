"""Who may use each URL of the portal, and how they ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from portal.access import Role

ADMIN = frozenset({"admin"})
READERS = frozenset({"reader", "other_reader"})
THE_READER = frozenset({"reader"})
THE_ANNOTATOR = frozenset({"annotator"})
COORDINATORS = frozenset({"coordinator"}) | ADMIN
FEEDBACK_SEEN_BY = frozenset({"governance", "reader"}) | COORDINATORS  # a reader sees their own
JOBS = frozenset({"qc", "scientist"}) | COORDINATORS
MANAGERS = frozenset({"scientist"}) | COORDINATORS
PROTOCOL_SEEN_BY = frozenset({"scientist", "governance"}) | COORDINATORS
MEMBERS = READERS | JOBS | frozenset({"governance"})
OVERSEERS = JOBS | frozenset({"governance"})
TRUTH_SEEN_BY = COORDINATORS | frozenset({"governance"})
RESULTS_SEEN_BY = TRUTH_SEEN_BY  # the cast's study has open readers; see tests/studies/evidence/test_disclosure.py
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
    "study-case-mask":            Row(allowed=COORDINATORS, method="post"),
    "study-case-try-again":       Row(allowed=COORDINATORS, method="post"),
    "study-screening":            Row(allowed=OVERSEERS),
    "study-screening-again":      Row(allowed=COORDINATORS, method="post"),
    "study-screening-decision":   Row(allowed=COORDINATORS, method="post"),
    "study-findings":             Row(allowed=COORDINATORS),
    "study-table":                Row(allowed=COORDINATORS),
    "study-quality":              Row(allowed=COORDINATORS | {"governance"}),
    # the queue of QC; of a study in which one checks no cases, none is there
    "qc":                         Row(allowed=ADMIN | {"qc"}),
    "qc-case":                    Row(allowed=ADMIN | {"qc"}),
    "qc-verdict":                 Row(allowed=ADMIN | {"qc"}, method="post"),
    "qc-series":                  Row(allowed=ADMIN | {"qc"}, method="post"),
    "qc-picture":                 Row(allowed=ADMIN | {"qc"}),
    "study-truth":                Row(allowed=TRUTH_SEEN_BY),
    "study-truth-table":          Row(allowed=COORDINATORS, method="post"),
    "study-truth-segmentations":  Row(allowed=COORDINATORS),
    "study-truth-lock":           Row(allowed=COORDINATORS, method="post"),
    "study-results":              Row(allowed=RESULTS_SEEN_BY),
    "study-results-export":       Row(allowed=RESULTS_SEEN_BY),
    "study-report":               Row(allowed=RESULTS_SEEN_BY),
    "study-report-ask":           Row(allowed=RESULTS_SEEN_BY, method="post"),
    "study-report-progress":      Row(allowed=RESULTS_SEEN_BY),
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
    "annotation":                 Row(allowed=THE_ANNOTATOR),
    "annotation-mask":            Row(allowed=THE_ANNOTATOR),
    "annotation-upload":          Row(allowed=THE_ANNOTATOR, method="post"),
    "annotation-start":           Row(allowed=THE_ANNOTATOR, method="post"),
    "annotation-submit":          Row(allowed=THE_ANNOTATOR, method="post"),
    "annotation-images":          Row(allowed=THE_ANNOTATOR),
    "read-measurements":          Row(allowed=frozenset({"reader"})),
    "read-submit":                Row(allowed=frozenset({"reader"}), method="post"),
    "read-correction":            Row(allowed=THE_READER),
    "read-correction-begin":      Row(allowed=THE_READER, method="post"),
    "read-correction-none":       Row(allowed=THE_READER, method="post"),
    "study-reads":                Row(allowed=frozenset({"governance"}) | COORDINATORS),
    "study-reads-reader":         Row(allowed=frozenset({"governance"}) | COORDINATORS),
    "study-reads-assign":         Row(allowed=COORDINATORS, method="post"),
    "study-reads-earlier":        Row(allowed=COORDINATORS, method="post"),
    "study-reads-change":         Row(allowed=COORDINATORS, method="post"),
    "image-display":              Row(allowed=MEMBERS | {"annotator"}, query="?requestType=STUDY&studyUID=<exam>"),
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
    "result-correction":          Row(allowed=MEMBERS),
    "result-correction-begin":    Row(allowed=READERS | ADMIN, method="post"),
    "result-correction-none":     Row(allowed=READERS | ADMIN, method="post"),
    "course":                     Row(allowed=MEMBERS),
    "course-print":               Row(allowed=MEMBERS),
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
    # the root of a result's editor
    "results/<uuid:result>/dicomweb/studies":                 Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/series":                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/instances":               Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/metadata":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/series":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/instances":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/series/<str:series>":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/series/<str:series>/metadata":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/series/<str:series>/instances":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>/metadata":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>/frames/<str:frames>":
                                  Row(allowed=MEMBERS),
    "results/<uuid:result>/dicomweb/studies/<str:study>/series/<str:series>/instances/<str:instance>/bulkdata/<str:bulkdata>":
                                  Row(allowed=MEMBERS),
    "result-study-rendered":      Row(allowed=MEMBERS),
    "result-study-thumbnail":     Row(allowed=MEMBERS),
    "result-series-rendered":     Row(allowed=MEMBERS),
    "result-series-thumbnail":    Row(allowed=MEMBERS),
    "result-instance-rendered":   Row(allowed=MEMBERS),
    "result-instance-thumbnail":  Row(allowed=MEMBERS),
    "result-frames-rendered":     Row(allowed=MEMBERS),
    "result-frames-thumbnail":    Row(allowed=MEMBERS),
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
    "viewer-module":              Row(allowed=EVERYBODY),
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
