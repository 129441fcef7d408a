from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from inference import model_views, views
from inference.api import JobViewSet, PipelineViewSet, ResultViewSet
from inference.model_api import RegisteredModelViewSet

router = SimpleRouter()
router.register("jobs", JobViewSet, basename="api-job")
router.register("results", ResultViewSet, basename="api-result")
router.register("pipelines", PipelineViewSet, basename="api-pipeline")
router.register("models", RegisteredModelViewSet, basename="api-model")

urlpatterns: list[URLPattern | URLResolver] = [
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/table/", views.jobs_table, name="jobs-table"),
    path("jobs/<uuid:job_id>/", views.job, name="job"),
    path("jobs/<uuid:job_id>/progress/", views.job_progress, name="job-progress"),
    path("jobs/<uuid:job_id>/retry/", views.retry, name="job-retry"),
    path("jobs/<uuid:job_id>/cancel/", views.cancel, name="job-cancel"),
    path("jobs/<uuid:job_id>/rerun/", views.run_again, name="job-rerun"),
    path("jobs/<uuid:job_id>/inputs/", views.download, {"part": "inputs"}, name="job-inputs"),
    path("jobs/<uuid:job_id>/outputs/", views.download, {"part": "outputs"}, name="job-outputs"),
    path("models/", model_views.models, name="models"),
    path("models/<int:model_id>/", model_views.model, name="model"),
    path("models/<int:model_id>/stage/", model_views.stage, name="model-stage"),
    path("api/", include(router.urls)),
]
