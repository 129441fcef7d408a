from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from inference import views
from inference.api import JobViewSet, ResultViewSet

router = SimpleRouter()
router.register("jobs", JobViewSet, basename="api-job")
router.register("results", ResultViewSet, basename="api-result")

urlpatterns: list[URLPattern | URLResolver] = [
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/table/", views.jobs_table, name="jobs-table"),
    path("jobs/<uuid:job_id>/", views.job, name="job"),
    path("jobs/<uuid:job_id>/progress/", views.job_progress, name="job-progress"),
    path("jobs/<uuid:job_id>/retry/", views.retry, name="job-retry"),
    path("jobs/<uuid:job_id>/cancel/", views.cancel, name="job-cancel"),
    path("api/", include(router.urls)),
]
