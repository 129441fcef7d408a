from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from dicom_ingest.dicomweb.urls import root
from feedback import builder_views, correction_views, views
from feedback.api import FeedbackViewSet
from feedback.course import pages

router = SimpleRouter()
router.register("feedback", FeedbackViewSet, basename="api-feedback")

editors_root = root(correction_views.scope_of, store=correction_views.store, prefix="result-")

urlpatterns: list[URLPattern | URLResolver] = [
    path("results/<uuid:result_id>/", views.result_page, name="result"),
    path("results/<uuid:result_id>/feedback/", views.result_feedback, name="result-feedback"),
    path("results/<uuid:result_id>/course/", pages.course_page, name="course"),
    path("results/<uuid:result_id>/course/print/", pages.course_print, name="course-print"),
    path("results/<uuid:result_id>/correction/", correction_views.correction, name="result-correction"),
    path("results/<uuid:result_id>/correction/begin/", correction_views.begin, name="result-correction-begin"),
    path("results/<uuid:result_id>/correction/none/", correction_views.none, name="result-correction-none"),
    path("results/<uuid:result>/dicomweb/", include(editors_root)),
    path("forms/", builder_views.form_list, name="forms"),
    path("forms/<slug:slug>/", builder_views.builder, name="form-builder"),
    path("forms/<slug:slug>/step/", builder_views.step, name="form-step"),
    path("forms/<slug:slug>/preview/", builder_views.preview, name="form-preview"),
    path("forms/<slug:slug>/translations/", builder_views.translations, name="form-translations"),
    path("forms/<slug:slug>/text/", builder_views.text, name="form-text"),
    path("forms/<slug:slug>/form.yaml", builder_views.download, name="form-download"),
    path("forms/<slug:slug>/publish/", builder_views.publish, name="form-publish"),
    path("api/", include(router.urls)),
]
