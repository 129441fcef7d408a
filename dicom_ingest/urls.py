"""URLs of reception: its page, the DICOMweb root and the exams of the API."""

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from dicom_ingest import views
from dicom_ingest.api import ExamViewSet

api = SimpleRouter()
api.register("exams", ExamViewSet, basename="exam")

urlpatterns: list[URLPattern | URLResolver] = [
    path("reception/", views.reception, name="reception"),
    path("reception/routes/<int:pk>/complete/", views.complete, name="reception-complete"),
    path("reception/quarantine/<int:pk>/retry/", views.retry, name="quarantine-retry"),
    path("reception/quarantine/<int:pk>/discard/", views.discard, name="quarantine-discard"),
    path("reception/quarantine/<int:pk>/download/", views.download, name="quarantine-download"),
    path("dicomweb/", include("dicom_ingest.dicomweb.urls")),
    path("api/", include(api.urls)),
]
