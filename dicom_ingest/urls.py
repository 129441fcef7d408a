"""URLs of reception: its page, the DICOMweb root and the exams of the API."""

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from dicom_ingest import bring_in_views, rule_pages, views
from dicom_ingest.ae_title_api import AETitleViewSet
from dicom_ingest.api import ExamViewSet, QuarantineViewSet
from dicom_ingest.pacs.api import RemoteViewSet, RetrievalViewSet, SendingViewSet
from dicom_ingest.rule_api import RuleVerdictViewSet, RuleViewSet

api = SimpleRouter()
api.register("ae-titles", AETitleViewSet, basename="ae-title")
api.register("exams", ExamViewSet, basename="exam")
api.register("rules", RuleViewSet, basename="api-rule")
api.register("rule-verdicts", RuleVerdictViewSet, basename="api-rule-verdict")
api.register("quarantine", QuarantineViewSet, basename="api-quarantine")
api.register("remotes", RemoteViewSet, basename="api-remote")
api.register("retrievals", RetrievalViewSet, basename="api-retrieval")
api.register("sendings", SendingViewSet, basename="api-sending")

urlpatterns: list[URLPattern | URLResolver] = [
    path("dicomweb/", include("dicom_ingest.dicomweb.urls")),
    path("reception/", views.reception, name="reception"),
    path("reception/arrivals/", views.arrivals, name="reception-arrivals"),
    path("exams/<str:study_instance_uid>/complete/", views.complete_exam, name="exam-complete"),
    path("bring-in/", bring_in_views.page, name="bring-in"),
    path("bring-in/files/", bring_in_views.file, name="bring-in-file"),
    path("reception/routes/<int:pk>/complete/", views.complete, name="reception-complete"),
    path("reception/quarantine/<int:pk>/retry/", views.retry, name="quarantine-retry"),
    path("reception/quarantine/<int:pk>/discard/", views.discard, name="quarantine-discard"),
    path("reception/quarantine/<int:pk>/download/", views.download, name="quarantine-download"),
    path("rules/", rule_pages.rule_list, name="rules"),
    path("rules/new/", rule_pages.new_rule, name="rule-new"),
    path("rules/try/", rule_pages.trial, name="rule-trial"),
    path("rules/<int:pk>/", rule_pages.rule_page, name="rule"),
    path("rules/<int:pk>/activation/", rule_pages.activation, name="rule-activation"),
    path("rules/<int:pk>/again/", rule_pages.judge_again, name="rule-again"),
    path("pacs/", include("dicom_ingest.pacs.urls")),
    path("api/", include(api.urls)),
]
